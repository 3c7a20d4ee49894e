"""The computations behind the Learn page: each line of the derivation once by its formula, once by another road.

    check               a number twice, and whether the two agree
    scalar_model        one pixel, one latent dimension: evidence, ELBO, gap, distortion and rate
    gaussians           KL divergences of normal distributions
    noise               reparameterisation, and the variants that fail
    monte_carlo         the error of S samples
    gaussian_noise      where C comes from
    collapse            data variance against c
    likelihood_ratio    the gradient through bits
    trained_loss        the loss of this project's trainer against the closed form
    errata              what four public notes print, and by how much it is off; errata_examples: its numbers

Everything in float64 on the CPU; random numbers come from the generator that the caller gives.
"""
