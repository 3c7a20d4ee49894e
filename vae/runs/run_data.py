"""A run's own data: loaded as in training, and held to what the run was made with."""

from __future__ import annotations

import dataclasses
from typing import Any

from vae.config import Config
from vae.datasets import DATASETS, DataInfo, Dataset, Progress, is_here, load_dataset
from vae.datasets.identity import check_same
from vae.datasets.own.stored import is_name
from vae.errors import DataError
from vae.files import expanded


def load_data(run: str, config: Config, data: dict[str, Any], progress: Progress | None = None) -> Dataset:
    """Loads the data of the run of that name, config and description of its data, binarised as in training.

    Raises DataChanged where they are not those any more, DataError where they cannot be read or a file is gone,
    DownloadError.
    """
    if config.dataset not in DATASETS and not is_here(config.dataset):
        if is_name(config.dataset):
            raise DataError(
                f"{config.dataset}: the images that run {run!r} was made with are not in the data root any more; "
                "prepare them again under that name, or train a new run"
            )
        if not expanded(config.dataset).is_absolute():  # a published bundle leaves the folder out
            raise DataError(
                f"{config.dataset}: the file that run {run!r} was made with is not here, and its folder is not known; "
                "put it where ELBO Room is started, or train a new run"
            )
        raise DataError(
            f"{expanded(config.dataset)}: the file that run {run!r} was made with is not there; "
            "put it back, or train a new run"
        )
    dataset = load_dataset(config.dataset, None, config.binarize or "none", progress, config.without)
    hold_to(run, config, data, dataset.info)
    return dataset


def hold_to(run: str, config: Config, data: dict[str, Any], now: DataInfo) -> None:
    """Raises DataChanged unless `now` describes the data that the run was made with."""
    was = DataInfo.from_json(data)
    if config.binarize not in (None, "none"):
        was = dataclasses.replace(was, support="binary")  # that of the view, where the description is the plain set's
    check_same(run, was, now)


def check_data(run: str, config: Config, data: dict[str, Any]) -> None:
    """Raises as `load_data` does, before anything is changed; a set that has yet to be downloaded is no fault."""
    if config.dataset not in DATASETS or is_here(config.dataset):
        load_data(run, config, data)
