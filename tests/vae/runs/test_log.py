"""Somebody else's loop as a run: what it writes, what comes back to it, and that nothing of ours stops it."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vae
from vae import runs
from vae.__main__ import main
from vae.errors import ConfigError, RunError
from vae.runs import log as module
from vae.runs.log import Log
from vae.runs.preview import unpack
from vae.runs.start import plan

REPOSITORY = Path(__file__).resolve().parents[3]
rng = np.random.default_rng(0)
IMAGES = (rng.random((12, 6, 5)) > 0.5).astype(np.float32)
TERMS = {"distortion": 10 + rng.random(16), "rate": rng.random((16, 3))}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    monkeypatch.setattr("vae.runs.run_writer.KNOBS_EVERY", 0.0)
    return tmp_path


@pytest.fixture
def log(folder: Path) -> Iterator[Log]:
    made = vae.log("mine", images=IMAGES, likelihood="bernoulli", record_every=2)
    yield made
    made.close()


def path_of(log: Log) -> Path:
    assert log.path is not None
    return log.path


def records(log: Log) -> list[dict[str, Any]]:
    return [line for line in runs.read_history(path_of(log)) if "train" in line]


def turned(log: Log) -> list[tuple[int, str, Any]]:
    return [(line["step"], line["knob"], line["value"]) for line in runs.read_history(path_of(log)) if "knob" in line]


def test_it_is_a_run_that_says_whose_it_is(log: Log) -> None:
    for _ in range(3):
        log.step(**TERMS, lr=0.25, epoch=1.5)
    status = runs.read_status(path_of(log))
    assert (status.state, status.pid) == ("running", os.getpid())
    assert runs.is_locked(path_of(log))
    log.close()
    run = runs.load_run("mine")
    assert run.config.is_yours
    assert (run.config.latent_dim, run.config.likelihood, run.config.C) == (3, "bernoulli", 1.0)
    assert (run.data["shape"], run.data["support"], run.data["test"], run.data["train"]) == ([1, 6, 5], "binary", 12, 0)
    assert runs.history_fault(run.path) == ""
    assert [(line["step"], line["lr"], line["epoch"]) for line in records(log)] == [
        (1, 0.25, 1.5),
        (2, 0.25, 1.5),
        (3, 0.25, 1.5),
    ]
    assert records(log)[1]["train"]["distortion"] == pytest.approx(TERMS["distortion"].mean(), rel=1e-12)
    status = runs.read_status(run.path)
    assert (status.state, status.step, status.message, status.pid) == ("finished", 3, "", None)
    assert not runs.is_locked(run.path)
    assert runs.content_hash(run.path, "config.json")


def test_records_become_rarer_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr("vae.runs.run_writer.STATUS_EVERY", 1e9)
    with vae.log("clock") as log:
        for _ in range(4000):  # 1,000 seconds
            now[0] += 0.25
            log.step(**TERMS)
    steps = [line["step"] for line in records(log)]
    assert steps[:3] == [1, 3, 5]  # half a second
    assert steps[-2] - steps[-3] == 14  # a three-hundredth of the time so far
    assert len(steps) == pytest.approx(300 * (1 + math.log(1000 / 150)), rel=0.1)


def test_held_out_batches_are_one_measurement_at_the_step_that_they_follow(log: Log) -> None:
    log.step(**TERMS)
    log.step(**TERMS)
    log.step(**TERMS)
    for size in (7, 5):
        log.test(distortion=np.full(size, float(size)), rate=np.ones((size, 3)))
    log.step(**TERMS)
    log.close()
    measured = [(line["step"], line["test"]) for line in records(log) if line["test"]]
    assert [step for step, _ in measured] == [3]
    assert measured[0][1]["images"] == 12
    assert measured[0][1]["distortion"] == pytest.approx((49 + 25) / 12, rel=1e-12)
    assert measured[0][1]["elbo"] == pytest.approx(-(49 + 25) / 12 - 3, rel=1e-12)
    assert [line["step"] for line in records(log)] == [1, 2, 3, 4]


def test_held_out_numbers_after_the_last_step_are_kept(log: Log) -> None:
    log.step(**TERMS)
    log.test(**TERMS)
    log.close()
    assert [(line["step"], line["test"] is not None) for line in records(log)] == [(1, False), (1, True)]
    assert all(line["train"] for line in records(log))


def test_C_and_the_learning_rate_come_back_and_are_recorded(log: Log) -> None:
    log.step(**TERMS)
    assert (log.C, log.lr_factor, log.stopped) == (1.0, 1.0, False)
    runs.change_knobs(path_of(log), C=20.0, lr_factor=0.1)
    assert log.C == 1.0  # within a step only
    log.step(**TERMS)
    assert (log.C, log.lr_factor) == (20.0, 0.1)
    log.step(**TERMS)
    log.step(**TERMS)
    assert turned(log) == [(2, "C", 20.0), (2, "lr_factor", 0.1)]
    assert [(line["step"], line["C"]) for line in records(log)] == [(1, 1.0), (2, 1.0), (4, 20.0)]
    mean, rate = TERMS["distortion"].mean(), TERMS["rate"].sum(1).mean()
    assert records(log)[-1]["train"]["loss"] == pytest.approx(20 * mean + rate, rel=1e-12)
    assert records(log)[-1]["train"]["elbo"] == pytest.approx(-mean - rate, rel=1e-12)
    runs.change_knobs(path_of(log), C="fit")
    log.step(**TERMS)
    log._writer.tell(5, log._images_seen, 0, now=True)
    assert log.C == 20.0
    assert "cannot fit C" in runs.read_status(path_of(log)).message


def until(met: Callable[[], object]) -> None:
    limit = time.monotonic() + 120
    while not met():
        assert time.monotonic() < limit
        time.sleep(0.01)


def wait_for(log: Log, state: str, step: int) -> None:
    def so() -> bool:
        status = runs.read_status(path_of(log))
        return (status.state, status.step) == (state, step)

    until(so)


def loop(log: Log, taken: list[float]) -> None:
    while not log.stopped:
        taken.append(log.C)
        log.step(**TERMS)
        time.sleep(0.002)


def test_pause_single_step_turns_meanwhile_and_stop(log: Log) -> None:
    taken: list[float] = []
    runs.change_knobs(path_of(log), paused=True)
    thread = threading.Thread(target=loop, args=(log, taken))
    thread.start()
    wait_for(log, "paused", 1)
    runs.change_knobs(path_of(log), C=5.0)
    runs.change_knobs(path_of(log), single_step=True)
    wait_for(log, "paused", 2)
    runs.change_knobs(path_of(log), single_step=True)
    wait_for(log, "paused", 3)
    time.sleep(0.1)
    assert taken == [1.0, 5.0, 5.0]
    assert turned(log) == [(1, "C", 5.0), (2, "step", 1), (3, "step", 1)]
    assert [(line["step"], line["C"]) for line in records(log)] == [(1, 1.0), (2, 5.0), (3, 5.0)]
    runs.change_knobs(path_of(log), paused=False)
    until(lambda: len(taken) >= 30)
    runs.change_knobs(path_of(log), paused=True)
    until(lambda: (runs.read_status(path_of(log)).state, runs.read_status(path_of(log)).step > 3) == ("paused", True))
    held = len(taken)
    time.sleep(0.1)
    assert len(taken) == held
    runs.change_knobs(path_of(log), stop=True)  # also of a loop that waits
    thread.join(120)
    assert not thread.is_alive()
    log.close()
    assert runs.read_status(path_of(log)).state == "stopped"
    assert runs.read_status(path_of(log)).message == f"Stopped at step {len(taken)}."


def test_a_pause_ends_where_the_folder_is_gone(log: Log) -> None:
    taken: list[float] = []
    thread = threading.Thread(target=loop, args=(log, taken))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs.change_knobs(path_of(log), paused=True)
        thread.start()
        wait_for(log, "paused", 1)
        path_of(log).rename(path_of(log).with_name("elsewhere"))
        until(lambda: len(taken) >= 10)
        log._writer.knobs.stop = True
        thread.join(120)


def everything_of(log: Log, close: bool = False) -> None:
    for _ in range(2):
        log.step(**TERMS)
        log.test(**TERMS)
        log.pictures(IMAGES[:2], IMAGES[:2])
        log.step(**TERMS)
    if close:
        log.close()


def remove(path: Path) -> None:
    shutil.rmtree(path)


def folders_for_files(path: Path) -> None:
    shutil.rmtree(path / "preview", ignore_errors=True)
    for name in ("history.jsonl", "status.json", "knobs.json"):
        (path / name).unlink(missing_ok=True)
    for name in ("history.jsonl", "status.json", "knobs.json"):
        (path / name).mkdir()
    (path / "preview").write_text("no folder")


def garbage(path: Path) -> None:
    for name in ("config.json", "knobs.json", "manifest.json", "status.json"):
        (path / name).write_text("{" * 100)


@pytest.mark.parametrize("harm", [remove, folders_for_files, garbage])
@pytest.mark.parametrize("when", ["before the first step", "later"])
def test_harm_to_the_folder_is_one_warning_and_no_more(harm: Any, when: str) -> None:
    log = vae.log("harmed", images=IMAGES, likelihood="bernoulli", record_every=1)
    if when == "later":
        everything_of(log)
    harm(path_of(log))
    with pytest.warns(UserWarning, match="harmed.*your training goes on") as warned:
        everything_of(log, close=True)
    assert len(warned) == 1


def test_a_full_disk_is_one_warning(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    everything_of(log)
    monkeypatch.setattr(runs, "append_history", full)
    monkeypatch.setattr(runs, "write_status", full)
    with pytest.warns(UserWarning, match="No space left on device; your training goes on") as warned:
        everything_of(log, close=True)
    assert len(warned) == 1


def test_a_folder_that_cannot_be_written_is_one_warning(folder: Path) -> None:
    (folder / "file").write_text("no folder")
    with pytest.warns(UserWarning, match=r"vae.log: cannot create a run in .*; your training goes on") as warned:
        log = vae.log("nowhere", folder=folder / "file")
    everything_of(log, close=True)
    assert (log.path, log.C, log.stopped, len(warned)) == (None, 1.0, False, 1)


def test_warnings_that_are_errors_stop_nothing(log: Log) -> None:
    shutil.rmtree(path_of(log))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything_of(log)
        log.close()


def test_bad_values_in_later_steps_are_one_warning(log: Log) -> None:
    log.step(**TERMS)
    with pytest.warns(UserWarning, match="got a single number"):
        log.step(distortion=3.0, rate=TERMS["rate"])
    log.step(distortion=object(), rate="?")
    log.test(distortion=TERMS["distortion"][:3], rate=TERMS["rate"])
    log.step(distortion=TERMS["distortion"] * np.nan, rate=TERMS["rate"])
    log.step(**TERMS)
    assert [line["train"]["distortion"] for line in records(log)][-1] is None


@pytest.mark.parametrize("odd", [{"rate": np.ones((4, 2))}, {"rate": np.ones(4)}])
def test_a_batch_of_another_kind_is_left_out_and_the_rest_is_kept(folder: Path, odd: dict[str, Any]) -> None:
    terms = {"distortion": np.full(4, 40.0), "rate": np.ones((4, 3))}
    log = vae.log("odd", record_every=5)
    log.step(**terms)
    with pytest.warns(UserWarning, match="is left out"):
        log.step(**terms | odd)
    log.test(**terms)
    log.test(**terms | odd)
    for _ in range(9):
        log.step(**terms)
    log.close()
    assert runs.read_status(path_of(log)).step == records(log)[-1]["step"] == 10
    assert {len(line["train"]["rate_per_dim"]) for line in records(log)} == {3}
    assert [line["test"]["images"] for line in records(log) if line["test"]] == [4]


def test_the_first_step_is_refused_in_a_sentence(log: Log) -> None:
    with pytest.raises(ConfigError, match=r"a mean over 30 pixels: your C is 0\.0333, β = 30"):
        log.step(distortion=TERMS["distortion"].mean(), rate=TERMS["rate"])
    with pytest.raises(ConfigError, match=r"give it unreduced, as \(B, k\), or say vae.log\(..., latent_dim=k\)"):
        log.step(distortion=TERMS["distortion"], rate=TERMS["rate"].sum(1))
    log.step(**TERMS)


def test_a_rate_that_comes_summed_names_its_dimensions_once() -> None:
    with vae.log("summed", latent_dim=3) as log:
        log.step(distortion=TERMS["distortion"], rate=TERMS["rate"].sum(1))
    assert runs.load_run("summed").config.latent_dim == 3
    assert records(log)[0]["train"]["rate_per_dim"] is None
    assert records(log)[0]["train"]["rate"] == pytest.approx(TERMS["rate"].sum(1).mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": 3}, "name: expected a text"),
        ({"likelihood": "laplace"}, "likelihood: expected one of bernoulli, gaussian"),
        ({"likelihood": "gaussian", "images": None}, r"images: a gaussian's nats hold \(D/2\)"),
        ({"pixels": (1, 0)}, r"pixels: expected the lowest and the highest value, such as \(0, 1\), got \(1, 0\)"),
        ({"pixels": 255}, "pixels: expected the lowest and the highest"),
        ({"images": IMAGES * 2}, r"images: expected values from 0 to 1, got 0 to 2; say pixels=\(lowest, highest\)"),
        ({"images": IMAGES * np.nan}, "images: expected values from 0 to 1, got nan"),
        ({"images": IMAGES.reshape(12, 30)[:, :25]}, r"rows of square images: images.reshape\(-1, 5, 5\)"),
        ({"images": IMAGES.astype(int)}, "images: expected floats or uint8, got int64"),
        ({"labels": np.arange(11)}, r"labels: expected 12 whole numbers or words, got \(11,\)"),
        ({"images": None, "labels": np.arange(12)}, "labels: expected images= beside them"),
        ({"C": 0.0}, "C: expected a positive finite number"),
        ({"C": "fit"}, "C: expected the number that your loss has at the start, got 'fit'"),
        ({"latent_dim": 0}, "latent_dim: expected a whole number"),
        ({"steps": -1}, "steps: expected a whole number"),
        ({"record_every": 1.5}, "record_every: expected a whole number"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(folder: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        vae.log(**({"name": "x", "images": IMAGES} | given))
    assert list(folder.iterdir()) == []


def test_images_keep_the_values_that_the_model_sees() -> None:
    grey = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    with vae.log("range", images=grey, labels=["b", "a"], pixels=(-1, 1), likelihood="gaussian", C=3.5) as log:
        log.step(squared_error=TERMS["distortion"], rate=TERMS["rate"])
        log.pictures(grey, grey / 127.5 - 1)
    data = runs.load_run("range").data
    assert (data["shape"], data["support"], data["limits"], data["spread"]) == ([3, 4, 5], "real", [-1.0, 1.0], 2.0)
    assert data["classes"] == ["a", "b"]
    step, originals, others = unpack((path_of(log) / "preview/live.bin").read_bytes())
    assert step == 1
    assert np.array_equal(originals, grey)
    assert np.array_equal(others, grey)
    assert records(log)[0]["train"]["squared_error"] == pytest.approx(TERMS["distortion"].mean(), rel=1e-12)


def test_two_loops_of_one_name_are_two_runs() -> None:
    with vae.log("twin") as first, vae.log("twin") as second:
        assert (path_of(first).name, path_of(second).name) == ("twin", "twin-2")
        runs.change_knobs(path_of(second), C=2.0)
        for log in (first, second):
            log.step(**TERMS)
        assert (first.C, second.C) == (1.0, 2.0)


def test_an_error_in_the_loop_is_a_failed_run_and_stays_the_loops_error() -> None:
    log = vae.log("broken")
    log.step(**TERMS)
    with pytest.raises(ZeroDivisionError), log:
        1 / 0  # noqa: B018
    status = runs.read_status(path_of(log))
    assert status.state == "failed"
    assert status.message == "Your loop ended at step 1 with ZeroDivisionError: division by zero"
    log.step(**TERMS)  # after the end nothing happens
    log.close()
    assert runs.read_status(path_of(log)).step == 1


SCRIPT = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its jobs in the background ignore it
import sys, time, numpy as np, vae
log = vae.log("script")
terms = dict(distortion=np.ones(4), rate=np.ones((4, 2)))
log.step(**terms)
print("begun", flush=True)
{rest}
"""
REST = {
    "to its end": ("", "finished", ""),
    "an error": ("raise ValueError('no more')", "failed", "Your loop ended at step 1 with ValueError: no more"),
    "sys.exit": ("sys.exit(3)", "finished", ""),
    "Ctrl-C": ("time.sleep(60)", "stopped", "Stopped at step 1."),
    "killed": ("time.sleep(60)", "interrupted", "The training process ended unexpectedly at step 1."),
}


@pytest.mark.parametrize("how", REST)
def test_a_script_that_closes_nothing_says_how_it_ended(folder: Path, how: str) -> None:
    rest, state, message = REST[how]
    script = [sys.executable, "-c", SCRIPT.format(rest=rest)]
    process = subprocess.Popen(script, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    if how == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    if how == "killed":
        process.kill()
    process.communicate(timeout=120)
    status = runs.read_status(folder / "script")
    assert (status.state, status.message) == (state, message)


def test_neither_streamlit_nor_torch_nor_our_trainer_is_needed(folder: Path) -> None:
    script = SCRIPT.format(rest="print(*{'torch', 'streamlit', 'vae.training.trainer'} & set(sys.modules))")
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.stdout == "begun\n\n", done.stderr


def test_a_process_that_a_loader_forks_writes_nothing(log: Log) -> None:
    log.step(**TERMS)
    child = os.fork() if hasattr(os, "fork") else None
    if child == 0:
        log.step(**TERMS)
        log.close()
        os._exit(0)
    if child is not None:
        os.waitpid(child, 0)
    assert runs.read_status(path_of(log)).state == "running"
    assert runs.is_locked(path_of(log))


def test_what_only_our_trainer_can_do_is_refused_in_a_sentence(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    log.step(**TERMS)
    log.close()
    with pytest.raises(RunError, match="is of your own training loop or model: it goes on where that runs"):
        plan(path_of(log))
    for words in (["resume", "mine"], ["resume", "mine", "--epochs", "5"]):
        assert main(words) == 2
        assert capsys.readouterr().err.count("\n") == 1
    before = {file: file.read_bytes() for file in path_of(log).rglob("*") if file.is_file()}
    for words in (
        ["evaluate", "mine"],
        ["project", "mine"],
        ["pack", "mine"],
        ["train", "--config", str(path_of(log) / "config.json")],
    ):
        assert main(words) == 2, words
        assert capsys.readouterr().err.count("\n") == 1, words
    assert main(["list", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["runs"][0]
    assert (row["name"], row["state"], row["dataset"]) == ("mine", "finished", "your images")
    assert {file: file.read_bytes() for file in path_of(log).rglob("*") if file.is_file()} == before


def test_the_module_and_the_function_share_a_name() -> None:
    assert vae.log is module.log
