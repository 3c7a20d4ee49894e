"""Ship a run: weights and history stay, what only continuing needs goes, and some held-out images come along, so that
every page works where the dataset is absent."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae import runs
from vae.errors import RunBusy, RunDamaged
from vae.files import insist, write_atomically

HELD_OUT = "preview/heldout.npz"


@dataclass(frozen=True)
class HeldOut:
    """The images that a shipped run takes along, of its own view of the data."""

    images: np.ndarray  # (n, c, h, w) as stored; divided by `scale` they lie on the support
    scale: int
    labels: np.ndarray | None  # (n,) int64
    codes: np.ndarray  # (n, k) float32, E_q[z]


def pack_run(path: Path, images: int = 2000) -> int:
    """Pack an ended run in place; its size in bytes. `images` held-out images are taken at most."""
    if runs.read_status(path).state in runs.ACTIVE:
        raise RunBusy(f"run {path.name!r} is still training; stop it first")
    run = runs.load_run(path)
    dataset = run.dataset()
    stored = dataset.test[:images]
    with torch.no_grad():
        codes = run.model.encode(dataset.to_float(stored)).mean
    arrays: dict[str, Any] = {"images": stored.numpy(), "scale": np.array(dataset.scale), "codes": codes.numpy()}
    if dataset.test_labels is not None:
        arrays["labels"] = dataset.test_labels[:images].numpy()
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomically(path / HELD_OUT, packed.getvalue())
    shutil.rmtree(path / "resume", ignore_errors=True)
    for name in ("lock", "log.txt", "knobs.json.lock", "owner.json"):
        insist((path / name).unlink, missing_ok=True)
    runs.mark_as_shipped(path)
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def held_out(path: Path) -> HeldOut:
    """The images that came along; RunDamaged where there are none or they cannot be read."""
    try:
        with np.load(path / HELD_OUT, allow_pickle=False) as file:
            labels = file.get("labels")
            return HeldOut(file["images"], int(file["scale"]), labels, file["codes"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise RunDamaged(f"run {path.name!r}: {HELD_OUT} cannot be read ({error})") from None
