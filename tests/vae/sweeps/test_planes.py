"""Runs as points: what a run's files say, whether it has converged, what is wrong with a folder; and the report."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.vae.command import command
from tests.vae.train_run import train_run
from vae import runs
from vae.config import Config
from vae.model.likelihoods import LIKELIHOODS
from vae.runs import Status
from vae.sweeps import points
from vae.sweeps.grid import Sweep, create, plan
from vae.sweeps.planes import STILL, WEIGHED, caveat, point_of, unsettled, weighs
from vae.sweeps.report import COLUMNS, curves, linear, predicted, rows, spectrum_for, table

BASE = Config(dataset="digits", network="linear", epochs=86, batch_size=512, threads=1, record_every=6)


@pytest.fixture(scope="module")
def swept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for path in create(plan(Sweep(BASE, C=(2.0, 8.0, 32.0), seeds=2, name="try")), root):
        train_run(path)
    return root


@pytest.fixture
def swept(swept_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(swept_once, tmp_path / "runs")


def records(losses: list[float], C: float = 1.0, steps: int = 100) -> list[dict[str, Any]]:
    """A history's end: records of the last tenth of 100 steps with these held-out losses."""
    at = [steps * (0.9 + 0.1 * index / (len(losses) - 1)) for index in range(len(losses))]
    return [{"step": round(step), "C": C, "test": {"loss": loss}} for step, loss in zip(at, losses, strict=True)]


DONE = Status("finished", 100, total_steps=100)


@pytest.mark.parametrize(
    ("status", "end", "why"),
    [
        (DONE, records([5.0] * 5), ""),
        (DONE, records([5.0, 5.0 - STILL / 2, 5.0 - STILL]), "the last tenth of its steps has only 3"),
        (DONE, records([5.0 - 0.99 * STILL * i / 4 for i in range(5)]), ""),
        (DONE, records([5.0 - 1.5 * STILL * i / 4 for i in range(5)]), "its held-out loss fell by 0.14 nats"),
        (DONE, records([5.0 + 3 * i / 4 for i in range(5)]), "its held-out loss rose by 2.9 nats"),
        (DONE, records([5.0, 4.0, 5.2, 4.1, 5.1, 4.2]), ""),  # a drift within its own error
        (DONE, [], "the last tenth of its steps has only 0 held-out records"),
        (Status("finished"), [], "it came as it is, and no training tells"),
        (DONE, records([5.0] * 3) + records([5.0] * 3, C=2.0), "its C changed"),
        (Status("running", 100), records([5.0] * 5), "it is still training"),
        (Status("stopped", 100), records([5.0] * 5), r"it ended early \(stopped\)"),
        (
            DONE,
            [*records([5.0] * 5), {"step": 100, "C": 1.0, "test": {"loss": None}}],
            "its held-out loss was not a finite",
        ),
    ],
)
def test_a_run_has_converged_where_its_loss_stands_still(status: Status, end: list, why: str) -> None:
    told = unsettled(status, end)
    assert bool(told) == bool(why)
    assert re.match(why, told)


def test_a_loss_that_a_schedule_held_still_has_a_caveat() -> None:
    """Over the last tenth a cosine is at (1 + cos 0.9π)/2 = 2.4 % of its learning rate and less."""
    end = [line | {"lr": 1e-3 * (1 + math.cos(math.pi * line["step"] / 100)) / 2} for line in records([5.0] * 5)]
    point = point_of("x", Config(likelihood="gaussian", lr=1e-3, lr_schedule="cosine"), "digits", DONE, end)
    told = "its learning rate was at 2.4% of the first or less, where any loss stands still"
    assert (point.unsettled, point.caveat) == ("", told)
    assert caveat([line | {"lr": 2e-4} for line in end], 1e-3) == ""
    assert caveat(end, None) == caveat(records([5.0] * 5), 1e-3) == ""


def test_a_point_tells_the_last_held_out_record_and_the_scatter_of_the_last_tenth(swept: Path) -> None:
    (path,) = [path for path in runs.list_runs(swept) if path.name == "try-C-8-seed-1"]
    config, history = runs.read_config(path)[0], runs.read_history(path)
    point = point_of(path.name, config, "digits", runs.read_status(path), history)
    last = history[-1]["test"]
    for term in ("rate", "distortion", "squared_error", "elbo"):
        assert getattr(point, term) == last[term]
        assert getattr(point, f"{term}_error") == last[f"{term}_error"]
    assert (point.C, point.fitted, point.latent_dim, point.seed) == (pytest.approx(8.0), False, 2, 1)
    assert point.used == sum(rate >= 0.01 for rate in last["rate_per_dim"])
    end = [line["test"] for line in history if line.get("test") and line["step"] >= 0.9 * history[-1]["step"]]
    values = [one["rate"] for one in end]
    mean = sum(values) / len(values)
    assert point.rate_scatter == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)))
    read = points.read_row(path).point
    assert read is not None
    assert dataclasses.replace(read, sweep=None, sweep_name=None, varies=()) == point


def test_a_C_that_was_turned_or_fitted_is_told_as_it_is() -> None:
    history = [*records([5.0] * 5, C=3.0)]
    knob = {"step": 9, "knob": "C", "value": 3.0}
    turned = point_of("x", Config(likelihood="gaussian", C=1.0), "digits", DONE, [knob, *history])
    assert (turned.C, turned.fitted) == (3.0, False)
    fitted = point_of("x", Config(likelihood="gaussian", C="fit"), "digits", DONE, history)
    assert (fitted.C, fitted.fitted) == (3.0, True)
    assert point_of("x", Config(likelihood="gaussian", C="fit"), "digits", DONE, []).C is None
    assert point_of("x", Config(likelihood="bernoulli", C=0.5), "digits", DONE, []).C == 0.5


def test_every_likelihood_says_what_C_is_to_it() -> None:
    assert {name: weighs(name) for name in LIKELIHOODS} == {n: not c.owns_C for n, c in LIKELIHOODS.items()}
    assert set(LIKELIHOODS) <= set(WEIGHED)  # so that lists come without torch
    assert not weighs("nobody's")
    assert not weighs(None)


def test_damaged_runs_are_told_and_the_others_are_there(swept: Path) -> None:
    names = sorted(path.name for path in runs.list_runs(swept))
    (swept / names[0] / "sweep.json").write_text('{"id": 5}')
    (swept / names[1] / "config.json").write_text("{}")
    (swept / names[2] / "history.jsonl").write_bytes(b'{"step": 1}\n{"torn')
    (swept / names[3] / "status.json").write_text("[]")
    there = {row.path.name: row for row in points.rows(swept)}
    assert sorted(there) == names
    assert "sweep.json cannot be read" in there[names[0]].problem
    assert "config.json cannot be read" in there[names[1]].problem
    lost = there[names[2]].point
    assert lost is not None
    assert (lost.rate, lost.unsettled) == (None, "the last tenth of its steps has only 0 held-out records")
    assert [row.point.state for name, row in there.items() if name == names[3] and row.point] == ["failed"]
    assert len(points.points(swept, "digits")) == 4
    assert points.points(swept, "mnist") == []


def test_one_curve_a_seed_and_those_of_no_sweep_alone(swept: Path) -> None:
    data = {"shape": [1, 8, 8], "name": "digits"}
    alone = runs.create_run(Config(likelihood="gaussian", C=1.0), data, "alone", swept)
    (alone / "history.jsonl").write_text((swept / "try-C-2-seed-0/history.jsonl").read_text())
    found = {one.name: one for one in curves(points.points(swept))}
    assert {name: [p.name for p in one.points] for name, one in found.items()} == {
        "try · seed 0": ["try-C-2-seed-0", "try-C-8-seed-0", "try-C-32-seed-0"],
        "try · seed 1": ["try-C-2-seed-1", "try-C-8-seed-1", "try-C-32-seed-1"],
        "alone": ["alone"],
    }
    assert found["alone"].sweep is None
    assert [slope.theory for slope in found["try · seed 0"].slopes] == pytest.approx([-1 / 2, -1 / 8, -1 / 32])


def test_predicted_dimensions_and_the_linear_curve_are_those_of_the_runs_data(swept: Path) -> None:
    there = points.points(swept)
    spectrum = spectrum_for(swept / there[0].name)
    assert spectrum is not None
    assert spectrum is spectrum_for(swept / there[1].name)  # computed once
    for point in there:
        assert predicted(point, spectrum) == min(2, int((spectrum.learned > 1 / (2 * (point.C or 1))).sum()))
        assert predicted(dataclasses.replace(point, likelihood="bernoulli"), spectrum) is None
    along = linear(there, spectrum)
    assert (along[0]["C"], along[-1]["C"]) == pytest.approx((1.0, 64.0))
    assert all(isinstance(one["rate"], float) for one in along)
    assert linear(there, None) == [] == linear([], spectrum)


def test_the_command_prints_the_same_rows_as_a_table_as_csv_and_as_json(swept: Path) -> None:
    def asked(*words: str) -> str:
        done = command("terms", *words, runs=swept)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    told = json.loads(asked("digits", "--json"))
    expected = rows(points.points(swept), spectrum_for(swept / "try-C-2-seed-0"))
    assert told["runs"] == json.loads(json.dumps(expected))
    read = list(csv.DictReader(io.StringIO(asked("--csv"))))
    assert list(read[0]) == list(COLUMNS)
    assert [float(row["rate"]) for row in read] == [row["rate"] for row in expected]
    assert table(expected).count("\n") == 7
    text = asked("--sweep", "try").splitlines()
    assert len(text) == 7
    assert all("not taken as converged" in line for line in text[1:])
    assert text[1].split()[:3] == [expected[0]["name"], "2", f"{expected[0]['rate']:.4g}"]
    refused = command("terms", "mnist", runs=swept)
    assert refused.returncode == 2
    assert b"terms: no run on mnist there; expected one of digits" in refused.stderr


def test_list_carries_the_numbers(swept: Path) -> None:
    listed = json.loads(command("list", "--json", runs=swept).stdout)["runs"]
    for row in listed:
        last = runs.read_history(swept / row["name"])[-1]["test"]
        assert (row["rate"], row["squared_error"], row["elbo_error"]) == (
            last["rate"], last["squared_error"], last["elbo_error"],
        )  # fmt: skip
        assert row["latent"] == "normal 2"
        assert row["sweep_name"] == "try"
    plain = command("list", runs=swept).stdout.decode().splitlines()
    assert len(plain) == 6
    assert all(len(line.split()) == 6 for line in plain)
