"""What is wrong with it? Findings on one run's latent space, each true or false for it, with the nats at stake.

finding                         what a finding is; what it tells
case                            one run with all that findings look at, loaded and encoded once
work                            asks a run the findings, the quickest first
process                         the same in a process of its own, kept with the run
results                         what is kept: status, results, arrays; read as a stranger's files
command, report                 the command line; JSON, lines of text, one HTML file
curves, parts                   what a history says of the losses; as many images of each part
picture                         pictures of findings, held to plain shapes
findings/                       the findings that have a name, one a file; the registry FINDINGS
"""
