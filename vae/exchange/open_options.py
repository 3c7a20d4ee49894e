"""The options of `python -m vae open`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path


def open_options(command: argparse.ArgumentParser) -> None:
    """Adds them to the command."""
    add = command.add_argument
    add("--encoder", type=Path, metavar="E.onnx", help="gives mean and log-variance, or the logits of bits")
    add("--decoder", type=Path, metavar="D.onnx", help="gives the image of a code")
    add("--python", metavar="FILE.py:FACTORY", help="instead of both: this code is run, and returns (encoder, decoder)")
    add("--images", required=True, metavar="FILE", help="the name or the .npz of a dataset; what it holds out is shown")
    add(
        "--likelihood",
        help="gaussian, bernoulli or continuous-bernoulli (left out: no number is called a likelihood's)",
    )
    add("--pixels", type=_range, default=(0.0, 1.0), metavar="LOW,HIGH", help="of a pixel for your model (default 0,1)")
    add("--C", type=float, help="gaussian: 1/(2c), c the variance of a pixel as your model sees it")
    add("--gives", choices=("mean", "probabilities", "logits"), help="what the decoder gives (default: by looking)")
    add("--latent", default="normal", help="normal, full-normal or bernoulli (default normal)")
    add("--name", help="name of the run (default: your-model)")


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers such as -1,1, got {text!r}") from None
    return low, high
