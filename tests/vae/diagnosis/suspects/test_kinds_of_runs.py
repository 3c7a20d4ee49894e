"""Runs of every kind are looked through: bits, without labels, in colour, without their dataset, of somebody else's."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from vae import Config, load_run, train, wrap
from vae.diagnosis.results import read_status
from vae.diagnosis.suspects.classes import class_means
from vae.diagnosis.suspects.opened import open_part, pictures
from vae.diagnosis.suspects.process import Asked, look_for_suspects
from vae.diagnosis.suspects.results import read_bounds, read_scores
from vae.diagnosis.suspects.table import KINDS, order, rows_for
from vae.space.encodings import display_limits_of, images_of

DEMOS = Path(__file__).resolve().parents[4] / "checkpoints"


def looked_through(path: Path) -> dict[str, int]:
    """All that the page and the command do with a run; how many images of each part there are."""
    folder = look_for_suspects(path, Asked("test", 5), threading.Event())
    assert (read_status(folder).state, read_status(folder).message) == ("finished", "")
    run, found = load_run(path), {}
    for part, scores in read_scores(folder).items():
        listed = open_part(run, folder, part)
        found[part] = n = len(listed)
        for kind in KINDS:
            assert set(order(listed, "elbo", kind=kind)) <= set(range(n))
        assert sorted(order(listed)) == list(range(n))
        rows = rows_for(listed, range(3), 10, {})
        assert all((row["suggested"] is None) == (listed.labels is None) for row in rows)
        assert class_means(listed)[0].n == n
        shown = pictures(run.model, images_of(run, part), np.arange(3), display_limits_of(run))
        assert shown.originals.shape == shown.reconstructions.shape == (3, *run.model.shape)
        assert np.isfinite(scores.elbo).all()
    bounds = read_bounds(folder, "test", found["test"])
    assert bounds is not None
    assert len(bounds) == found["test"]
    return {str(part): n for part, n in found.items()}


def test_bits(tmp_path: Path) -> None:
    path = shutil.copytree(DEMOS / "demo-digits-8bits", tmp_path / "bits", ignore=shutil.ignore_patterns("suspects"))
    assert looked_through(path) == {"test": 360, "train": 1437}


def test_where_the_dataset_is_absent_the_images_that_came_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "nothing"))
    path = shutil.copytree(DEMOS / "demo-mnist-10d", tmp_path / "mnist", ignore=shutil.ignore_patterns("suspects"))
    folder = look_for_suspects(path, Asked(), threading.Event())
    assert set(read_scores(folder)) == {"test"}
    listed = open_part(load_run(path), folder, "test")
    assert listed.scores.neighbours == len(listed) - 1  # of one another: there are no others
    assert listed.scores.differ is not None


def test_colour_without_labels(tmp_path: Path) -> None:
    images = np.random.RandomState(0).randint(0, 255, (60, 4, 4, 3)).astype(np.uint8)
    images[7] = images[8]
    np.save(tmp_path / "few.npy", images)
    config = Config(dataset=str(tmp_path / "few.npy"), epochs=1, hidden=(8,), threads=1)
    path = train(config, progress=False).finish().save("colour", tmp_path).path
    assert looked_through(path) == {"test": 12, "train": 48}


def test_of_somebody_else_s_model(tmp_path: Path) -> None:
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Unflatten(1, (1, 8, 8)))
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    path = wrap(encoder, decoder, images=images, likelihood="gaussian", C=2.0, folder=tmp_path).path
    assert looked_through(path) == {"test": 20}
