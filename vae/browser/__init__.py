"""What does the page get? Files that the browser's modules read without Python.

decoder_export                  a model's decoder, which the page runs by itself
decoder_steps decoder_layers    the same taken apart into torch's layers, and these as the page's
drawing                         small figures as SVG, for pages and for files that open without them
framing                         a JSON header in front of bytes: what most of what the page gets is
"""
