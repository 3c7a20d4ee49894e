"""Which pictures are yours? A folder, a zip, parquet or an array file in, a dataset with a name out.

found = at(Path("faces"))                         what is there; nothing of it has been decoded
report, samples = survey(found, progress)         how many, sizes, classes, the same twice, what is left out and why
prepare(found, report, "faces", suggested(report), data_root(), progress)
load_dataset("faces")                             from then on, like any other
"""
