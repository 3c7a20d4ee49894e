"""Which images are suspect? Those that cost a lot, contradict their neighbours, come twice, are blank or far out.

scores                          rate and distortion of each image of both parts; blank ones; far outliers
neighbours                      whether the nearest codes have the same label
duplicates                      images that are the same, or nearly, in either part
evidence                        log p(x) by the importance bound, the worst images first
second                          images of another dataset, scored by this model
results process                 all that on disk, keyed by the weights; the process that computes it
opened                          a part of the images with all that is known of them, and as pictures
table                           what is listed, in which order; one row as all see it
classes                         means per class, with errors
marks                           which rows somebody marked, with notes: they survive new weights
command options                 `python -m vae suspects`
export                          rows as CSV and JSON, and back as those that a run is to do without
"""
