"""The Map page: figures for print, histograms, tables, and the processes that compute maps.

view                           what the address says
fits                           the processes
figures histograms tables      for print and as CSV
"""
