"""What do many runs say together? Runs over several values of C, in the planes where rate is traded for the rest."""
