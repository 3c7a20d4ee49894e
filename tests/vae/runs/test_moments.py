"""Moments of a training: which steps, how many, what is in them, and what becomes of them on a bad disk."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import vae
from tests.vae.engines.scripted_runs import STEPS, make_quick, new_run, scripted_run, start
from tests.vae.train_run import train_run
from vae import load_run, runs
from vae.errors import RunDamaged, RunNotFound
from vae.runs import moments, ship
from vae.runs.moments import FOLDER, INDEX, Keeper, list_moments, model_at, why_none
from vae.runs.ship import pack_run
from vae.training.moment_steps import FEWEST, MOST_BYTES, planned_steps, quotas, to_thin

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 68 steps, a record every 5, its C turned at 7, 24, 26 and 45."""
    return scripted_run(tmp_path_factory.mktemp("turned"))


@pytest.fixture
def run(turned: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    from shutil import copytree

    return Path(copytree(turned, tmp_path / "run"))


# which steps


@pytest.mark.parametrize(("total", "every"), [(10_000, 1), (10_000, 25), (46_900, 100), (1_000_003, 100), (20, 1)])
def test_twenty_moments_grow_by_one_factor_as_far_as_whole_records_allow(total: int, every: int) -> None:
    steps = planned_steps(total, every)
    assert len(steps) == 20
    assert steps[0] == 0
    assert steps[-1] == total
    assert steps == sorted(set(steps))
    assert all(step % every == 0 for step in steps[:-1])
    marks = [-(-step // every) for step in steps[1:]]
    for i, mark in enumerate(marks[1:-1], 1):  # each is the nearest record to the geometric mean that is left to it
        left = len(marks) - i
        wanted = marks[i - 1] * (marks[-1] / marks[i - 1]) ** (1 / left)
        assert mark == marks[i - 1] + 1 or abs(mark - wanted) <= 0.5


@pytest.mark.parametrize(("total", "every", "steps"), [(12, 5, [0, 5, 10, 12]), (1, 1, [0, 1]), (0, 1, [0])])
def test_few_records_are_all_kept(total: int, every: int, steps: list[int]) -> None:
    assert planned_steps(total, every) == steps


def test_large_weights_have_fewer_moments_and_never_more_room() -> None:
    assert quotas(1) == {"log": 20, "C turned": 12}
    for size in (8_000_001, 20_000_000, 51_000_000, 86_000_000, 10**10):
        assert sum(quotas(size).values()) * size <= MOST_BYTES
    assert quotas(20_000_000) == {"log": 7, "C turned": 5}
    assert quotas(86_000_000) == {"log": 0, "C turned": 0}


def test_what_is_thinned_leaves_the_others_spread() -> None:
    assert to_thin([0, 10, 20], 3) is None
    assert to_thin([5, 6, 7, 100], 3) == 1  # 8/6 against 101/7
    assert to_thin([0, 10, 12, 100], 3) == 2  # 13/1 against 101/11
    steps: list[int] = []
    for step in range(1, 1001):  # C turned a thousand times
        steps.append(step)
        if (place := to_thin(steps, 12)) is not None:
            del steps[place]
    assert len(steps) == 12
    assert (steps[0], steps[-1]) == (1, 1000)
    factors = [math.log((b + 1) / (a + 1)) for a, b in itertools.pairwise(steps)]
    assert max(factors) < 3.5 * math.log(1001 / 2) / 11


# what a training keeps


def test_a_run_keeps_its_plan_and_the_turns_of_C(turned: Path) -> None:
    kept = list_moments(turned)
    log = [moment.step for moment in kept if moment.why == "log"]
    assert log == planned_steps(STEPS, 5) == [0, *range(5, 66, 5), 68]
    turns = [(moment.step, moment.C) for moment in kept if moment.why == "C turned"]
    assert [step for step, _ in turns] == [7, 24]  # 26 is the same movement as 24; at 45 there is a moment already
    assert turns[1][1] == pytest.approx(4.0)  # the C until then, not the one that it was turned to
    by_step = {line["step"]: line for line in runs.read_history(turned) if "train" in line}
    for moment in kept[1:]:
        assert moment.epoch == pytest.approx(moment.step * 64 / 1437)
        assert pytest.approx(by_step[moment.step]["C"], rel=1e-5) == moment.C
    assert {file.name for file in (turned / FOLDER).iterdir()} == {
        "index.json",
        *(f"{moment.step:012d}.safetensors" for moment in kept),
    }


def test_a_moment_is_the_run_then_to_half_precision(turned: Path) -> None:
    last, newest = model_at(turned, STEPS).state_dict(), load_run(turned).model.state_dict()
    assert last.keys() == newest.keys()
    for name, value in newest.items():
        assert last[name].dtype == value.dtype
        bound = value.abs() * 2**-11 + 2**-25 if value.ndim else torch.zeros(())
        assert ((last[name] - value).abs() <= bound).all(), name
    assert any((last[name] != value).any() for name, value in newest.items())
    model = model_at(turned, 24)
    assert pytest.approx(4.0) == model.likelihood.C  # the file's own C is the index's
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    early, dataset = model_at(turned, 0), load_run(turned).dataset()
    x = dataset.to_float(dataset.test[:64])
    error = [float(((m.decode(m.encode(x).mean).mean - x) ** 2).sum() / 64) for m in (early, load_run(turned).model)]
    assert error[1] < 0.8 * error[0]


def test_weights_that_a_half_cannot_hold_cost_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path)
    after = moments.TrainingMoments.after

    def enlarge(self: moments.TrainingMoments, event: Any) -> None:
        if self.trainer.step == 10:
            next(iter(self.trainer.model.decoder.parameters())).data[0, 0] = 1e5
        after(self, event)

    monkeypatch.setattr(moments.TrainingMoments, "after", enlarge)
    train_run(path)
    assert [moment.step for moment in list_moments(path)][:2] == [0, 5]
    assert 10 not in [moment.step for moment in list_moments(path)]


def test_C_turned_a_hundred_times_keeps_twelve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path, epochs=10, record_every=2)
    script = start(path, [(step, {"C": 1.0 + step}, (step, "C", 1.0 + step)) for step in range(3, 203, 2)], [])
    with monkeypatch.context() as patch:
        script.install(patch)
        assert train_run(path).state == "finished"
    kept = list_moments(path)
    turns = [moment.step for moment in kept if moment.why == "C turned"]
    assert len(turns) == 12
    assert (turns[0], turns[-1]) == (3, 201)
    assert len(kept) == 32
    assert len(list((path / FOLDER).glob("*.safetensors"))) == 32


def test_a_run_goes_on_with_its_moments(run: Path) -> None:
    """More epochs: what was kept stays, within twenty."""
    from vae.runs.start import Request

    before = list_moments(run)
    assert train_run(run, request=Request(epochs=6)).state == "finished"
    after = list_moments(run)
    assert len([moment for moment in after if moment.why == "log"]) == 20
    assert after[-1].step == 2 * STEPS - 1  # 6 · 1437 / 64
    assert {0, STEPS} <= {moment.step for moment in after if moment in before}


# a bad disk


def test_a_place_that_cannot_be_written_costs_the_moments_only(
    tmp_path: Path, turned: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = new_run(tmp_path)
    (path / FOLDER).write_text("in the way")
    with monkeypatch.context() as patch:
        start(path).install(patch)
        assert train_run(path).state == "finished"
    assert runs.read_checked(path, runs.WEIGHTS) == runs.read_checked(turned, runs.WEIGHTS)
    assert capsys.readouterr().err.count("no moment of these weights is kept") == 1
    with pytest.raises(RunDamaged, match=r"moments/index.json cannot be read"):
        list_moments(path)


def test_a_disk_that_fills_keeps_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = new_run(tmp_path)
    keeper = Keeper(path, -1, 100)
    assert keeper.keep(0, 0.0, 1.0, "log", lambda: b"first")

    def full() -> bytes:
        raise OSError(28, "No space left on device")

    assert not keeper.keep(5, 0.1, 1.0, "log", full)
    assert [moment.step for moment in list_moments(path)] == [0]
    assert "No space left" in capsys.readouterr().err
    assert keeper.keep(10, 0.2, 1.0, "log", lambda: b"third")  # there is room again
    (path / FOLDER / "000000000015.safetensors").write_bytes(b"a kill before the index")
    (path / FOLDER / ".index.json.0123abcd.tmp").write_bytes(b"")
    Keeper(path, 5, 100)  # goes on from step 5
    assert [moment.step for moment in list_moments(path)] == [0]
    assert {file.name for file in (path / FOLDER).iterdir()} == {"index.json", "000000000000.safetensors"}


def flipped(path: Path) -> None:
    file = path / FOLDER / f"{24:012d}.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def resigned(change: Any) -> Any:
    """Other weights, with an index that vouches for them."""

    def damage(path: Path) -> None:
        file, index = path / FOLDER / f"{24:012d}.safetensors", json.loads((path / INDEX).read_text())
        weights = change(load(file.read_bytes()))
        file.write_bytes(save(weights) if isinstance(weights, dict) else weights)
        for entry in index["moments"]:
            if entry["step"] == 24:
                entry["sha256"] = vae.files.sha256(file.read_bytes())
        (path / INDEX).write_text(json.dumps(index))

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flipped, "is damaged .its SHA-256 is not the one in moments/index.json"),
        (lambda path: (path / FOLDER / f"{24:012d}.safetensors").unlink(), "it is gone"),
        (resigned(lambda _: b"no tensors"), "no safetensors file"),
        (resigned(lambda w: {n: t for n, t in w.items() if n != "decoder.0.weight"}), "lacks 'decoder.0.weight'"),
        (resigned(lambda w: {n: t * math.inf for n, t in w.items()}), "not finite numbers"),
        (resigned(lambda w: {n: t.double() for n, t in w.items()}), "should be float32, got float64"),
    ],
)
def test_a_damaged_moment_is_refused_in_a_sentence_and_the_others_open(run: Path, damage: Any, words: str) -> None:
    damage(run)
    with pytest.raises(RunDamaged, match=words):
        model_at(run, 24)
    model_at(run, 25)


@pytest.mark.parametrize(
    ("field", "value"),
    [("step", -1), ("step", "7"), ("step", 25), ("why", "hm"), ("sha256", "../../etc"), ("epoch", None), ("C", "fit")],
)
def test_an_index_is_read_as_a_strangers(run: Path, field: str, value: Any) -> None:
    index = json.loads((run / INDEX).read_text())
    index["moments"][3][field] = value
    (run / INDEX).write_text(json.dumps(index))
    with pytest.raises(RunDamaged, match=r"moments/index.json cannot be read"):
        list_moments(run)
    assert train_run(run, request=None).state == "finished"  # it trains on, and its index is whole again


def test_the_nearest_is_named_where_there_is_none(turned: Path) -> None:
    with pytest.raises(RunNotFound, match="keeps no moment of step 26; the nearest is that of step 25"):
        model_at(turned, 26)


# runs without


def test_a_small_run_ships_with_its_moments(run: Path) -> None:
    before, weights = list_moments(run), (run / runs.WEIGHTS).read_bytes()
    pack_run(run)
    assert list_moments(run) == before
    assert len(before) > FEWEST
    for moment in before:
        model_at(run, moment.step)
    assert (run / runs.WEIGHTS).read_bytes() == weights
    assert why_none(run) == ""


def test_a_larger_run_ships_with_as_many_as_have_room(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list_moments(run)
    sizes = {moment.step: (run / moment.file).stat().st_size for moment in before}
    monkeypatch.setattr(ship, "MOST_MOMENTS", sum(sizes.values()) - 1)
    pack_run(run)
    left = list_moments(run)
    assert len(left) == len(before) - 1
    assert (left[0], left[-1]) == (before[0], before[-1])
    assert {file.name for file in (run / FOLDER).iterdir()} == {"index.json", *(Path(m.file).name for m in left)}
    monkeypatch.setattr(ship, "MOST_MOMENTS", FEWEST * max(sizes.values()))
    pack_run(run)
    assert len(list_moments(run)) == FEWEST


@pytest.mark.parametrize("what", ["a moment is gone", "the index is damaged"])
def test_moments_that_cannot_be_read_stay_behind(run: Path, what: str) -> None:
    if what == "a moment is gone":
        (run / list_moments(run)[1].file).unlink()
    else:
        (run / INDEX).write_text("{")
    pack_run(run)
    assert not (run / FOLDER).exists()


@pytest.mark.parametrize("name", ["demo-digits-2d", "demo-digits-8bits"])
def test_a_shipped_runs_last_moment_is_its_weights_in_float16(name: str) -> None:
    path = DEMOS / name
    last = list_moments(path)[-1]
    assert (last.step, list_moments(path)[0].step) == (runs.read_status(path).step, 0)
    kept = model_at(path, last.step).state_dict()
    for key, value in load_run(path).model.state_dict().items():
        torch.testing.assert_close(kept[key], value, rtol=2**-11, atol=2**-24)


def test_what_is_found_again_does_not_ship_and_marks_do(run: Path) -> None:
    for folder in ("diagnosis", "suspects"):
        (run / folder / "0123abcd").mkdir(parents=True)
        (run / folder / "0123abcd" / "log.txt").write_text("of this machine")
    (run / "suspects.json").write_text("{}")
    pack_run(run)
    assert not (run / "diagnosis").exists()
    assert not (run / "suspects").exists()
    assert (run / "suspects.json").exists()


def test_a_run_without_moments_says_why(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_none(run) == ""
    assert why_none(new_run(tmp_path, "waits")) == ""  # they come
    monkeypatch.setattr(ship, "MOST_MOMENTS", 1000)
    pack_run(run)
    assert not (run / FOLDER).exists()
    assert "ships without moments" in why_none(run)
    old = new_run(tmp_path, "old")
    runs.write_status(old, runs.Status("finished"))
    assert "before runs kept moments" in why_none(old)


def test_a_loop_of_ones_own_leaves_copies_of_the_models_that_it_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    from vae.runs import shown_model

    monkeypatch.setattr(shown_model, "SHARE", 1e9)
    last = torch.nn.Linear(2, 64)
    decoder = torch.nn.Sequential(last, torch.nn.Unflatten(1, (1, 8, 8)))
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    with vae.log("mine", images=torch.rand(8, 1, 8, 8), likelihood="gaussian", folder=tmp_path) as log:
        assert log.path is not None
        for step in range(1, 9):
            log.step(squared_error=torch.ones(4), rate=torch.ones(4, 2))
            torch.nn.init.constant_(last.bias, step / 10)
            log.model(lambda x: encoder(x).chunk(2, 1), decoder)
    kept = list_moments(log.path)
    assert [moment.step for moment in kept] == [1, 2, 3, 4, 6, 8]  # each at least 1.3 times the one before
    z = torch.zeros(1, 2)
    means = [float(model_at(log.path, moment.step).decode(z).mean.mean()) for moment in kept]
    assert [b - a for a, b in itertools.pairwise(means)] == pytest.approx([0.1, 0.1, 0.1, 0.2, 0.2], rel=1e-4)


def test_a_new_name_and_the_trash_take_the_moments_along(run: Path) -> None:
    kept = list_moments(run)
    renamed = runs.rename_run(run, "other")
    assert list_moments(renamed) == kept
    trashed = runs.delete_run(renamed)
    assert list_moments(runs.restore_run(trashed)) == kept
    model_at(renamed, 24)
