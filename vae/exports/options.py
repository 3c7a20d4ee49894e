"""The options of `python -m vae export`; nothing here needs torch."""

from __future__ import annotations

import argparse
from pathlib import Path


def export_options(command: argparse.ArgumentParser) -> None:
    """Adds them to the command."""
    command.add_argument("name", metavar="RUN")
    command.add_argument("--format", required=True, help="{exports}")
    command.add_argument("--what", help="for formats with several kinds, such as csv: codes or history")
    command.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: RUN-KIND.ENDING here)")
