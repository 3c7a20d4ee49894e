"""How does a model learn? A generator of records, steered by knobs.

defaults size                   a config that can be built, and what it takes
trainer batches step adam       the loop, its images, a step's loss, the optimiser
held_out records divergence     what a trainer measures and records; what it says when it cannot go on
moment_steps                    which steps are kept to be looked at later
cuda_graphs batched_runs        steps captured on a GPU; several models in one step
"""
