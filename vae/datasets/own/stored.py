"""Datasets that were made of a person's pictures: by name, as any other."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.checked_json import Misfit, fields, read_json
from vae.datasets.arrays import ArrayFile
from vae.datasets.dataset import DataInfo, Dataset, Source
from vae.datasets.downloads import checksum
from vae.datasets.npz import read_npz
from vae.datasets.registered import DATASETS
from vae.errors import ConfigError, DataError
from vae.files import insist, what_helps

FOLDER, IMAGES, ABOUT = "own", "images.npz", "about.json"
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}  # on Windows


def is_name(name: str) -> bool:
    """Returns whether a dataset of one's own may be called so."""
    return NAME.fullmatch(name) is not None and name not in DATASETS and name not in RESERVED


def check_name(name: str) -> None:
    """Raises ConfigError for a name that cannot be."""
    if name in DATASETS:
        raise ConfigError(f"name: {name!r} is a dataset that comes with the application; choose another name")
    if not is_name(name):
        raise ConfigError(
            "name: expected up to 40 small letters, digits, hyphens or underscores, beginning and ending with a letter "
            f"or digit, got {name[:60]!r}"
        )


class OwnImages(Source):
    """<root>/own/<name>, as `prepare` makes it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self, root: Path) -> DataInfo:
        return DataInfo.from_json(about(self.name, root)["data"])

    def load(self, root: Path, progress: Callable[[float, str], None]) -> Dataset:
        info, path = self.describe(root), root / FOLDER / self.name / IMAGES
        try:
            whole = checksum(path, "sha256") == about(self.name, root).get("sha256")
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); check who may read it") from None
        if not whole:
            raise DataError(f"{path}: altered since it was made; remove the dataset {self.name!r} and make it again")
        dataset, files = ArrayFile(path).load(root, progress), read_files(path)
        if len(files) != info.train + info.test:
            raise DataError(f"{path}: expected a file name for each of its images, got {len(files):,}")
        return dataclasses.replace(dataset, info=info, files=files)

    def is_here(self, root: Path) -> bool:
        return (root / FOLDER / self.name / ABOUT).is_file()


def describe_file(path: Path) -> DataInfo:
    """Returns the description of an images.npz."""
    return ArrayFile(path).load(path.parent, lambda *_: None).info


def read_files(path: Path) -> NDArray[np.str_]:
    """Returns the name of the file that each row comes from, (N,)."""
    files = read_npz(path, ("files", "images")).get("files")
    if files is None or files.dtype.kind != "U" or files.ndim != 1:
        raise DataError(f"{path}: expected the names of files; remove the dataset and make it again")
    return files


def about(name: str, root: Path) -> dict[str, Any]:
    """Returns what about.json says: data, choices, report, sha256. Raises DataError where there is none."""
    path = root / FOLDER / name / ABOUT
    try:
        found = read_json(path, fields())
        read: dict[str, Any] = fields()(found)
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such dataset in {root / FOLDER}; make it again of its pictures") from None
    except (OSError, Misfit) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove the dataset {name!r} and make it again") from None
    if not all(isinstance(read.get(part), dict) for part in ("data", "choices", "report")):
        raise DataError(f"{path}: expected data, choices and report; remove the dataset {name!r} and make it again")
    return read


def own_names(root: Path) -> list[str]:
    """Returns the names of the datasets there are, in order; damaged ones too."""
    try:
        found = sorted(os.listdir(root / FOLDER))
    except OSError:
        return []
    return [name for name in found if is_name(name) and (root / FOLDER / name).is_dir()]


def remove(name: str, root: Path) -> None:
    """Removes a dataset: at once out of the list, then from the disk. Raises ConfigError where there is none, DataError
    where that cannot be."""
    folder = root / FOLDER / name
    if not is_name(name) or not folder.is_dir():
        there = ", ".join(own_names(root)) or "none yet"
        raise ConfigError(f"name: no dataset {name[:60]!r} of your own; there are: {there}")
    gone = folder.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        insist(os.rename, folder, gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise DataError(f"{name}: could not be removed ({error.strerror}); {what_helps(error)}") from None
