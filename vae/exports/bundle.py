"""A run bundle: one .zip with the run and its model card. See `bundle_layout` for what lies in it.

The same run gives the same bytes: no time of writing, one order, one compression.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch

import vae
from vae import runs
from vae.bound.chunks import full_precision, rows_at_once
from vae.checked_json import Misfit, read_bytes
from vae.config import YOURS
from vae.errors import DataError
from vae.exports import bundle_layout as layout
from vae.exports.bundle_layout import BARE, LIGHT, WHOLE
from vae.exports.export import Export, Progress, unheard
from vae.exports.model_card import Carried, model_card
from vae.exports.snapshot import Snapshot, snapshot
from vae.files import replacing, sha256
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.config_file import CONFIG
from vae.runs.moments import INDEX
from vae.runs.origin import ended, read_origin, visible
from vae.runs.own_data import IMAGES
from vae.runs.preview_file import read_header
from vae.runs.ship import HELD_OUT, HeldOut, packed
from vae.runs.start import REPLAY
from vae.runs.sweep_mark import SWEEP, read_mark
from vae.space.encodings import Images, images_of

MOST_IMAGES = 2000  # held-out ones that come along
TEXTS = (".json", ".jsonl", ".md", ".bin")  # the others are packed already, or do not pack


def write_bundle(run: Run, kind: str, file: Path, progress: Progress = unheard, made_by: str = "") -> dict[str, Any]:
    """Writes the bundle; returns what it carries, in words. made_by: who made the run, by the name that is to be
    published; for a run that came in a bundle its maker stays. Raises RunError, RunDamaged, OSError, Stopped."""
    progress(0.0, "reading the run")
    taken = snapshot(run, kind == WHOLE)
    progress(0.2, "encoding the held-out images")
    images = _images(run)
    means = None if images is None else _means(taken.model, images)
    carried = Carried(**_counts(run, kind, images, taken))
    origin = read_origin(run.path)
    maker = origin.made_by if origin else visible(made_by)
    made = ended(run.path, taken.status.heartbeat)
    versions = {"elbo_room": vae.__version__, "torch": str(torch.__version__)}
    about = {"bundle": layout.FORMAT, "kind": kind, "name": run.name, "made_by": maker, "made": made, **versions}
    progress(0.5, "writing the model card")
    card = model_card(taken, carried, images, means, about).encode()
    with replacing(file) as target:
        _write(target, about, _entries(taken, kind, images, means, card), progress)
    return {"kind": kind, "step": taken.step, **carried.facts(taken)}


def _write(target: Any, about: dict[str, Any], entries: Iterator[tuple[str, bytes]], progress: Progress) -> None:
    sums: dict[str, str] = {}
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in entries:
            progress(0.6 + 0.4 * len(sums) / (len(sums) + 10), f"writing {name}")
            sums[name] = sha256(data)
            archive.writestr(_info(name), data)
        archive.writestr(_info(layout.MANIFEST), _json({**about, "files": sums}))


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED if name.endswith(TEXTS) else zipfile.ZIP_STORED
    info.create_system, info.external_attr = 3, 0o644 << 16
    return info


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _entries(
    taken: Snapshot, kind: str, images: Images | None, means: torch.Tensor | None, card: bytes
) -> Iterator[tuple[str, bytes]]:
    """Every file but the manifest, in the order in which they lie there. Raises RunDamaged."""
    run, path = taken.run, taken.run.path
    yield layout.CARD, card
    yield CONFIG, _config(run, kind)
    yield layout.MODEL, taken.weights
    yield layout.HISTORY, taken.history
    yield layout.STATUS, _json(dataclasses.asdict(taken.status))
    knobs = dataclasses.asdict(runs.read_knobs(path))
    yield layout.KNOBS, _json(knobs | ({"paused": False, "stop": False} if taken.at_work else {}))
    if (mark := read_mark(path)) is not None:
        yield SWEEP, _json(dataclasses.asdict(dataclasses.replace(mark, warm_from=None)))
    if kind != BARE:
        if (path / layout.LIVE).is_file():
            live = _bytes_of(path, layout.LIVE)
            read_header(live)
            yield layout.LIVE, live
        if run.config.dataset == YOURS and (path / IMAGES).is_file():
            yield IMAGES, runs.read_checked(path, IMAGES)
        elif images is not None and means is not None:
            yield HELD_OUT, packed(_held_out(images, means, names=kind == WHOLE))
    if kind == WHOLE and taken.moments:
        yield INDEX, _json({"format": runs.FORMAT, "moments": [dataclasses.asdict(one) for one, _ in taken.moments]})
        for moment, content in taken.moments:
            yield moment.file, content
    if taken.state is not None:
        yield runs.STATE, taken.state
        if (path / REPLAY).is_file():
            yield REPLAY, _bytes_of(path, REPLAY)


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        return read_bytes(path / name, layout.SIZES[name])
    except (Misfit, FileNotFoundError) as error:
        raise runs.damaged(path, name, error) from None


def _config(run: Run, kind: str) -> bytes:
    """The file as it is; but for a whole bundle without the folder that a file of somebody's own lies in."""
    data = runs.read_checked(run.path, CONFIG, signed=False)
    if kind == WHOLE or not run.data.get("path"):
        return data
    content = json.loads(data)
    content["config"]["dataset"] = content["data"]["path"] = _last(run.data["path"])
    return _json(content)


def _last(path: str) -> str:
    """The file's name, whichever system's slashes its path has."""
    return PureWindowsPath(path).name if "\\" in path else PurePosixPath(path).name


def _images(run: Run) -> Images | None:
    """The run's held-out images; None where they cannot be had here. Why not stays here: it names folders."""
    try:
        return images_of(run, "test")
    except DataError:
        return None


@torch.no_grad()
def _means(model: Model, images: Images) -> torch.Tensor:
    """E_q[z] of each, (n, k)."""
    model, generator = full_precision(model), torch.Generator().manual_seed(0)
    parts = images.stored.split(rows_at_once(model))
    return torch.cat([model.encode(images.to_float(part, generator)).mean for part in parts])


def _held_out(images: Images, means: torch.Tensor, names: bool) -> HeldOut:
    n = min(MOST_IMAGES, len(images.stored))
    labels, rows = (None if one is None else torch.as_tensor(one)[:n].numpy() for one in (images.labels, images.rows))
    return HeldOut(
        images.stored[:n].numpy(),
        images.scale,
        labels,
        means[:n].float().numpy(),
        rows,
        images.rows_of,
        images.files[:n] if names and images.files is not None else None,
    )


def _counts(run: Run, kind: str, images: Images | None, taken: Snapshot) -> dict[str, Any]:
    there = 0 if images is None else len(images.stored)
    own = run.config.dataset == YOURS
    return {
        "kind": kind,
        "images": 0 if kind == BARE else there if own else min(there, MOST_IMAGES),
        "labels": images is not None and images.labels is not None,
        "names": kind == WHOLE and images is not None and images.files is not None and not own,
        "moments": len(taken.moments),
        "unread": kind != BARE and images is None,
    }


def why_not(run: Run, kind: str) -> str:
    """Returns why there can be no bundle of the run, "" where there can."""
    if (run.path / runs.WEIGHTS).is_file():
        return ""
    if run.config.is_yours:
        return "no model is known of it, only its numbers; log.model(encoder, decoder) in your loop shows it"
    return "it has no weights yet; they come with its first save"


BUNDLE = Export(
    title="Run bundle (zip)",
    about="Config, weights, history and a model card in one file, which ELBO Room takes in again and model hubs show.",
    ending=".zip",
    write=write_bundle,
    kinds={
        WHOLE: "with the moments and the state of training that it has; with a state it goes on exactly elsewhere",
        LIGHT: "without them, and without folders and file names of your data: to publish",
        BARE: "as light, and without a single image: for pictures that are nobody else's business",
    },
    why_not=why_not,
    signed=True,
)
