"""What is the model? Likelihoods p(x|z), latents p(z) and q(z|x), networks, and the VAE that joins them.

likelihoods latents networks    the parts, a registry at the foot of each file
vae                             encoder + decoder + likelihood + latent
kl linear_gaussian              what has a closed form
bit_codes random_draws          all codes of k bits; noise from generators that are given
tensors                         what a person's own tensors must be
"""
