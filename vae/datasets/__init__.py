"""What is x? A registered name or a file of yours in, a `Dataset` with a declared support out.

    load_dataset("digits")                               offline, embedded in scikit-learn
    load_dataset("mnist", binarize="epoch")              downloaded once into the data root
    load_dataset("faces.npz", progress=print)            a file of yours, see `vae.datasets.arrays`
    load_dataset("faces")                                pictures of yours, prepared once, see `vae.datasets.own`

registered arrays       names and files, each a `Source`: what they hold, and how it is read
dataset values scale    images and what they may be; the scale that networks measure them by
downloads npz           files that are whole and checked; arrays judged by their headers first
identity pictures       which data these are; an image from outside as the model's input
own/                    a person's pictures, made into a dataset with a name

A new dataset is one class or one instance in `registered.py` and one line in `DATASETS` at its foot.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from vae.datasets.arrays import ArrayFile
from vae.datasets.dataset import DataInfo, Dataset, Source
from vae.datasets.downloads import Progress
from vae.datasets.own.stored import OwnImages, is_name, own_names
from vae.datasets.registered import DATASETS
from vae.errors import ConfigError
from vae.files import expanded

__all__ = [
    "DATASETS",
    "DataInfo",
    "Dataset",
    "Progress",
    "data_root",
    "describe",
    "is_here",
    "load_dataset",
    "own_datasets",
]
LISTED = 20  # names of one's own in a sentence


def load_dataset(
    name_or_path: str | Path,
    root: str | Path | None = None,
    binarize: str = "none",
    progress: Progress | None = None,
    without: str | None = None,
) -> Dataset:
    """Loads images of a registered set (downloaded into `root` when they are not there yet) or of a file.

    root: the data root, see `data_root`. binarize: none | threshold | fixed | epoch, see `Dataset.binarized`.
    progress(fraction, text) follows a download; an exception it raises ends the download and leaves nothing behind.
    without: rows that are left out, see `Dataset.without`.
    Raises ConfigError (unknown name, impossible view), DataError (unreadable, outside the support), DownloadError.
    """
    source, folder = _source(name_or_path, root), _root(root)
    if not isinstance(source, ArrayFile):
        source.describe(folder).binarized(binarize).without(without)  # refuses an impossible view before a download
    return source.load(folder, progress or _quiet).binarized(binarize).without(without)


def describe(
    name_or_path: str | Path, root: str | Path | None = None, binarize: str = "none", without: str | None = None
) -> DataInfo:
    """Describes what `load_dataset` would return, without a download. A registered set costs nothing and has no digest,
    a file is read once and has one."""
    return _source(name_or_path, root).describe(_root(root)).binarized(binarize).without(without)


def is_here(name_or_path: str | Path, root: str | Path | None = None) -> bool:
    """Returns whether `load_dataset` would do without a download; of a prepared set, whether it is still there."""
    try:
        return _source(name_or_path, root).is_here(_root(root))
    except ConfigError:
        if isinstance(name_or_path, str) and is_name(name_or_path):
            return False
        raise


def own_datasets(root: str | Path | None = None) -> list[str]:
    """Returns the names of the datasets that were prepared of pictures, see `vae.datasets.own`."""
    return own_names(_root(root))


def data_root() -> Path:
    """Returns `ELBO_ROOM_DATA`, else `elbo-room` in the user's cache folder. Laid out as torchvision does."""
    chosen = os.environ.get("ELBO_ROOM_DATA")
    if chosen:
        return expanded(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "elbo-room" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "elbo-room"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elbo-room"


def _root(root: str | Path | None) -> Path:
    return data_root() if root is None else expanded(root)


def _source(name_or_path: str | Path, root: str | Path | None) -> Source:
    if not isinstance(name_or_path, (str, os.PathLike)):
        kind = type(name_or_path).__name__
        raise ConfigError(
            f"dataset: expected a name or the path of an .npz or .npy file, got {kind}; numpy.save writes an array"
        )
    name = str(name_or_path)
    if name in DATASETS:
        return DATASETS[name]
    own = own_names(_root(root))
    if isinstance(name_or_path, str) and name in own:
        return OwnImages(name)
    path = expanded(name)
    if isinstance(name_or_path, Path) or path.suffix or len(path.parts) > 1:
        return ArrayFile(path)
    there = ", ".join([*DATASETS, *own[:LISTED]])
    raise ConfigError(f"dataset: expected one of {there}, or an .npz or .npy file, got {name[:80]!r}")


def _quiet(fraction: float, text: str) -> None:
    """Nobody follows the download."""
