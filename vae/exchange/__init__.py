"""What comes in from other people's code? Their training loops write a run (`log`), their models become one (`wrap`).

A run of that kind says `network: "yours"` in its config (`Config.is_yours`): every page shows it, C and the learning
rate are turned in it while it trains, and what only our own trainer can do is not offered. Models are read, not run:

onnx_file       the bytes of an ONNX file, within bounds, as operations and arrays
onnx_constants  what a file computes without looking at an image: shapes, and weights from weights
onnx_layers     one operation as one of torch's layers
onnx_network    all of a file as layers that are wired together
onnx_simplify   several steps as the one layer that they are
torch_export    modules of torch's as the bytes of ONNX files
foreign_model   two such files as a Model
foreign_run     how they lie in a run's directory, and how they come back
"""
