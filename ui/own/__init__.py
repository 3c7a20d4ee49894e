"""Pictures of a visitor's own on their way to a dataset: dropped or found, looked at, prepared, kept, removed.

drops places           files that were dropped; folders that may be named
draft work             where a visitor's pictures stand; the thread that reads them, with progress and stop
questions shelf        what is asked of them; the datasets that were made
model bundle           a model of one's own from files; a run that comes back
"""
