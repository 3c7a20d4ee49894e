"""The Terms page: what a nat buys, over all runs on a dataset.

view            which runs are shown, as rows and points; kept in the address
picked          the numbers of the chosen run, and the ways on from it
scrub           a slider over the runs of a curve, z and image held
new_sweep       the form of a sweep, with what it takes
jobs            the runs that are at work: how far, stop them, add more
"""
