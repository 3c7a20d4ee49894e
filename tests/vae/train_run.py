"""Training one run in this process, as a worker does."""

from __future__ import annotations

from pathlib import Path

from vae import runs
from vae.engines import worker
from vae.engines.parent import Parent
from vae.runs.start import Request


def train_run(path: Path, server_gone: Parent | None = None, request: Request | None = None) -> runs.Status:
    return worker.train_runs([path], server_gone, request)[0]
