"""The Suspects page: which images of a run look wrong, and what is to be done with them.

view                           what the address says
work                           the processes that look for suspects
shown                          what is on disk of them, kept at hand
marks                          this browser's marks: with the run, or in the browser's session
table                          the rows of one page, as the browser module has them
panel                          progress, kinds, choices above the table
below                          what is done with rows; classes
"""
