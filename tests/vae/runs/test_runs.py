"""Run directories: what survives a crash, a full disk, damage and hostile names."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from tests.vae.engines.scripted_runs import largest_file
from vae import Config, files, load_run, runs
from vae.errors import ConfigError, ElboRoomError, RunBusy, RunDamaged
from vae.model.vae import build_model
from vae.runs import checkpoints

CONFIG = Config(likelihood="gaussian", C=2.0, binarize="none", hidden=(5,), latent_dim=2, epochs=1, batch_size=16)
DATA = {"name": "small", "shape": [1, 3, 4], "support": "unit", "scale": 16, "train": 50, "test": 20, "classes": None}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with weights."""
    path = runs.create_run(CONFIG, DATA, name="run", root=tmp_path)
    runs.write_status(path, runs.Status(state="finished"))
    runs.save_checked(path, {runs.WEIGHTS: save(build_model(CONFIG, (1, 3, 4)).state_dict())})
    return path


def temporary_files(path: Path) -> list[Path]:
    return list(path.rglob("*.tmp"))


# files


def test_an_atomic_write_replaces_the_whole_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write_atomically(path, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
            with pytest.raises(OSError, match="No space left"):
                files.write_atomically(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]
    files.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_json_that_no_other_program_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "file", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_full_disk_during_a_save_leaves_the_old_checkpoint_and_no_rubbish(run: Path) -> None:
    old = runs.read_checked(run, runs.WEIGHTS)
    with largest_file(5000), pytest.raises(OSError, match="large"):
        runs.save_checked(run, {runs.WEIGHTS: bytes(100_000)})
    assert runs.read_checked(run, runs.WEIGHTS) == old
    assert temporary_files(run) == []
    load_run(run).model  # noqa: B018  it opens


# saves that are cut short


class Killed(BaseException):
    """As if the process ended there."""


@contextlib.contextmanager
def killed_at(operation: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Counted are the moments before a file is written, half way through it, and before it takes its place."""
    count = 0

    def perhaps(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == operation:
            raise Killed

    with monkeypatch.context() as patch:
        write, replace = files.write_atomically, os.replace
        patch.setattr(checkpoints, "write_atomically", lambda *a, **k: (perhaps(), write(*a, **k)))
        patch.setattr(files, "write_atomically", lambda *a, **k: (perhaps(), write(*a, **k)))
        patch.setattr(files.os, "replace", lambda *a: (perhaps(), replace(*a)))
        patch.setattr(files.os, "fsync", perhaps)  # and no wait for the disk
        try:
            yield
        except Killed:
            return
    assert count < operation, "nothing was killed"


def payload(version: int) -> dict[str, bytes]:
    return {"weights.safetensors": f"weights {version}".encode(), "resume/state.safetensors": f"{version}".encode() * 9}


def test_a_save_cut_short_anywhere_leaves_every_file_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for operation in range(1, 13):  # four files, three moments each
        path = tmp_path / str(operation)
        path.mkdir()
        runs.save_checked(path, payload(0))
        with killed_at(operation, monkeypatch):
            runs.save_checked(path, payload(1))
        for name in payload(0):
            assert runs.read_checked(path, name) in (payload(0)[name], payload(1)[name])
    with killed_at(13, monkeypatch):
        runs.save_checked(path, payload(2))
    assert runs.read_checked(path, "weights.safetensors") == b"weights 2"


def test_so_does_a_save_cut_short_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first in range(1, 13):
        for second in range(1, 13):
            path = tmp_path / f"{first}-{second}"
            path.mkdir()
            runs.save_checked(path, payload(0))
            for version, operation in ((1, first), (2, second)):
                with killed_at(operation, monkeypatch):
                    runs.save_checked(path, payload(version))
            for name in payload(0):
                assert runs.read_checked(path, name) in [payload(version)[name] for version in range(3)]
    runs.save_checked(path, payload(3))
    manifest = json.loads((path / "manifest.json").read_text())
    assert all(len(sums) == 1 for sums in manifest["files"].values())  # a whole save leaves no doubt
    assert runs.content_hash(path, "weights.safetensors") == files.sha256(b"weights 3")


def test_twelve_kills_during_saves_corrupt_nothing(run: Path) -> None:
    script = (
        "import sys, pathlib; from vae import runs; path = pathlib.Path(sys.argv[1]); n = 0\n"
        "while True:\n"
        "    n += 1; runs.save_checked(path, {runs.WEIGHTS: bytes([n % 256]) * 400_000}); print(n, flush=True)\n"
    )
    for kill in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(run)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.Random(kill).uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        assert len(set(runs.read_checked(run, runs.WEIGHTS))) == 1  # whole, and of one save


def test_a_reader_meets_no_damage_while_saves_go_on(run: Path) -> None:
    done = threading.Event()

    def write() -> None:
        for n in range(150):
            runs.save_checked(run, {runs.WEIGHTS: bytes([n]) * 100_000})
            time.sleep(0.002)
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not done.is_set() and not writing.done():
            runs.read_checked(run, runs.WEIGHTS)
        writing.result()


# damage


def test_a_truncated_checkpoint_is_damaged(run: Path) -> None:
    whole = (run / runs.WEIGHTS).read_bytes()
    for length in [round(i * (len(whole) - 1) / 19) for i in range(20)]:
        (run / runs.WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(RunDamaged, match=r"'run'.*weights\.safetensors is damaged"):
            load_run(run).model  # noqa: B018


def test_one_flipped_byte_is_noticed_anywhere(run: Path) -> None:
    whole = (run / runs.WEIGHTS).read_bytes()
    for place in random.Random(0).sample(range(len(whole)), 200):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        (run / runs.WEIGHTS).write_bytes(flipped)
        with pytest.raises(RunDamaged, match="damaged"):
            runs.read_checked(run, runs.WEIGHTS)


class Exploding:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(os.environ["EXPLODED"]),)


def test_a_pickle_is_refused_and_its_code_not_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLODED", str(tmp_path / "exploded"))
    torch.save(Exploding(), tmp_path / "torch.pt")
    for bomb in (pickle.dumps(Exploding()), (tmp_path / "torch.pt").read_bytes()):
        runs.save_checked(run, {runs.WEIGHTS: bomb})  # with a manifest that vouches for it
        with pytest.raises(RunDamaged, match="no safetensors file"):
            load_run(run).model  # noqa: B018
    assert not (tmp_path / "exploded").exists()
    pickle.loads(bomb if bomb[:1] == b"\x80" else pickle.dumps(Exploding()))
    assert (tmp_path / "exploded").exists()  # it would have


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda w: w.pop("encoder.1.bias"), r"lacks 'encoder\.1\.bias'"),
        (lambda w: w.update(extra=torch.zeros(1)), "has unexpected 'extra'"),
        (lambda w: w.update({"decoder.0.weight": torch.zeros(2, 5)}), r"'decoder\.0.*shape \(5, 2\), got \(2, 5\)"),
        (lambda w: w["decoder.2.bias"][3].fill_(torch.nan), r"'decoder\.2\.bias' holds values that are not finite"),
        (lambda w: w["likelihood.log_C"].fill_(torch.inf), r"'likelihood\.log_C' holds values"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused_by_name(run: Path, change: Any, sentence: str) -> None:
    weights = load(runs.read_checked(run, runs.WEIGHTS))
    change(weights)
    runs.save_checked(run, {runs.WEIGHTS: save(weights)})
    with pytest.raises(RunDamaged, match=sentence):
        load_run(run).model  # noqa: B018


def change_config(path: Path, **settings: Any) -> None:
    content = json.loads((path / "config.json").read_text())
    content["config"].update(settings)
    runs.save_checked(path, {"config.json": json.dumps(content).encode()})


@pytest.mark.parametrize(
    "setting", [{"network": "transformer"}, {"latent": "x"}, {"activation": "gelu"}, {"likelihood": None}]
)
def test_another_architecture_is_listed_and_said_so(run: Path, setting: dict[str, Any]) -> None:
    change_config(run, **setting)
    assert runs.list_runs(run.parent) == [run]
    with pytest.raises(RunDamaged, match="cannot be built by this version"):
        load_run(run).model  # noqa: B018


def test_a_newer_format_is_listed_and_said_so(run: Path) -> None:
    content = json.loads((run / "config.json").read_text()) | {"format": runs.FORMAT + 1}
    (run / "config.json").write_text(json.dumps(content))
    assert runs.list_runs(run.parent) == [run]
    with pytest.raises(RunDamaged, match=r"newer version \(format 2, here 1\); update"):
        load_run(run)


def test_a_setting_of_a_later_version_is_named(run: Path) -> None:
    change_config(run, flux=1.21)
    with pytest.raises(RunDamaged, match="unknown setting 'flux'"):
        load_run(run)


RUBBISH = [b"", b"{", b"[]", b"null", b"3", b'"x"', b"{}", b"\xff\xfe", b'{"format": "x"}',
           b'{"files": 3, "step": "x"}', b'{"format": 1, "config": [], "data": 3}',
           b'{"state": 5, "pid": [], "step": null}', b'{"pace": "x", "C": "y"}',
           b'{"files": {"weights.safetensors": 5}}']  # fmt: skip


@pytest.mark.parametrize("name", ["config.json", "status.json", "knobs.json", "manifest.json", "history.jsonl"])
@pytest.mark.parametrize("content", RUBBISH, ids=[c[:20].decode(errors="replace") for c in RUBBISH])
def test_rubbish_in_any_file_is_an_error_that_is_meant_for_people(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    looks = [
        lambda: load_run(run).model,
        lambda: runs.read_status(run),
        lambda: runs.read_knobs(run),
        lambda: runs.read_history(run),
        lambda: runs.content_hash(run, runs.WEIGHTS),
        lambda: runs.list_runs(run.parent),
        lambda: load_run(run).history,
    ]
    for look in looks:
        with contextlib.suppress(ElboRoomError):
            look()


# history


def test_a_torn_last_line_is_skipped(run: Path) -> None:
    for step in (1, 2, 3):
        runs.append_history(run, {"step": step, "C": 2.0})
    whole = (run / "history.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    for length in range(len(whole)):
        (run / "history.jsonl").write_bytes(whole[:length])
        lines = runs.read_history(run)
        complete = sum(end - 1 <= length for end in ends)  # the last newline may be missing
        assert [line["step"] for line in lines] == [1, 2, 3][:complete]


def test_an_append_that_finds_no_room_says_so(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        runs.append_history(tmp_path, {"step": 1})


def test_history_is_split_where_a_state_was_saved(run: Path) -> None:
    runs.append_history(run, {"step": 1})
    size = runs.history_size(run)
    runs.append_history(run, {"step": 2})
    assert runs.split_history(run, size) == ([{"step": 1}], [{"step": 2}])
    before = (run / "history.jsonl").stat().st_ino
    runs.truncate_history(run, size)
    assert runs.read_history(run) == [{"step": 1}]
    assert (run / "history.jsonl").stat().st_ino != before  # how a reader notices
    with pytest.raises(RunDamaged, match=r"cut off \(11 of 500 bytes\)"):
        runs.split_history(run, 500)


# status and lock


def test_a_dead_worker_is_interrupted_whoever_has_its_process_id_now(run: Path) -> None:
    for state in ("starting", "running", "paused", "saving"):
        runs.write_status(run, runs.Status(state=state, step=1234, pid=os.getpid()))  # a living process, but another
        status = runs.read_status(run)
        assert status.state == "interrupted"
        assert "step 1,234" in status.message
        lock = runs.acquire(run)
        assert runs.read_status(run).state == state
        lock.release()
    runs.write_status(run, runs.Status(state="queued"))
    assert runs.read_status(run).state == "queued"


def test_the_second_trainer_of_a_run_is_refused(run: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, pathlib; from vae import runs\n"
         "lock = runs.acquire(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()", str(run)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert runs.is_locked(run)
        with pytest.raises(RunBusy, match="trained by another process"):
            runs.acquire(run)
        holder.kill()
    assert not runs.is_locked(run)  # the system frees it, however its holder dies
    runs.acquire(run).release()


def test_looking_at_the_lock_does_not_take_it(run: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(lambda: [runs.is_locked(run) for _ in range(200)]) for _ in range(3)]
        for _ in range(20):
            runs.acquire(run).release()
        for look in looks:
            look.result()


# knobs


def test_no_change_of_a_knob_is_lost_between_writers(run: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: runs.change_knobs(run, single_step=True), range(60)))
    knobs = runs.read_knobs(run)
    assert (knobs.steps_requested, knobs.revision) == (60, 60)
    assert runs.change_knobs(run, C=3.5, paused=True).revision == 61
    knobs = runs.read_knobs(run)
    assert (knobs.C, knobs.paused, knobs.steps_requested) == (3.5, True, 60)


@pytest.mark.parametrize(
    ("knob", "values"),
    [("C", [0.0, math.inf, math.nan, -1, "x"]), ("part", ["neither"]), ("lr_factor", [0]), ("pace", [0.0, math.inf])],
)
def test_an_impossible_knob_is_refused_and_changes_nothing(run: Path, knob: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=f"^{knob}: "):
            runs.change_knobs(run, **{knob: value})
    assert runs.read_knobs(run).revision == 0
