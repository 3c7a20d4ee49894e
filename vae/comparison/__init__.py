"""How do two runs differ? Or one run at two of its moments: term by term, and point by point."""
