"""The options of `python -m vae images`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def images_options(commands: Any) -> list[argparse.ArgumentParser]:
    """Adds `images add | list | show | remove`; returns their parsers."""
    about = "make a dataset of pictures of yours, for --dataset NAME; list, show, remove such datasets"
    actions = commands.add_parser("images", help=about, description=about).add_subparsers(
        dest="action", required=True, metavar="action"
    )
    add = actions.add_parser("add", help="look at pictures, report on them, make a dataset of them")
    add.add_argument(
        "path", type=Path, metavar="PATH", help="folder or .zip of PNG and JPEG (folders are classes; train/ and test/ "
        "are parts), .parquet, .npz, .npy",
    )  # fmt: skip
    add.add_argument("--name", help="of the dataset (default: the folder's or file's)")
    add.add_argument("--size", type=_size, metavar="64|48x64", help="height x width (default: their own, or 64)")
    add.add_argument("--fit", choices=("crop", "pad", "stretch"), default="crop", help="how they get it (default crop)")
    add.add_argument("--colour", choices=("grey", "colour"), help="default: colour where a picture has it")
    add.add_argument(
        "--held-out", type=_share, metavar="0.2|given", help="share, or the given parts (default given, else 0.2)"
    )
    add.add_argument("--stratify", action="store_true", default=None, help="hold out the same share of each class")
    add.add_argument("--report", action="store_true", help="only report on them; make nothing")
    listing = actions.add_parser("list", help="the datasets of your own")
    show = actions.add_parser("show", help="what a dataset was made of, and how")
    remove = actions.add_parser("remove", help="delete a dataset; the pictures that it was made of stay")
    remove.add_argument("--force", action="store_true", help="also where runs were trained on it")
    for action in (show, remove):
        action.add_argument("name", metavar="NAME")
    return [add, listing, show, remove]


def _size(text: str) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in (text.split("x") if "x" in text else (text, text)))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a side such as 64, or 48x64, got {text!r}") from None
    return height, width


def _share(text: str) -> float | str:
    try:
        return text if text == "given" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a share such as 0.2, or given, got {text!r}") from None
