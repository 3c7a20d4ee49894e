"""What is known of a run's suspects, kept with it and keyed by the weights:

    suspects/1a2b3c4d/
        status.json           a DiagnosisStatus, as in `vae.diagnosis.results`; stop, lock, log.txt as there
        scores.npz            the Scores of both parts; more of their columns as the work goes on
        whole                 says that none is missing
        evidence-PART.npz     log p(x) of the images that were asked for so far
        second-HASH.npz       a second dataset's scores

Marks lie beside (`vae.diagnosis.suspects.marks`): they belong to the data, not to the weights.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.checked_json import Misfit, read_bytes
from vae.diagnosis.results import WORKING, read_status, request_diagnosis
from vae.diagnosis.results import folder_of as folder_of_kind
from vae.diagnosis.suspects.evidence import Bounds
from vae.diagnosis.suspects.scores import Scores, pack, unpack
from vae.diagnosis.suspects.second import Second, file_of
from vae.errors import RunDamaged
from vae.files import write_atomically
from vae.runs.checked_arrays import read_arrays
from vae.space.parts import Part

FOLDER, SCORES, WHOLE = "suspects", "scores.npz", "whole"
MOST_BYTES = 1 << 28
BOUNDS = ("places", "bound", "error", "flagged", "samples")
SECOND = ("rate", "distortion", "tail", "auroc")


def folder_of(path: Path, sha: str) -> Path:
    """Returns where the suspects by these weights lie, or would."""
    return folder_of_kind(path, sha, FOLDER)


def folder_to_show(path: Path, sha: str) -> Path:
    """Returns the folder of these weights where they were looked through; else that of older ones, the newest that
    were, or are just now; else theirs, which may not be there."""
    own = folder_of(path, sha)
    if own.is_dir() and (read_status(own).state != "stopped" or (own / SCORES).is_file()):
        return own
    found = sorted((path / FOLDER).glob("*/status.json"), key=_written, reverse=True)
    older = (file.parent for file in found)
    return next((one for one in older if (one / SCORES).is_file() or read_status(one).state in WORKING), own)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # gone in this moment
        return 0.0


def request_suspects(path: Path, sha: str) -> Path:
    """Prepares the folder for a process to work in; what it holds is kept. Raises RunBusy, RunError."""
    return request_diagnosis(path, sha, kind=FOLDER)


def read_scores(folder: Path) -> dict[Part, Scores]:
    """Returns the scores of each part that there is by now. RunDamaged where they cannot be read."""
    arrays = _read(folder, SCORES)
    try:
        return unpack(arrays)
    except (ValueError, TypeError) as error:
        raise _damaged(SCORES, error) from None


def write_scores(folder: Path, scores: dict[Part, Scores]) -> None:
    """Keeps the scores. Raises OSError."""
    _write(folder / SCORES, pack(scores))


def read_bounds(folder: Path, part: Part, n: int) -> Bounds | None:
    """Returns log p(x) of the images asked for so far, of a part of n images; None before. RunDamaged."""
    name = f"evidence-{part}.npz"
    arrays = _read(folder, name, BOUNDS)
    if not arrays:
        return None
    places, bound, error, flagged, samples = (arrays[key] for key in BOUNDS)
    sound = places.ndim == 1 and all(array.shape == places.shape for array in (bound, error, flagged))
    if not sound or places.dtype.kind not in "iu" or samples.shape != () or (len(places) and places.max() >= n):
        raise _damaged(name, "expected places of images with a bound each")
    return Bounds(places.astype(np.int64), bound, error, flagged.astype(bool), int(samples))


def write_bounds(folder: Path, part: Part, bounds: Bounds) -> None:
    """Keeps log p(x) so far. Raises OSError."""
    _write(folder / f"evidence-{part}.npz", {name: np.asarray(getattr(bounds, name)) for name in BOUNDS})


def read_second(folder: Path, name: str) -> Second | None:
    """Returns the scores of a second dataset; None before they are there. RunDamaged where they cannot be read."""
    arrays = _read(folder, file_of(name), SECOND)
    if not arrays:
        return None
    rate, distortion, tail, auroc = (arrays[key] for key in SECOND)
    if rate.ndim != 1 or rate.shape != distortion.shape or rate.shape != tail.shape or auroc.shape != ():
        raise _damaged(file_of(name), "expected three numbers for each image")
    return Second(rate, distortion, tail, float(auroc))


def write_second(folder: Path, name: str, second: Second) -> None:
    """Keeps a second dataset's scores. Raises OSError."""
    _write(folder / file_of(name), {key: np.asarray(getattr(second, key)) for key in SECOND})


def _read(folder: Path, name: str, needed: tuple[str, ...] = ()) -> dict[str, NDArray[Any]]:
    """{} where there is no such file."""
    try:
        return read_arrays(read_bytes(folder / name, MOST_BYTES), needed)
    except FileNotFoundError:
        return {}
    except Misfit as error:
        raise _damaged(name, error) from None


def _damaged(name: str, why: object) -> RunDamaged:
    return RunDamaged(f"{name} cannot be read ({why}); look for suspects again")


def _write(file: Path, arrays: dict[str, NDArray[Any]]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    write_atomically(file, packed.getvalue(), durable=False)
