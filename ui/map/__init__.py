"""The Map page: figures for print, histograms, tables, and the processes that compute maps."""
