"""What a page without a server holds of a run: the payloads of the application's routes, made smaller.

Codes are rounded to 16 bit of their range, the images are tiles of one PNG, long histories are thinned; what that costs
is measured here, and the page says it.
"""

from __future__ import annotations

import dataclasses
import json
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vae.browser.framing import frame, unframe
from vae.errors import RunError
from vae.model.vae import Model
from vae.space.encodings import Codes, covariance_factors

MOST_IMAGES = 2000
MOST_PIXELS = 8_000_000  # bytes of all images, unpacked
MOST_RECORDS = 3000
MOST_FACTORS = 4_000_000  # bytes of the covariances' factors
LEVELS = 65_535
KEPT = ("distortion", "rate", "elbo", "loss", "squared_error", "images")  # of a record, what the curves show
RATES = ("rate_per_dim", "marginal_rate_per_dim")


def choose_rows(codes: Codes) -> NDArray[np.int64]:
    """Returns which images go into a file, ascending: at most MOST_IMAGES and of at most MOST_PIXELS, a fixed draw."""
    n, size = len(codes), int(np.prod(codes.images.shape[1:]))
    return np.sort(np.random.default_rng(0).permutation(n)[: min(MOST_IMAGES, max(1, MOST_PIXELS // size))])


def take(codes: Codes, rows: NDArray[np.int64]) -> Codes:
    """Returns the codes of these rows alone, whose source says of how many; the rates per dimension stay those of
    all."""
    if len(rows) == len(codes):
        return dataclasses.replace(codes, parts=("test",))
    each = ("loc", "log_variance", "labels", "rate", "distortion", "images", "rows", "files")
    taken: dict[str, Any] = {
        name: None if getattr(codes, name) is None else getattr(codes, name)[rows] for name in each
    }
    encoded = None if codes.encoded is None else codes.encoded[torch.from_numpy(rows)]
    if codes.rows is None:  # then an image is called by its place among all of them
        taken |= {"rows": rows, "rows_of": codes.source}
    return dataclasses.replace(
        codes, **taken, encoded=encoded, source=f"{len(rows):,} of the {codes.source}", parts=("test",)
    )


def quantise(packed: bytes) -> tuple[bytes, dict[str, float]]:
    """Returns a frame of packed codes (`vae.space.packed_codes`) with each column of its numbers as 16 bit of the
    column's range, and the largest error in loc, log_variance, rate and distortion.

    The header gains `ranges`: the lowest and the highest values of each array's columns, by name. Raises RunError for
    numbers that are not finite.
    """
    header, at = unframe(packed, dict, most=len(packed))
    n, k = header["n"], header["k"]
    columns = {"loc": k, **({"log_variance": k} if header["log_variance"] else {}), "rate": 1, "distortion": 1}
    ranges, errors, body = {}, {}, b""
    for name, width in columns.items():
        values = np.frombuffer(packed, "<f4", n * width, at).reshape(n, width)
        at += values.nbytes
        if not np.isfinite(values).all():
            raise RunError("the codes are not all finite numbers: the run has diverged, or was altered")
        low, high = values.min(0).astype(np.float64), values.max(0).astype(np.float64)
        levels = np.rint((values - low) / np.where(high > low, high - low, 1) * LEVELS).astype("<u2")
        ranges[name] = [low.tolist(), high.tolist()]
        errors[name] = float(np.abs(restored(levels, low, high) - values.astype(np.float64)).max())
        body += levels.tobytes()
    body += b"\0" * (-len(body) % 4)
    return frame({**header, "ranges": ranges}, body, packed[at:]), errors


def restored(levels: NDArray[np.uint16], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the values (n, width) of 16-bit levels, as ui/static/offline/unpack.js makes them."""
    return (low + (high - low) * (levels / LEVELS)).astype(np.float32)


def sprite(images: NDArray[np.uint8]) -> tuple[bytes, int]:
    """Returns images (n, channels, height, width) of 1 or 3 channels as a PNG of tiles, row by row, and how many tiles
    a row has."""
    from PIL import Image

    n, channels, height, width = images.shape
    columns = max(1, round((n * height / width) ** 0.5))
    tiles = np.zeros((-(-n // columns) * columns, channels, height, width), np.uint8)
    tiles[:n] = images
    sheet = tiles.reshape(-1, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = np.ascontiguousarray(sheet.reshape(-1, columns * width, channels))
    file = BytesIO()
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(file, "PNG", optimize=True)
    return file.getvalue(), columns


def rounding_of_images(codes: Codes) -> float | None:
    """Returns the largest difference between the images as they are shown and as the model saw them, as a fraction of
    the display range; None where those are not kept."""
    if codes.encoded is None:
        return None
    low, high = codes.limits
    seen = (codes.encoded.double() / codes.scale).clamp(low, high)
    shown = low + (high - low) * torch.from_numpy(codes.images).double() / 255
    return float((seen - shown).abs().max()) / (high - low)


def packed_factors(model: Model, codes: Codes) -> bytes | None:
    """Returns the lower triangles of `covariance_factors` as float16 (n, k (k + 1) / 2) row by row; None where q has no
    covariance, or they are too many for a file."""
    if len(codes) * model.k * (model.k + 1) > MOST_FACTORS:
        return None
    factors = covariance_factors(model, codes)
    return None if factors is None else factors[:, *np.tril_indices(model.k)].astype("<f2").tobytes()


def thin_history(history: list[dict[str, Any]]) -> tuple[bytes, int, int]:
    """Returns the lines that the curves need as JSON, how many records they hold and of how many: all changes, and at
    most MOST_RECORDS records evenly, those with held-out numbers before others, the last one whole."""
    records = [line for line in history if line.get("train")]
    stride = -(-len(records) // MOST_RECORDS) or 1
    groups = [records[start : start + stride] for start in range(0, len(records), stride)]
    kept = [next((line for line in reversed(group) if line.get("test")), group[-1]) for group in groups]
    if records and kept[-1] is not records[-1]:
        kept.append(records[-1])
    lines = [line if "knob" in line else _narrow(line, line is records[-1]) for line in _in_order(history, kept)]
    return json.dumps(lines, allow_nan=False, separators=(",", ":")).encode(), len(kept), len(records)


def _in_order(history: list[dict[str, Any]], kept: list[dict[str, Any]]) -> list[dict[str, Any]]:
    chosen = {id(line) for line in kept}
    return [line for line in history if "knob" in line or id(line) in chosen]


def _narrow(line: dict[str, Any], whole: bool) -> dict[str, Any]:
    names = (*KEPT, *RATES) if whole else KEPT
    parts = {
        part: {name: line[part][name] for name in names if name in line[part]}
        for part in ("train", "test")
        if line.get(part)
    }
    return {"step": line["step"], "epoch": line.get("epoch"), "C": line.get("C"), **parts}
