"""What is the model? Likelihoods p(x|z), latents p(z) and q(z|x), networks, and the VAE that joins them.

likelihood latent               what each of these is
latent_words                    what a latent's dimensions are called, without torch
likelihoods latents networks    the parts that have a name, a registry at the foot of each file
vae                             encoder + decoder + likelihood + latent
kl linear_gaussian              what has a closed form
normal_density                  the constant log 2π that its logarithm has
bit_codes random_draws          all codes of k bits; noise from generators that are given
tensors                         what a person's own tensors must be
"""
