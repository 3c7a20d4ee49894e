"""Runs as a person sees them: cards, the list to choose from, what may be done to one, whose it is."""
