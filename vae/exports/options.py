"""The options of `python -m vae export` and `import`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path


def export_options(command: argparse.ArgumentParser) -> None:
    """Adds them to the command."""
    command.add_argument("name", metavar="RUN")
    command.add_argument("--format", required=True, help="{exports}")
    command.add_argument(
        "--what",
        help="of bundle whole, light or bare, of onnx encoder or decoder, of csv codes or history, of gif traversal, "
        "interpolation or training, of svg curves or plane (default: the first)",
    )
    command.add_argument("--by", metavar="NAME", help="bundle: who made the run, as it is to be published")
    command.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: RUN-KIND.ENDING here)")


def import_options(command: argparse.ArgumentParser) -> None:
    """Adds those of `import`."""
    command.add_argument("file", type=Path, metavar="BUNDLE.zip")
    command.add_argument("--name", help="name of the run (default: the one that it had)")
