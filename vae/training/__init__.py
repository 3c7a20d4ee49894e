"""How does a model learn? A generator of records, steered by knobs.

defaults size                   a config that can be built, and what it takes
trainer step adam               the loop, a step's loss, the optimiser
records                         what a trainer tells
cuda_graphs batched_runs        steps captured on a GPU; several models in one step
"""
