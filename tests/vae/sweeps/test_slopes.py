"""Measured slopes: exact where theory says so, their errors against sampling, on trained models; where to add runs."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch

from vae.config import Config
from vae.datasets import load_dataset
from vae.runs import Status
from vae.runs.saving import to_line
from vae.sweeps.bend import values_to_add
from vae.sweeps.planes import Point, point_of
from vae.sweeps.slopes import chord_place, curve, slope_at, slopes
from vae.training.defaults import complete
from vae.training.start import start_from
from vae.training.trainer import Trainer


def point(C: float, rate: float, error: float, scatter: float | None = None, weighed: bool = False) -> Point:
    term = "distortion" if weighed else "squared_error"
    return Point(
        f"C-{C:g}", "digits", "bernoulli" if weighed else "gaussian", weighed, C, False, "normal", 4, "mlp", 1e-3, 0,
        "finished", 1, 1, rate=rate, rate_scatter=scatter, **{term: error, f"{term}_scatter": scatter},
    )  # fmt: skip


def ideal(C: float, n: int = 3) -> tuple[float, float, float]:
    """dE/dR = −1/C with n dimensions in use: R = (n/2) log C, E = n/(2C)."""
    return C, n / 2 * math.log(C), 7 + n / (2 * C)


@pytest.mark.parametrize("ratio", [1.1, 3.0, 20.0])
def test_where_rate_grows_with_log_C_the_measured_slope_is_exact_at_any_spacing(ratio: float) -> None:
    three = [ideal(C) for C in (2.0 / ratio, 2.0, 2.0 * ratio**1.5)]
    assert slope_at(three) == pytest.approx(-0.5, rel=1e-9)
    chord = (three[1][2] - three[0][2]) / (three[1][1] - three[0][1])
    assert -1 / chord_place(three[0][0], three[1][0]) == pytest.approx(chord, rel=1e-9)


def test_there_is_no_slope_at_the_ends_or_where_the_curve_does_not_fall() -> None:
    along = [point(*ideal(C)) for C in (1.0, 2.0, 4.0)]
    first, middle, last = slopes(along)
    assert first.measured is last.measured is None
    assert (first.theory, middle.theory, last.theory) == (-1.0, -0.5, -0.25)
    assert slope_at([(1.0, 0.0, 5.0), (2.0, 1.0, 6.0), (4.0, 2.0, 5.5)]) is None
    assert slope_at([(1.0, 1.0, 5.0), (2.0, 1.0, 4.0), (4.0, 2.0, 3.5)]) is None


def test_the_error_of_a_slope_is_what_scattered_terms_do_to_it() -> None:
    scatter, places = 1e-3, [ideal(C) for C in (1.0, 2.0, 4.0)]
    told = slopes([point(*place, scatter) for place in places])[1].error
    noise = torch.randn(20_000, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * scatter
    sampled = [
        slope_at([(C, R + a, E + b) for (C, R, E), (a, b) in zip(places, one, strict=True)]) for one in noise.tolist()
    ]
    assert told == pytest.approx(torch.tensor(sampled, dtype=torch.float64).std().item(), rel=0.03)
    assert slopes([point(*place) for place in places])[1].error is None


def test_a_curve_is_in_order_of_C_and_leaves_out_what_tells_too_little() -> None:
    there = [point(3.0, 1.0, 2.0), point(1.0, 0.5, 3.0), dataclasses.replace(point(2.0, 1.0, 2.0), rate=None)]
    assert [p.C for p in curve(there)] == [1.0, 3.0]
    weighed = point(2.0, 1.0, 5.0, weighed=True)
    assert curve([weighed, dataclasses.replace(weighed, distortion=None)]) == [weighed]


def trained(config: Config, Cs: list[float]) -> list[Point]:
    """A chain of warm starts from the largest C down, each run as it ends, in the order of `Cs`. The first has the way
    to go from nothing."""
    dataset, found, weights = load_dataset("digits", binarize=config.binarize or "none"), {}, None
    for C in sorted(Cs, reverse=True):
        epochs = 200 if weights is None else 100
        trainer = Trainer(complete(dataclasses.replace(config, C=C, epochs=epochs), dataset.info)[0], dataset)
        if weights is not None:
            start_from(trainer, weights)
        history = [to_line(event) for event in trainer.run() if event is not None]
        weights = trainer.model.state_dict()
        status = Status("finished", trainer.step, total_steps=trainer.step)
        found[C] = point_of(f"C-{C:g}", trainer.config, "digits", status, history)
    return [found[C] for C in Cs]


@pytest.mark.parametrize(
    ("settings", "Cs", "allowed"),
    [
        ({"likelihood": "gaussian", "lr": 2e-2}, [2.0, 4.0, 8.0], 0.05),
        ({"likelihood": "bernoulli", "binarize": "threshold", "lr": 1e-2}, [0.5, 0.7, 1.0], 0.15),
    ],
)
def test_trained_linear_decoders_have_the_slope_that_theory_asks_for(
    settings: dict, Cs: list[float], allowed: float
) -> None:
    """A Gaussian in the rate–error plane, C as a weight in the rate–distortion plane."""
    fixed = {"network": "linear", "latent_dim": 3, "lr_schedule": "cosine", "batch_size": 256, "threads": 1}
    fixed |= {"record_every": 12}  # five in the last tenth
    along = trained(Config(**fixed, **settings), Cs)
    assert {p.weights_C for p in along} == {settings["likelihood"] == "bernoulli"}
    assert [p.unsettled for p in along[:2]] == ["", ""]
    told = slopes(along)[1]
    assert told.theory == -1 / Cs[1]
    assert told.measured == pytest.approx(-1 / Cs[1], rel=allowed)
    assert told.training == pytest.approx(-1 / Cs[1], rel=0.15)  # one z an image, batches of few records
    assert told.error is not None
    assert 0 < told.error < allowed / Cs[1]


# where to add runs


def test_a_run_is_added_in_the_gap_where_the_curve_bends() -> None:
    bent = [
        point(1.0, 0.0, 10.0),
        point(2.0, 1.0, 5.0),
        point(4.0, 2.0, 1.0),
        point(8.0, 3.0, 0.9),
        point(16.0, 4.0, 0.8),
    ]
    (added,) = values_to_add(bent, 1)
    assert added in (pytest.approx(2.83), pytest.approx(5.66))  # on one side of the bend at C = 4
    several = values_to_add(bent, 4)
    assert len(set(several)) == 4
    assert several == sorted(several)
    assert not {p.C for p in bent} & set(several)


def test_a_wide_gap_gets_its_run_on_a_straight_curve() -> None:
    straight = [point(C, rate, 10 - rate) for C, rate in ((1.0, 0.0), (2.0, 1.0), (32.0, 5.0), (64.0, 6.0))]
    assert values_to_add(straight, 1) == [8.0]


def test_side_by_side_nothing_is_added_and_one_run_has_no_gap() -> None:
    assert values_to_add([point(1.0, 0.0, 1.0), point(1.01, 1.0, 0.5)], 3) == []
    assert values_to_add([point(1.0, 0.0, 1.0)], 3) == []
    close = [point(1.0, 0.0, 1.0), point(1.1, 1.0, 0.5)]
    added = values_to_add(close, 10)
    places = sorted([1.0, 1.1, *added])
    assert 0 < len(added) < 10
    assert all(b / a > 1.009 for a, b in itertools.pairwise(places))
