"""The Take away page: what a run can leave as.

work          the processes that make files, their queue, what became of them
rows          a format a row: what it is, make, stop, download
"""
