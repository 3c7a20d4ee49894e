"""Neighbours, copies, log p(x) and a second dataset against independent counts; the process that computes them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from tests.vae.conftest import LinearGaussian
from vae import Config, runs, train
from vae.diagnosis.case import Stopped
from vae.diagnosis.results import read_status, stop_diagnosis
from vae.diagnosis.suspects.duplicates import duplicates
from vae.diagnosis.suspects.evidence import AT_ONCE, Bounds, bounds_of
from vae.diagnosis.suspects.neighbours import label_disagreement
from vae.diagnosis.suspects.opened import open_part, open_second, second_images
from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.process import Asked, look_for_suspects
from vae.diagnosis.suspects.results import read_bounds, read_scores, read_second, request_suspects
from vae.diagnosis.suspects.scores import Scores, far_above, pack, unpack
from vae.diagnosis.suspects.table import describe, of_kind, order
from vae.errors import ElboRoomError, RunDamaged


@pytest.mark.parametrize(("n", "same"), [(60, True), (300, True), (300, False)])
def test_neighbours_are_those_of_scikit_learn(n: int, same: bool) -> None:
    random = np.random.RandomState(n)
    among, labels = random.randn(n, 3).astype(np.float32), random.randint(0, 4, n)
    codes, own = (among, labels) if same else (random.randn(40, 3).astype(np.float32), random.randint(0, 4, 40))
    found = label_disagreement(codes, own, among, labels, same)
    fewer = min(max(KS), n - same)
    nearest = NearestNeighbors(n_neighbors=fewer + same).fit(among).kneighbors(codes, return_distance=False)
    for column, k in enumerate(KS):
        for i, places in enumerate(nearest):
            others = labels[[p for p in places if not (same and p == i)][: min(k, fewer)]]
            counts = Counter(others.tolist())
            most = max(counts.values())
            first = next(label for label in others if counts[label] == most)
            assert found["differ"][i, column] == (others != own[i]).sum()
            assert (found["agree"][i, column], found["suggested"][i, column]) == (most, first)


def pictures(n: int, seed: int = 0) -> Tensor:
    """Smooth ones that differ from each other, (n, 1, 16, 16) uint8."""
    coarse = torch.rand(n, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (torch.nn.functional.interpolate(coarse, size=(16, 16), mode="bilinear") * 255).to(torch.uint8)


def test_copies_near_copies_and_blanks_in_both_parts() -> None:
    test, train = pictures(20), pictures(40, seed=1)
    train[3] = test[5]  # trained on and held out
    train[9] = train[4]
    noise = torch.randint(-3, 4, (1, 16, 16), generator=torch.Generator().manual_seed(2))
    train[30] = (train[12].int() + noise).clamp(0, 255).to(torch.uint8)
    train[20], train[21] = 7, 7
    found = duplicates([test, train], 255, (0.0, 1.0))
    assert {i: int(found.exact[i]) for i in np.flatnonzero(found.exact >= 0)} == {5: 5, 23: 5, 24: 24, 29: 24}
    assert {i: int(found.near[i]) for i in np.flatnonzero(found.near >= 0)} == {32: 32, 50: 32}
    assert not found.cut


def test_scores_come_back_as_they_were() -> None:
    one = Scores(np.ones(3, np.float32), np.ones(3, np.float32), near=np.array([-1, 0, 0]), neighbours=7, near_cut=True)
    back = unpack(pack({"test": one}))["test"]
    assert (back.neighbours, back.near_cut, back.offset, back.exact) == (7, True, 0, None)
    np.testing.assert_array_equal(back.near, one.near)


def test_thin_strokes_on_black_are_no_near_copies() -> None:
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 4:24, 13:15] = 255
    images[1, 0, 4:24, 12:15] = 255
    assert (duplicates([images], 255, (0.0, 1.0)).near == -1).all()


@dataclass
class CodesOf:
    """What `bounds_of` asks of codes."""

    images: Tensor
    distortion: np.ndarray
    rate: np.ndarray

    def x(self, index: int) -> Tensor:
        return self.images[index : index + 1]


def test_log_px_is_the_closed_form_within_its_error_worst_first_and_goes_on(
    make_linear_gaussian: Callable[..., LinearGaussian],
) -> None:
    generator = torch.Generator().manual_seed(3)
    W = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    exact = make_linear_gaussian(W, torch.zeros(6, dtype=torch.float64), 0.5, (1, 2, 3))
    exact.set_best_diagonal_posterior()
    x = torch.randn(70, 1, 2, 3, generator=generator, dtype=torch.float64) * 2
    cost = -exact.elbo(x).detach().numpy()
    codes: Any = CodesOf(x, cost, np.zeros(70))
    steps: list[Bounds] = []

    def two_batches(done: int) -> None:
        if done >= 2 * AT_ONCE:
            raise Stopped

    with pytest.raises(Stopped):
        steps.extend(bounds_of(exact.model, codes, None, 400, two_batches))
    steps = list(take(bounds_of(exact.model, codes, None, 400), 2))
    assert [len(one) for one in steps] == [AT_ONCE, 2 * AT_ONCE]
    assert (np.diff(cost[steps[-1].places]) <= 0).all()
    *_, whole = bounds_of(exact.model, codes, steps[-1], 400)
    assert sorted(whole.places) == list(range(70))
    np.testing.assert_array_equal(whole.bound[: 2 * AT_ONCE], steps[-1].bound)  # not computed again
    truth = exact.log_evidence(x).numpy()[whole.places]
    assert not whole.flagged.any()
    assert (np.abs(whole.bound - truth) < 5 * whole.error).all()
    assert np.abs(whole.bound - truth).max() > 0


def take(steps: Any, count: int) -> Any:
    for _, step in zip(range(count), steps, strict=False):
        yield step


def test_far_out_is_beyond_three_interquartile_ranges() -> None:
    values = np.array([*range(101), 225.0, 226.0], np.float32)  # quartiles 25.5 and 76.5: beyond 229.5
    assert not far_above(values).any()
    assert np.flatnonzero(far_above(np.array([*range(101), 240.0, 226.0], np.float32))).tolist() == [101]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = Config(dataset="digits", latent_dim=2, epochs=3, hidden=(32,), threads=1)
    return train(config, progress=False).finish().save("d", tmp_path_factory.mktemp("runs")).path


def test_the_work_goes_on_where_it_was_stopped(digits: Path) -> None:
    sha = runs.content_hash(digits, runs.WEIGHTS)
    assert sha is not None
    folder = request_suspects(digits, sha)
    stop_diagnosis(folder)
    assert look_for_suspects(digits, Asked(), threading.Event(), sha) == folder
    assert read_status(folder).state == "stopped"
    assert read_scores(folder) == {}
    look_for_suspects(digits, Asked("test", 20), threading.Event())
    assert read_status(folder).state == "finished"
    scores = read_scores(folder)
    assert {part: len(one) for part, one in scores.items()} == {"test": 360, "train": 1437}
    bounds = read_bounds(folder, "test", 360)
    assert bounds is not None
    assert sorted(bounds.places) == list(range(360))
    listed = open_part(runs.load_run(digits), folder, "test")
    by_log_px = order(listed, "log_px")
    assert (np.diff([describe(listed, i, 10, {})["log_px"] for i in by_log_px]) >= 0).all()
    known = Scores.elbo.fget(scores["test"])[bounds.places]  # type: ignore[attr-defined]
    assert np.mean(bounds.bound - known) > 0  # log p(x) is above the ELBO


def test_a_second_dataset_is_ranked_among_the_run_s_own_held_out_images(digits: Path, tmp_path: Path) -> None:
    file = tmp_path / "noise.npz"
    np.savez(file, images=np.random.RandomState(0).rand(60, 8, 8).astype(np.float32))
    folder = look_for_suspects(digits, Asked(second=str(file)), threading.Event())
    second, own = read_second(folder, str(file)), read_scores(folder)["test"]
    assert second is not None
    cost, known = second.rate + second.distortion, -own.elbo
    assert second.tail == pytest.approx([(1 + (known >= c).sum()) / 361 for c in cost])
    pairs = np.sign(cost[:, None] - known[None]) / 2 + 0.5
    assert second.auroc == pytest.approx(pairs.mean())
    assert second.auroc > 0.9
    run = runs.load_run(digits)
    listed = open_second(run, folder, str(file), second_images(run, str(file)))
    assert listed is not None
    assert of_kind(listed, "tail", 10, {}).sum() == (second.tail <= 0.01).sum() > 0


def test_a_second_dataset_of_another_size_is_refused(digits: Path, tmp_path: Path) -> None:
    file = tmp_path / "large.npz"
    np.savez(file, images=np.zeros((20, 9, 8), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None])
    folder = look_for_suspects(digits, Asked(second=str(file)), threading.Event())
    status = read_status(folder)
    assert status.state == "failed"
    assert status.message == "second: large.npz has images of 1 x 9 x 8, this run's are 1 x 8 x 8"


@pytest.mark.parametrize(
    "arrays",
    [
        {"train_rate": np.zeros(3, np.float32)},
        {"train_rate": np.zeros(3, np.float32), "train_distortion": np.zeros(2, np.float32)},
        {"train_rate": np.zeros(3, np.int64), "train_distortion": np.zeros(3, np.float32)},
        {
            "train_rate": np.zeros(2, np.float32),
            "train_distortion": np.zeros(2, np.float32),
            "train_exact": np.r_[9, 0],
        },
    ],
)
def test_scores_of_a_stranger_are_refused_in_a_sentence(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "scores.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(RunDamaged, match=r"scores\.npz cannot be read"):
        read_scores(tmp_path)
    (tmp_path / "scores.npz").write_bytes(b"nothing")
    with pytest.raises(ElboRoomError, match="look for suspects again"):
        read_scores(tmp_path)
