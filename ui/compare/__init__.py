"""The Compare page: two runs on the same image and the same z, or one run through its training.

other           the run that the first is compared with: those on the same images
moments         at which of its moments each of both is looked at
two_runs        both beside each other, term by term and point by point
time_machine    one run at the moments of its training that it kept
"""
