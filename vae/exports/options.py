"""The options of `python -m vae export`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path


def export_options(command: argparse.ArgumentParser) -> None:
    """Adds them to the command."""
    command.add_argument("name", metavar="RUN")
    command.add_argument("--format", required=True, help="{exports}")
    command.add_argument(
        "--what",
        help="of csv codes or history, of onnx encoder or decoder, of gif traversal, interpolation or training, of svg "
        "curves or plane (default: the first)",
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: RUN-KIND.ENDING here)")
