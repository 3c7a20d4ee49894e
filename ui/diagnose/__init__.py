"""The Diagnose page: what is wrong with a run, finding by finding."""
