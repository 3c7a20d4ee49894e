"""What comes in from other people's code? Their models, in files that are read and never run.

onnx_file      the bytes of an ONNX file, within bounds, as nodes and arrays
onnx_constants what a file computes without looking at an image: shapes and weights
onnx_layers    one operation as one of torch's layers
onnx_network   all of a file as a module; `simplify` folds normalisation and fuses what is one layer
torch_export   modules of torch's as ONNX files
foreign_run    a run directory whose model is a stranger's, and how it is opened
wrap           a run from two networks and some images
"""
