"""Which data these are: a digest of what is stored, and the comparison of a run's data with those found today."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from vae.errors import DataChanged

if TYPE_CHECKING:
    from vae.datasets.dataset import DataInfo

LISTED_CLASSES = 6  # names that a sentence lists


def identified(info: DataInfo, *arrays: np.ndarray | None) -> DataInfo:
    """Returns `info` with the SHA-256 of picture size, counts, support, class names, and each array's shape, type and
    bytes.

    A view (see `Dataset.binarized`) keeps the digest of the data that it is a view of.
    """
    named = [info.shape, info.support, info.scale, info.train, info.test, info.classes]
    digest = hashlib.sha256(json.dumps(named).encode())
    for array in arrays:
        if array is not None:
            digest.update(f"{array.shape} {array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return dataclasses.replace(info, digest=digest.hexdigest())


def check_same(run: str, was: DataInfo, now: DataInfo) -> None:
    """Raises DataChanged unless `now` is what the run was made with. A run from before there were digests is held to
    what it knows: picture size, counts, support, class names."""
    found = differences(was, now)
    if not found:
        return
    advice = (
        "put the former file back there, or train a new run on this one"
        if now.path
        else "restore the former data, or train a new run on these"
    )
    raise DataChanged(f"{now.path or now.name}: not the data that run {run!r} was made with ({found}); {advice}")


def differences(was: DataInfo, now: DataInfo) -> str:
    """Returns what differs between the two, in words; "" where nothing does."""
    found = []
    if was.shape != now.shape:
        found.append(f"pictures of {_size(was)} then, {_size(now)} now")
    if (was.train, was.test) != (now.train, now.test):
        counts = (f"{one.train:,} training and {one.test:,} held-out images" for one in (was, now))
        found.append(" then, ".join(counts) + " now")
    if was.support != now.support:
        found.append(f"support {was.support} then, {now.support} now")
    if was.classes != now.classes and (was.classes is not None or was.digest is not None):
        found.append(f"{_classes(was)} then, {_classes(now)} now")
    if not found and was.digest is not None and now.digest is not None and was.digest != now.digest:
        parts = "pixels or another split" if now.classes is None else "pixels, labels or another split"
        found.append(f"as many images of the same size, but other {parts}")
    return "; ".join(found)


def _size(info: DataInfo) -> str:
    channels, height, width = info.shape
    return f"{height} x {width}" + (f" x {channels}" if channels > 1 else "")


def _classes(info: DataInfo) -> str:
    if info.classes is None:
        return "no labels"
    more = ", ..." if len(info.classes) > LISTED_CLASSES else ""
    return f"labels {', '.join(name[:20] for name in info.classes[:LISTED_CLASSES])}{more}"
