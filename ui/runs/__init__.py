"""Runs as a person sees them: cards, the list to choose from, what may be done to one, whose it is.

run_view states                      every file of a run read once a rerun; what a state is called
gallery chooser                      cards; the run that a page shows
owners actions                       whose it is; rename, delete, restore
command display_limits queue_note    the command that trains it; its pictures' limits; its place in the queue
engine_choice                        where new ones train
"""
