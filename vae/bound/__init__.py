"""What is computed from a model? The ELBO's terms and their gradients, log p(x), the gap between them, metrics.

objective estimator             what is minimised and how its gradient reaches the encoder: what each of these is
objectives estimators           those that have a name, a registry at the foot of each file
proposals pareto evidence       the importance bound on log p(x), and whether its weights can be believed
exact_evidence                  log p(x) without sampling, where the model allows it
metric metrics                  what a metric is; those that have a name
evaluation report               a model's worth on held-out images, in numbers and in words
chunks                          full precision, and batches as large as pays
"""
