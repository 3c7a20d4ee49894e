"""How do two runs differ? Or one run at two of its moments: term by term, and point by point.

same_images     whether both see the same held-out images, or why they cannot be compared
paired_terms    what both cost on the same images with the same noise: differences and their errors
alignment       rotation, reflection and permutation taken out of two sets of codes
neighbours      which codes are near a code, and how many of them stayed
comparison      all of it, for two runs, with progress
words           what it says, in sentences
"""
