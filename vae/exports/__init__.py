"""What can be taken along?

A run leaves as one file: see `export.py` for what a format is, `exports.py` for those that there are. What comes back
is read like any file from outside.
"""
