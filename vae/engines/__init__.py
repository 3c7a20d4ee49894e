"""Where does it run? An engine takes run directories and sees to it that worker processes train them.

base engines settings           what an engine is; the registry of them; what a person says of their clusters
foreground                      a training that the command line waits for, wherever it runs
local turns places              the engine of this machine; whose turn it is; how many train at once
workers process                 its worker processes and the spare one; one of them as the engine sees it
parent streams                  the engine as a worker sees it; standard input and output
worker endings states           what trains a run; how it ends; what an engine writes for a run that has no worker
warm_start                      a run that starts from another one's weights
scheduled slurm ray             an engine whose scheduler is somebody else's, and the two that there are
batches job                     what was handed over, in files beside the runs; what a job does on some machine
doctor probe                    whether an engine works; what a job is asked for that
"""
