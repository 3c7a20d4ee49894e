"""Where do images lie? Codes, projections to two dimensions, and the process that computes them.

encodings                       where the model puts each image, and what each costs
projections                     codes (n, k) to places (n, 2)
fit_process places_file         the process that lays codes out; its map as a file
"""
