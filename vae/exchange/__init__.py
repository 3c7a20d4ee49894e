"""What comes in from other people's code? Networks as ONNX files, read and never run; a loop's terms, checked.

onnx_file       the bytes of an ONNX file, within bounds, as operations and arrays
onnx_operation  an operation and what it may be
onnx_constants  what a file computes without looking at an image: shapes, and weights from weights
onnx_layers     one operation as one of torch's layers
onnx_network    all of a file as layers that are wired together
onnx_simplify   several steps as the one layer that they are
torch_export    modules of torch's as the bytes of ONNX files
foreign_model   two such files as a Model; encoder_outputs: its encoder's in one form
other_formats   what other files of models are known by, and why they are refused
step_terms      what a loop says of one step, as sums; own_images: images handed over from Python
open_options    the options of `python -m vae open`
python_file     networks from a Python file, which is code: for the command line alone

What makes a run of these is in `vae.runs`: `log`, `wrap`, `foreign_run`.
"""
