"""What is wrong with it? Findings on one run's latent space, each true or false for it, with the nats at stake.

finding                         what a finding is; what it tells
case                            one run with all that findings look at, loaded and encoded once
findings/                       the findings that have a name, one a file; the registry FINDINGS
"""
