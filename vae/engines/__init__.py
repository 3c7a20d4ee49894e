"""Where are runs trained?

base                            what an engine is: the methods that pages and the command line may call
local turns places              the engine of this machine; whose turn it is; how many train at once
process parent streams          a worker process as its engine sees it, the engine as the worker sees it, their pipes
worker endings states           what trains a run; how it ends; what an engine writes of a run that has no worker
"""
