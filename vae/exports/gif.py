"""A run in motion, as a GIF: its latent dimensions, the way from image to image, its training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from vae.datasets.scale import to_bytes
from vae.exports.animation import LARGEST, Frame, Pixels, Sheet, drawn, packed
from vae.exports.export import Export, Progress, why_no_weights
from vae.exports.sweeping import (
    Codes,
    between,
    chosen_dimensions,
    flips,
    one_of_each,
    rates_of,
    through_bits,
    through_dimensions,
)
from vae.files import write_atomically
from vae.model.vae import Model
from vae.runs import Run
from vae.runs.moments import list_moments, model_at, why_none
from vae.space.encodings import Images, codes_of, display_limits_of, images_of

TRAVERSAL, INTERPOLATION, TRAINING = "traversal", "interpolation", "training"
FRAMES = 240  # of a traversal, about
BETWEEN, FLIPS = 30, 10  # frames from image to image, and for bits
SMOOTH, FLIP, END = 40, 400, 440  # milliseconds of a frame, of a flipped bit, of an image that is reached
WHOLE = 8000  # milliseconds of a training, or of all flips, about
LAST = 1600  # of its last moment
STATIONS = 6  # images on the way
SHOWN = 8  # images of a training
CANDIDATES = 1000  # first held-out images among which one of each label is looked for
SIDE, SMALL = 256, 96  # pixels of an image at most, alone or among others
SIDES = {TRAVERSAL: SIDE, INTERPOLATION: SIDE, TRAINING: SMALL}


def frames_of(run: Run, kind: str, progress: Progress) -> Iterator[Frame]:
    """Returns the frames of a kind of motion. Raises DataError where it needs images that are not here, RunDamaged."""
    return {TRAVERSAL: _traversal, INTERPOLATION: _interpolation, TRAINING: _training}[kind](run, progress)


def _traversal(run: Run, progress: Progress) -> Iterator[Frame]:
    k, rates = run.model.k, rates_of(run)
    dimensions = chosen_dimensions(rates, k)
    if run.model.latent.support == "binary":
        code = (codes_of(run, limit=1).loc[0] > 0.5).astype(np.float32)
        stops, duration = through_bits(dimensions, rates, code), FLIP
    else:
        stops = through_dimensions(dimensions, rates, k, min(48, FRAMES // len(dimensions)))
        duration = SMOOTH
    pixels = shown(run.model, np.stack([stop.z for stop in stops]), display_limits_of(run))
    for stop, image in zip(stops, pixels, strict=True):
        yield Frame([Sheet(run.name, image[None])], stop.words, duration)


def _interpolation(run: Run, progress: Progress) -> Iterator[Frame]:
    codes = codes_of(run, limit=CANDIDATES, look=lambda share: progress(0.2 * share, "encoding images"))
    limits, binary = display_limits_of(run), run.model.latent.support == "binary"
    chosen = one_of_each(codes.labels, len(codes), STATIONS)
    order = np.argsort(-codes.rate_per_dim).tolist() if codes.rate_per_dim is not None else range(run.model.k)
    for a, b in zip(chosen, [*chosen[1:], chosen[0]], strict=True):
        z = [(code > 0.5).astype(np.float32) if binary else code for code in (codes.loc[a], codes.loc[b])]
        way = (flips(z[0], z[1], order, FLIPS) if binary else between(z[0], z[1], BETWEEN))[1:]
        pixels = shown(run.model, np.stack([code for _, code in way]), limits)
        for number, ((t, _), image) in enumerate(zip(way, pixels, strict=True)):
            sheets = [
                Sheet(name, one) for name, one in zip(("A", "B"), (codes.images[[a]], codes.images[[b]]), strict=True)
            ]
            sheets.insert(1, Sheet("decoded", image[None]))
            words = f"from held-out image {a} to {b}   t = {t:.2f}   {'bits flipped' if binary else 'spherical'}"
            moving = (WHOLE // STATIONS - END) // FLIPS if binary else SMOOTH
            yield Frame(sheets, words, END if number == len(way) - 1 else moving)


def _training(run: Run, progress: Progress) -> Iterator[Frame]:
    moments, limits, found = list_moments(run.path), display_limits_of(run), images_of(run, "test")
    chosen = one_of_each(_labels(found), min(len(found.stored), CANDIDATES), SHOWN)
    x = found.to_float(found.stored[torch.tensor(chosen)], Generator().manual_seed(0))
    originals = to_bytes(x, limits).numpy()
    for number, moment in enumerate(moments):
        progress(0.5 * number / len(moments), f"step {moment.step:,}")
        model = model_at(run.path, moment.step)
        reconstructions, samples = looked_at(model, x, limits)
        C = "" if moment.C is None else f"   C = {moment.C:.3g}"
        sheets = [
            Sheet("held-out images", originals, len(chosen)), Sheet("reconstructions", reconstructions, len(chosen)),
            Sheet("draws from the prior", samples, len(chosen)),
        ]  # fmt: skip
        last = number == len(moments) - 1
        yield Frame(
            sheets,
            f"{run.name}   step {moment.step:,}{C}",
            LAST if last else max(40, min(FLIP, WHOLE // len(moments))),
            True,
        )


@torch.no_grad()
def looked_at(model: Model, x: Tensor, limits: tuple[float, float]) -> tuple[Pixels, Pixels]:
    """Returns reconstructions of images (n, c, h, w), and two rows of as many draws from the prior: under the same
    noise for all weights, so that what moves is what was learned."""
    z = model.encode(x).sample((), Generator().manual_seed(0))
    drawn_z = model.prior().sample((2 * len(x),), Generator().manual_seed(1))
    reconstructions, samples = (to_bytes(model.decode(code).mean, limits).numpy() for code in (z, drawn_z))
    return reconstructions, samples


@torch.no_grad()
def shown(model: Model, z: Codes, limits: tuple[float, float]) -> Pixels:
    """Returns the means of codes (n, k) as images (n, channels, height, width)."""
    parts = [to_bytes(model.decode(rows).mean, limits) for rows in torch.from_numpy(z).split(64)]
    return torch.cat(parts).numpy()


def _labels(found: Images) -> NDArray[np.int64] | None:
    return None if found.labels is None else np.asarray(found.labels[:CANDIDATES], np.int64)


def _why_not(run: Run, kind: str) -> str:
    if kind == TRAINING:
        return why_none(run.path) or (
            "" if list_moments(run.path) else "it keeps no moments yet; wait for its first steps."
        )
    return why_no_weights(run)


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    side = SIDES[kind]
    if kind == TRAINING:
        side = min(side, LARGEST // SHOWN)
    pictures, durations = [], []
    for frame in frames_of(run, kind, progress):
        progress(0.5, "drawing frames")
        pictures.append(drawn(frame, side))
        durations.append(frame.duration)
    data = packed(pictures, durations, lambda share: progress(0.5 + 0.5 * share, "writing frames"))
    write_atomically(file, data)
    width, height = pictures[0].size
    return {"frames": len(pictures), "seconds": sum(durations) / 1000, "size": f"{width} x {height} pixels"}


GIF = Export(
    title="Animation (GIF)",
    about="A run in motion, for slides and pages that play no program.",
    ending=".gif",
    write=_write,
    kinds={
        TRAVERSAL: "through each latent dimension that carries something, in turn",
        INTERPOLATION: "from held-out image to held-out image, between their codes",
        TRAINING: "the same images and draws from the prior at the moments that were kept",
    },
    why_not=_why_not,
)
