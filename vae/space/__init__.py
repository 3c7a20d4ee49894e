"""Where do images lie? Codes, projections to two dimensions, and the process that computes them.

parts encodings                 the two parts of the data; where the model puts each image, and what each costs
projection projections          what lays codes (n, k) out at places (n, 2); PCA, t-SNE and UMAP
map_kinds packed_codes           what a map can show; codes as bytes for the page
fit_process places_file         the process that lays codes out; its map as a file
"""
