"""The options of `python -m vae suspects`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from vae.space.parts import PARTS

KS = (5, 10, 20, 50)  # numbers of neighbours that are offered


def suspects_options(command: argparse.ArgumentParser) -> None:
    """Adds them to the command."""
    add = command.add_argument
    add("name", metavar="RUN")
    add("--part", choices=PARTS, help="images (default train: those that it was trained on, where they are here)")
    add("--sort", help="disagreement (default, with labels), elbo, distortion, rate, log_px, copies or row")
    add("--kind", default="all", help="all (default), label, exact, near, blank, far, marked; with --second: tail")
    add("--k", type=int, default=10, help="neighbours that are asked: 5, 10, 20 or 50 (default 10)")
    add("--limit", type=int, default=50, help="rows at most (default 50)")
    add("--evidence", action="store_true", help="also log p(x), 200 samples an image: takes a while")
    add("--second", metavar="DATASET", help="instead: another dataset's held-out images, scored by this model")
    add("--out", type=Path, metavar="FILE", help="also write them: .csv or .json, which train --without takes")
