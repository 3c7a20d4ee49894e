"""Who is here, and what may they do?

settings                what the owner of the server has set: codes, limits, the room on the disk
identity                a browser's signed cookie; what it was granted by a code
door guesses moving     the plain page that asks for a code; wrong ones are few; one code hands an identity over
people                  what visitors call themselves
disk limits             how much lies in the folder of runs, and whose it is; what is refused
menu                    all of it for the visitor, on Home

Whose a run is stands beside it: `ui.runs.owners`.
"""
