"""The converter of written losses: questions, words, faults, code, and the projects that answer for you."""
