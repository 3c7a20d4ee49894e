"""Where does it run? An engine takes run directories and sees to it that worker processes train them.

base                            what an engine is: the methods that pages and the command line may call
local turns places              the engine of this machine; whose turn it is; how many train at once
workers process                 its worker processes and the spare one; one of them as the engine sees it
parent streams                  the engine as a worker sees it; standard input and output
worker endings states           what trains a run; how it ends; what an engine writes for a run that has no worker
warm_start                      a run that starts from another one's weights
"""
