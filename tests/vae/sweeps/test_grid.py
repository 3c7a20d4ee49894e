"""A sweep before it starts: which runs, in which order, what they take, what is refused; and the runs once made."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from vae import runs
from vae.config import Config
from vae.errors import ConfigError, RunDamaged, RunError
from vae.runs.sweep_mark import SweepMark, blocked_by, chain_before, neighbour_of, read_mark, write_mark
from vae.sweeps.grid import MOST_RUNS, Sweep, create, plan, spread_out, values_of_C
from vae.training.defaults import images_per_second, needs_of

BASE = Config(dataset="digits", hidden=(16,), epochs=2, threads=1)


def test_values_of_C_are_numbers_fit_and_ranges_in_equal_ratios() -> None:
    assert values_of_C("0.1,1,fit") == [0.1, 1.0, "fit"]
    assert values_of_C("1..1000:4, 5") == [1.0, 10.0, 100.0, 1000.0, 5.0]
    spread = values_of_C("0.3..300:8")
    assert (spread[0], spread[-1], len(spread)) == (0.3, 300.0, 8)
    ratios = [float(b) / float(a) for a, b in itertools.pairwise(spread)]
    assert ratios == pytest.approx([1000 ** (1 / 7)] * 7, rel=5e-3)  # three digits


@pytest.mark.parametrize(
    "text", ["", "two", "1..", "1..10", "1:3", "10..1:3", "1..10:1", "1..10:x", "-1..3:3", "0..3:3"]
)
def test_what_is_no_value_of_C_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^C: "):
        values_of_C(text)


def test_each_value_is_tried_with_each_other_and_named_by_what_varies() -> None:
    sweep = Sweep(BASE, C=(1.0, "fit"), lr=(1e-3, None), latent_dim=(2, 5), seeds=2, name="try")
    planned = plan(sweep)
    assert len(sweep) == len(planned.points) == 16
    assert sweep.varies == ("C", "lr", "latent_dim", "seed")
    told = {(p.config.C, p.config.lr, p.config.latent_dim, p.config.seed) for p in planned.points}
    assert len(told) == 8
    assert {d for *_, d, _ in told} == {2, 5}
    assert planned.points[0].name == "try-C-1-lr-0.001-d-2-seed-0"
    assert planned.points[-1].name == "try-C-fit-lr-auto-d-5-seed-1"
    assert len({p.name for p in planned.points}) == 16


def test_what_a_sweep_takes_is_the_sum_over_its_runs_and_a_chain_goes_one_by_one() -> None:
    planned = plan(Sweep(BASE, C=tuple(spread_out(1, 100, 4)), seeds=2))
    alone = plan(Sweep(BASE, C=(1.0,)))
    assert planned.disk == 8 * alone.disk
    assert planned.seconds() == pytest.approx(8 * alone.seconds())
    assert planned.seconds(4) == pytest.approx(2 * alone.seconds())
    config, info = alone.points[0].config, alone.info
    assert alone.seconds() - 2.0 == pytest.approx(2 * 1437 / images_per_second(config, info))
    assert alone.disk - 500_000 == needs_of(config, info).disk
    chains = plan(dataclasses.replace(planned.sweep, warm_start=True))
    assert chains.seconds(8) == pytest.approx(4 * alone.seconds())


def test_a_chain_goes_from_the_largest_C_to_the_smallest_in_each_setting() -> None:
    planned = plan(Sweep(BASE, C=(3.0, 1.0, "fit", 10.0), seeds=2, warm_start=True))
    by_name = {p.name: p for p in planned.points}
    before = {name: p.warm_from and planned.points[p.warm_from].name for name, p in by_name.items()}
    assert before["digits-C-1-seed-1"] == "digits-C-3-seed-1"
    assert before["digits-C-3-seed-1"] == "digits-C-10-seed-1"
    assert before["digits-C-10-seed-0"] is before["digits-C-fit-seed-1"] is None
    order = planned.order()
    assert all(p.warm_from is None or order.index(p.warm_from) < order.index(i) for i, p in enumerate(planned.points))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": 0}, "seeds: expected 1 or more"),
        ({"seeds": MOST_RUNS + 1}, "sweep: expected at most 10,000 runs, got 10,001"),
        ({"C": (1.0, -2.0)}, "C: expected a positive"),
        ({"latent_dim": (2, 0)}, "latent_dim: expected a whole number"),
        ({"C": (1.0, "fit"), "warm_start": True}, "warm start: expected two or more values"),
        ({"base": dataclasses.replace(BASE, likelihood="bernoulli"), "C": ("fit",)}, "only a gaussian likelihood"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_anything_is_made(changes: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        plan(dataclasses.replace(Sweep(BASE), **changes))


def test_a_sweep_that_the_disk_cannot_hold_makes_no_run(tmp_path: Path) -> None:
    planned = dataclasses.replace(plan(Sweep(BASE, C=(1.0, 2.0))), disk=1 << 60)
    with pytest.raises(RunError, match=r"a sweep of 2 runs: .* MB of disk are free"):
        create(planned, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_runs_know_their_sweep_and_from_whom_they_start(tmp_path: Path) -> None:
    runs.create_run(BASE, {"shape": [1, 8, 8]}, "digits-C-10", tmp_path)  # the name is taken
    paths = create(plan(Sweep(BASE, C=(1.0, 3.0, 10.0), warm_start=True)), tmp_path)
    marks = [read_mark(path) for path in paths]
    assert [path.name for path in paths] == ["digits-C-1", "digits-C-3", "digits-C-10-2"]
    assert [mark and mark.warm_from for mark in marks] == ["digits-C-3", "digits-C-10-2", None]
    assert len({mark.id for mark in marks if mark}) == 1
    assert all(mark and mark.name == "digits" and mark.varies == ("C",) for mark in marks)
    assert chain_before(paths[0]) == [paths[1], paths[2]]
    assert read_mark(tmp_path / "digits-C-10") is None
    assert read_mark(create(plan(Sweep(BASE, C=(1.0, 2.0))), tmp_path)[0]) != marks[0]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("[]", "expected an object"),
        ('{"id": "a", "name": "b"}', "varies"),
        ('{"id": "a", "name": "b", "varies": ["dataset"]}', r"varies\[0\]"),
        ('{"id": 5, "name": "b", "varies": []}', "id"),
        ('{"id": "a", "name": "b", "varies": [], "warm_from": 3}', "warm_from"),
    ],
)
def test_a_strange_mark_is_refused_field_by_field(content: str, field: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(RunDamaged, match=f"sweep.json cannot be read .*{field}"):
        read_mark(tmp_path)


def test_a_mark_leads_nowhere_outside_and_not_in_a_circle(tmp_path: Path) -> None:
    one, other = create(plan(Sweep(BASE, C=(1.0, 2.0))), tmp_path / "runs")
    for name in ("../outside", "nobody", ".."):
        write_mark(one, SweepMark("id", "name", (), name))
        assert neighbour_of(one) is None
    write_mark(one, SweepMark("id", "name", (), other.name))
    write_mark(other, SweepMark("id", "name", (), one.name))
    assert chain_before(one) == []
    assert blocked_by(one) is None
