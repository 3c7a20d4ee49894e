"""What is computed from a model? The ELBO's terms and their gradients, log p(x), the gap between them, metrics.

objectives estimators           what is minimised; how its gradient reaches the encoder
proposals pareto evidence       the importance bound on log p(x), and whether its weights can be believed
exact_evidence                  log p(x) without sampling, where the model allows it
metrics evaluation report       a model's worth on held-out images, in numbers and in words
chunks                          images looked at in batches as large as pays
"""
