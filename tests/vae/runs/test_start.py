"""A start that is refused changes nothing: by whoever it was asked for, whatever stands in its way."""

from __future__ import annotations

import dataclasses
import json
import math
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import save

from tests.vae.engines.scripted_runs import REPOSITORY, assert_same_run, make_quick, new_run, saved_state, weights
from tests.vae.train_run import train_run
from vae import files, machine, runs
from vae.__main__ import main
from vae.datasets import load_dataset
from vae.engines import worker
from vae.engines.local import NO_ROOM_LEFT, LocalEngine
from vae.errors import ElboRoomError, RunError, RunUnwritable
from vae.files import DISK_FULL
from vae.runs import Status
from vae.runs.ship import pack_run
from vae.runs.start import REQUEST, Request, clear_leftovers, give_up, mark_waiting, plan, request_of, write_request
from vae.training import size
from vae.training.trainer import Trainer

WATCHED = ("config.json", "history.jsonl", runs.WEIGHTS, runs.STATE, "preview/live.bin")
MORE = Request(epochs=5)
Refuse = Callable[[Path, pytest.MonkeyPatch], Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = new_run(tmp_path_factory.mktemp("runs"), epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        assert train_run(path).state == "finished"
    return path


@pytest.fixture
def ended(trained: Path, tmp_path: Path) -> Path:
    path = Path(shutil.copytree(trained, tmp_path / "run"))
    status = runs.read_status(path)
    runs.write_status(path, dataclasses.replace(status, message="as it was"))
    return path


def end_of(path: Path) -> tuple[Any, ...]:
    status = runs.read_status(path)
    kept = [(path / name).read_bytes() for name in WATCHED if (path / name).is_file()]
    return status.state, status.step, status.epoch, status.total_steps, status.message, *kept


# ---- what stands in the way


def setting(**changes: Any) -> Refuse:
    def made_so(path: Path, _: pytest.MonkeyPatch) -> None:
        runs.replace_config(path, dataclasses.replace(runs.read_config(path)[0], **changes))

    return made_so


def full_disk(_: Path, patch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))


def little_memory(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(size, "memory", lambda device="cpu": 10_000)


def no_memory(_: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    patch.setattr(Trainer, "load_state", fail)


def cut(name: str) -> Refuse:
    def cut_off(path: Path, _: pytest.MonkeyPatch) -> None:
        (path / name).write_bytes((path / name).read_bytes()[:100])

    return cut_off


def unreadable_data(_: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    patch.setattr("vae.runs.run_data.load_dataset", fail)


def signed_state(key: str, value: float) -> Refuse:
    """A state that is the one that was signed, and holds a value that no training leaves."""

    def written(path: Path, _: pytest.MonkeyPatch) -> None:
        tensors, values = worker.unpack_state(runs.read_checked(path, runs.STATE), "run")
        tensors[key].reshape(-1)[0] = value
        runs.save_checked(path, {runs.STATE: save(tensors, {"values": json.dumps(values)})})

    return written


def history_is_a_folder(path: Path, _: pytest.MonkeyPatch) -> None:
    (path / "history.jsonl").unlink()
    (path / "history.jsonl").mkdir()


IN_THE_WAY: dict[str, tuple[Refuse, Request, str]] = {
    "device": (setting(), Request(5, "mps"), "device: 'mps' cannot be used here"),
    "fewer epochs": (setting(), Request(1), "epochs: run 'run' has 1; give more"),
    "data gone": (setting(dataset="/gone/away.npz"), MORE, "away.npz: expected a file there"),
    "no such data": (setting(dataset="nothing"), MORE, "dataset: expected one of"),
    "no such network": (setting(network="transformer"), MORE, "cannot be built by this version"),
    "no such estimator": (setting(estimator="guess"), MORE, "config.json, estimator: expected one of"),
    "other network": (setting(hidden=(7,)), MORE, "does not fit its config"),
    "disk": (full_disk, MORE, "1 MB of disk are free"),
    "memory": (little_memory, MORE, "memory: training needs about"),
    "memory while loading": (no_memory, MORE, "not enough memory here"),
    "state": (cut(runs.STATE), MORE, "is damaged"),
    "NaN in the state's weights": (signed_state("model.encoder.1.weight", math.nan), MORE, "weight' holds values that"),
    "infinite weights": (signed_state("model.decoder.0.bias", math.inf), MORE, "'model.decoder.0.bias' holds values"),
    "NaN in its sums": (signed_state("sums", math.nan), MORE, "'sums' holds values that are not finite numbers"),
    "history": (cut("history.jsonl"), MORE, "is cut off"),
    "history is a folder": (history_is_a_folder, MORE, "got a folder"),
    "unreadable data": (unreadable_data, MORE, "Input/output error"),
}


def folder(name: str) -> Refuse:
    def made(path: Path, _: pytest.MonkeyPatch) -> None:
        (path / name).unlink(missing_ok=True)
        (path / name).mkdir()

    return made


def file_for_folder(name: str) -> Refuse:
    def made(path: Path, _: pytest.MonkeyPatch) -> None:
        shutil.rmtree(path / name)
        (path / name).write_bytes(b"x")

    return made


PLACES: dict[str, tuple[Refuse, str]] = {
    **{
        name: (folder(name), f"{name}: expected a file, got a folder; move it out of the run's folder, then continue")
        for name in (REQUEST, "manifest.json", runs.WEIGHTS, runs.STATE, "resume/replay.json", "preview/live.bin",
                     "history.jsonl", "knobs.json", "knobs.json.lock")
    },
    **{name: (file_for_folder(name), f"{name}: expected a folder, got a file") for name in ("resume", "preview")},
}  # fmt: skip


def everything(path: Path) -> dict[str, bytes | None]:
    return {
        str(one.relative_to(path)): one.read_bytes() if one.is_file() else None
        for one in sorted(path.rglob("*"))
        if one.name not in ("lock", "knobs.json.lock", "status.json", "log.txt")
    }


@pytest.mark.parametrize("how", ["command", "worker", "engine"])
@pytest.mark.parametrize("case", PLACES)
def test_what_lies_where_a_file_is_to_be_written_is_told_before_the_first_change(
    case: str, how: str, ended: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse, sentence = PLACES[case]
    if case == "manifest.json":
        sentence = "expected a file, got a folder"
    if "knobs" not in case:
        runs.change_knobs(ended, stop=True)
    refuse(ended, monkeypatch)
    status, before = (ended / "status.json").read_bytes(), everything(ended)
    if how == "command":
        assert main(["resume", str(ended), "--epochs", "5"]) == 2
        told = capsys.readouterr().err
    elif how == "engine":
        with engine() as local, pytest.raises(RunError) as error:
            local.submit(ended, request=MORE)
        told = str(error.value)
    else:
        told = train_run(ended, request=MORE).refused
        assert (runs.read_status(ended).state, runs.read_status(ended).message) == ("finished", "as it was")
        status = (ended / "status.json").read_bytes()
    assert sentence in told or (how == "worker" and f"{case} cannot be" in told)
    assert (everything(ended), (ended / "status.json").read_bytes()) == (before, status)


def test_a_folder_that_cannot_be_written_is_told_before_the_first_change(
    ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda folder, mode: Path(folder).name != "resume")
    before = everything(ended)
    assert "cannot be written (resume: Permission denied)" in train_run(ended, request=MORE).refused
    assert everything(ended) == before


@pytest.mark.parametrize("name", ["preview", "resume"])
def test_a_run_is_packed_only_where_it_can_be_written(name: str, ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_for_folder(name)(ended, monkeypatch)
    before = everything(ended)
    with pytest.raises(RunError, match=f"{name}: expected a folder, got a file"):
        pack_run(ended)
    assert everything(ended) == before


# ---- knobs


@pytest.mark.parametrize("how", ["command", "worker", "engine"])
def test_a_refusal_by_the_process_that_trains_leaves_the_run_and_its_knobs(
    how: str, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.change_knobs(ended, C=3.0, stop=True, paused=True)
    (ended / runs.STATE).write_bytes(b"damaged")  # seen by the process alone
    before, end = everything(ended), end_of(ended)
    if how == "command":
        monkeypatch.setattr("signal.signal", lambda *_: None)
        assert main(["resume", str(ended), "--epochs", "5"]) == 2
    elif how == "worker":
        train_run(ended, request=MORE)
    else:
        with engine() as local:
            with local._changed:  # it starts nothing meanwhile
                local.submit(ended, request=MORE)
                assert not runs.read_knobs(ended).stop  # from now on a stop is one of the training to come
                assert runs.read_status(ended).state in runs.ACTIVE
            assert local.wait(180)
    assert "is damaged" in runs.read_status(ended).refused
    assert (everything(ended), end_of(ended)) == (before, end)
    assert runs.read_status(ended).ended_knobs is None
    assert not (ended / REQUEST).exists()


def test_knobs_that_somebody_turned_while_it_waited_stay(ended: Path) -> None:
    runs.change_knobs(ended, stop=True)
    status = mark_waiting(ended, runs.read_status(ended), "queued")
    assert status.ended_knobs == {"revision": 2, "stop": True, "paused": False}
    runs.change_knobs(ended, C=3.0)
    give_up(ended, "failed", "why")
    assert (runs.read_knobs(ended).C, runs.read_knobs(ended).revision) == (3.0, 3)


def test_a_run_that_was_stopped_and_paused_goes_on(ended: Path) -> None:
    runs.change_knobs(ended, stop=True, paused=True)
    assert train_run(ended, request=Request(epochs=2)).state == "finished"
    knobs = runs.read_knobs(ended)
    assert (knobs.stop, knobs.paused, runs.read_status(ended).ended_knobs) == (False, False, None)


@pytest.mark.parametrize("waits", ["queued", "resting"])
def test_what_a_killed_server_left_waiting_goes_on_or_is_as_it_was_interrupted(waits: str, ended: Path) -> None:
    runs.change_knobs(ended, paused=True)
    runs.write_status(ended, dataclasses.replace(runs.read_status(ended), state=waits))
    refused = train_run(ended, request=Request(epochs=1))
    assert (refused.state, refused.step) == ("interrupted", 23)
    assert "give more" in refused.refused
    assert runs.read_knobs(ended).paused
    assert train_run(ended, request=Request(epochs=2)).state == "finished"


def test_an_asking_that_cannot_be_written_leaves_nothing(ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    runs.change_knobs(ended, stop=True)
    before = everything(ended)
    monkeypatch.setattr(runs, "write_status", full)
    with engine() as local, pytest.raises(RunError, match="make room, then continue"):
        local.submit(ended, request=MORE)
    assert everything(ended) == before


@pytest.mark.parametrize("case", IN_THE_WAY)
def test_a_refused_continuation_leaves_the_run_as_it_ended(
    case: str, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse, request, sentence = IN_THE_WAY[case]
    refuse(ended, monkeypatch)
    before = end_of(ended)
    status = train_run(ended, request=request)
    assert sentence in status.refused
    assert end_of(ended) == before
    assert (status.state, status.ended_as, status.pid) == ("finished", "", None)
    assert not runs.is_locked(ended)


def test_what_was_refused_goes_on_once_nothing_stands_in_the_way(
    ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        full_disk(ended, patch)
        train_run(ended, request=Request(epochs=2))
    status = train_run(ended, request=Request(epochs=2))
    assert (status.state, status.refused, status.message) == ("finished", "", "")
    assert runs.read_config(ended)[0].epochs == 2
    straight = new_run(tmp_path, "straight", epochs=2)
    train_run(straight)
    assert weights(ended) == weights(straight)


def test_a_new_run_that_is_refused_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_run(tmp_path)
    full_disk(path, monkeypatch)
    status = train_run(path)
    assert (status.state, status.refused) == ("failed", "")
    assert "1 MB of disk are free" in status.message


def test_several_that_share_a_step_are_refused_one_by_one(
    ended: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copytree(ended, tmp_path / "other"))
    setting(dataset="/gone/away.npz")(other, monkeypatch)
    before = end_of(other)
    one, two = worker.train_runs([ended, other], request=Request(epochs=2))
    assert (one.state, one.total_steps) == ("finished", 45)
    assert "away.npz" in two.refused
    assert end_of(other) == before


# ---- through the engine


def engine(**options: Any) -> LocalEngine:
    return LocalEngine(1, spare=False, **{"start_limit": 180.0, "heartbeat_limit": 180.0, **options})


def test_a_run_that_is_taken_out_of_the_queue_is_again_as_it_ended(ended: Path, tmp_path: Path) -> None:
    blocker, before = new_run(tmp_path, "blocker"), end_of(ended)
    with engine(command=[sys.executable, "-c", "import time; time.sleep(600)"], close_limit=0.2) as local:
        local.submit(blocker)
        local.submit(ended, request=MORE)
        assert request_of(ended) == MORE
        assert runs.read_status(ended).state == "queued"
        local.stop(ended)
        assert end_of(ended) == before
        assert "before its turn" in runs.read_status(ended).refused
        assert not (ended / REQUEST).exists()
        local.submit(ended, request=MORE)
    assert end_of(ended) == before  # the server ended


def test_a_request_is_carried_out_by_the_process_that_trains(ended: Path) -> None:
    with engine() as local:
        with local._changed:  # it starts nothing meanwhile
            local.submit(ended, request=Request(epochs=2, device="cpu"))
            assert runs.read_config(ended)[0].epochs == 1
        assert local.wait(180)
    config, _ = runs.read_config(ended)
    assert (config.epochs, config.device) == (2, "cpu")
    assert runs.read_status(ended).state == "finished"
    assert not (ended / REQUEST).exists()


@pytest.mark.parametrize("text", ["[", "{}x", '{"epochs": "5"}', '{"epochs": 1e999}', '{"flux": 1}', "[" * 9000])
def test_a_request_of_rubbish_is_a_refusal(text: str, ended: Path) -> None:
    (ended / REQUEST).write_text(text)
    before = end_of(ended)
    status = train_run(ended)
    assert REQUEST in status.refused
    assert end_of(ended) == before


# ---- a full disk


def test_a_process_that_cannot_write_how_it_ended_says_so_by_its_exit_status(tmp_path: Path) -> None:
    path = new_run(tmp_path)
    none = (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1])  # as a disk without a byte to spare
    done = subprocess.run(
        [sys.executable, "-m", "vae.engines.worker", str(path)], cwd=REPOSITORY, input=b"",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, none),
    )  # fmt: skip
    assert done.returncode == DISK_FULL


def test_a_status_that_the_disk_does_not_take_is_an_error_with_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write, ends = new_run(tmp_path), runs.write_status, []

    def full(path: Path, status: Status) -> None:
        if ends or status.step >= 5:
            ends.append(status.step)
            raise OSError(28, "No space left on device")
        write(path, status)

    monkeypatch.setattr(runs, "write_status", full)
    monkeypatch.setattr(worker, "STATUS_EVERY", 0.0)
    with pytest.raises(RunUnwritable, match="make room, then continue") as error:
        train_run(path)
    assert files.is_full(error.value.cause)
    assert not runs.is_locked(path)


EXITS = {
    "said": f"import sys; sys.exit({DISK_FULL})",
    "silent": "import os, signal; os.kill(os.getpid(), signal.SIGBUS)",
}


@pytest.mark.parametrize("how", EXITS)
def test_the_engine_knows_of_a_full_disk_what_the_run_cannot_say(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new_run(tmp_path)
    if how == "silent":
        full_disk(path, monkeypatch)
        monkeypatch.setattr("vae.engines.local.NO_ROOM", 2_000_000)
    with engine(command=[sys.executable, "-c", EXITS[how]]) as local:
        local.submit(path)
        with monkeypatch.context() as patch:
            patch.setattr("vae.engines.local.end_unheld", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
            assert local.wait(180)
        assert local.state(path).problem == NO_ROOM_LEFT
        assert local.state(tmp_path).problem == ""
        local._workers.command = (sys.executable, "-c", "import time; time.sleep(600)")
        local.submit(path)
        assert local.state(path).problem == ""  # it is tried again
        local.stop(path)
    assert runs.read_status(path).state in ("stopped", "interrupted")


@pytest.mark.parametrize(
    ("number", "advice"),
    [(28, "make room"), (27, "make room"), (30, "make the folder writable"), (13, "make the folder writable"),
     (21, "move history.jsonl away"), (5, "see to its folder")],
)  # fmt: skip
def test_what_helps_depends_on_what_is_wrong(
    number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, append = new_run(tmp_path), runs.append_history

    def fail(path: Path, line: dict[str, Any]) -> None:
        if line["step"] >= 10:
            raise OSError(number, "what the system says", str(path / "history.jsonl"))
        append(path, line)

    monkeypatch.setattr(runs, "append_history", fail)
    status = train_run(path)
    assert status.state == "failed"
    assert f"(what the system says). The last checkpoint is whole: {advice}" in status.message


# ---- leftovers, and other machines


def test_what_killed_saves_left_goes_and_nothing_else(ended: Path) -> None:
    left = [".status.json.0123abcd.tmp", "resume/.state.safetensors.00000000.tmp", "preview/.live.bin.ffffffff.tmp"]
    left += [".knobs.json.0123abcd.tmp", ".owner.json.0123abcd.tmp", "preview/.heldout.npz.0123abcd.tmp"]
    left += [f"projections/pca-1/.{name}.0123abcd.tmp" for name in ("final.npz", "frame.bin", "codes.npy")]
    kept = [
        "projections/pca-2/.final.npz.0123abcd.tmp",
        "projections/pca-1/.mine.0123abcd.tmp",
        "mine.tmp",
        ".status.json.tmp",
        ".notes.0123abcd.tmp",
    ]
    for name in left + kept:
        (ended / name).parent.mkdir(parents=True, exist_ok=True)
        (ended / name).write_bytes(b"x")
    lock = runs.acquire(ended)
    with pytest.raises(ElboRoomError):
        train_run(ended)  # another process's run
    lock.release()
    assert all((ended / name).exists() for name in left)
    fitting = runs.acquire(ended / "projections/pca-2")
    train_run(ended, request=Request(epochs=2))
    fitting.release()
    assert not any((ended / name).exists() for name in left)
    assert all((ended / name).exists() for name in kept)
    shutil.rmtree(ended / "preview")
    clear_leftovers(ended)
    changing, left_now = FileLock(str(ended / "knobs.json.lock")), ended / ".knobs.json.0123abcd.tmp"
    left_now.write_bytes(b"x")
    with changing:  # it may be the file of this change
        clear_leftovers(ended)
        assert left_now.exists()
    clear_leftovers(ended)
    assert {path.name for path in ended.rglob("*.tmp")} == {Path(name).name for name in kept if "pca-2" not in name}


def test_the_history_says_on_what_it_was_made(ended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def began() -> list[tuple[Any, ...]]:
        lines = [line for line in runs.read_history(ended) if line.get("event") == "started"]
        return [(line["step"], line["device"], line["precision"], line["threads"]) for line in lines]

    assert began() == [(0, "cpu", "float32", 1)]
    train_run(ended, request=Request(epochs=2))
    assert began() == [(0, "cpu", "float32", 1)]  # the same: nothing to say
    monkeypatch.setattr(machine, "most_threads", lambda: 2)
    setting(threads=4, precision="tf32", device="mps")(ended, monkeypatch)
    start = plan(ended, Request(epochs=3))
    assert start.note.startswith("Continues on cpu in float32, 2 threads, not bit for bit: mps is not here")
    assert train_run(ended, request=Request(epochs=3)).state == "finished"
    assert began() == [(0, "cpu", "float32", 1), (45, "cpu", "float32", 2)]
    torch.set_num_threads(1)


def test_a_state_of_another_kind_of_device_goes_on_with_other_noise(ended: Path) -> None:
    config, _ = runs.read_config(ended)
    tensors, values = worker.unpack_state(runs.read_checked(ended, runs.STATE), "run")
    foreign = {**tensors, "noise": torch.zeros(16, dtype=torch.uint8)}  # what a CUDA generator's state is
    trainer = Trainer(dataclasses.replace(config, epochs=2), load_dataset("digits"))
    trainer.load_state(foreign, values)
    assert trainer.step == values["step"]
    assert sum(1 for _ in trainer.run()) > 20
    assert saved_state(ended).keys() == tensors.keys()


def test_nothing_asked_leaves_no_request(ended: Path, tmp_path: Path) -> None:
    for nothing in (None, Request()):
        write_request(ended, MORE)
        assert request_of(ended) == MORE
        write_request(ended, nothing)
        assert not (ended / REQUEST).exists()
    copy = Path(shutil.copytree(ended, tmp_path / "copy"))
    assert_same_run(ended, copy)
