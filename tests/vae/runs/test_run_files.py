"""What each file of a run may hold, and that config and held-out images cannot change unnoticed."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.vae.runs.test_runs import CONFIG, DATA, killed_at
from vae import Knobs, runs
from vae.checked_json import Misfit
from vae.errors import RunDamaged, RunError
from vae.runs import history, knobs, status
from vae.runs.checked_arrays import read_array, read_arrays
from vae.runs.ship import HELD_OUT, held_out

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return runs.create_run(CONFIG, DATA, name="run", root=tmp_path)


def without_sum(path: Path, name: str) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["files"][name]
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_every_flipped_bit_of_a_config_is_noticed(run: Path) -> None:
    whole = (run / "config.json").read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << random.Random(place).randrange(8)
        (run / "config.json").write_bytes(flipped)
        with pytest.raises(RunDamaged, match="'run'"):
            runs.read_config(run)
    (run / "config.json").write_bytes(whole.replace(b'"epochs": 1,', b'"epochs": 7,'))
    with pytest.raises(RunDamaged, match=r"config\.json is damaged \(its SHA-256 is not in manifest\.json\)"):
        runs.read_config(run)
    assert runs.list_runs(run.parent) == [run]


def test_a_config_that_was_read_before_is_as_it_is_now(run: Path) -> None:
    runs.read_config(run)[1]["shape"][0] = 99  # somebody's own copy
    assert runs.read_config(run) == (CONFIG, DATA)
    file = run / "config.json"
    before, written = file.stat(), file.read_bytes()
    without_sum(run, "config.json")  # so that a change on purpose is taken
    for replaced in (False, True):
        for epochs in (7, 8):
            if replaced:
                file.unlink()
            file.write_bytes(written.replace(b'"epochs": 1,', b'"epochs": %d,' % epochs))
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert file.stat().st_size == before.st_size
            assert runs.read_config(run)[0] == dataclasses.replace(CONFIG, epochs=epochs)
    file.unlink()
    with pytest.raises(RunError, match=r"no config\.json"):
        runs.read_config(run)


def test_a_run_of_an_older_version_has_no_sums_and_opens(run: Path) -> None:
    without_sum(run, "config.json")
    assert runs.read_config(run)[0] == CONFIG
    (run / "manifest.json").unlink()
    assert runs.read_config(run)[0] == CONFIG
    runs.replace_config(run, dataclasses.replace(CONFIG, epochs=9))
    assert "config.json" in json.loads((run / "manifest.json").read_text())["files"]


def test_a_new_run_cut_short_anywhere_is_whole_or_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for operation in range(1, 13):
        root = tmp_path / str(operation)
        with killed_at(operation, monkeypatch):
            runs.create_run(CONFIG, DATA, name="run", root=root)
        for path in runs.list_runs(root):
            assert runs.read_config(path) == (CONFIG, DATA)
        made.append(len(runs.list_runs(root)))
    assert made[0] == 0
    assert made[-1] == 1


def test_training_on_cut_short_anywhere_leaves_the_old_config_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = set()
    for operation in range(1, 10):  # manifest, config, manifest: three moments each
        path = runs.create_run(CONFIG, DATA, name=f"run-{operation}", root=tmp_path)
        with killed_at(operation, monkeypatch):
            runs.replace_config(path, dataclasses.replace(CONFIG, epochs=5))
        epochs.add(runs.read_config(path)[0].epochs)
        runs.save_checked(path, {runs.WEIGHTS: b"later"})
        assert runs.read_config(path)[0].epochs in (1, 5)
    assert epochs == {1, 5}


def test_the_shipped_runs_carry_the_sums_of_all_that_never_changes() -> None:
    for path in sorted(DEMOS.glob("demo-*")):
        files = json.loads((path / "manifest.json").read_text())["files"]
        assert {runs.WEIGHTS, "config.json", HELD_OUT} <= files.keys(), path.name
        runs.read_config(path)
        assert len(held_out(path).images) > 300
        assert runs.history_fault(path) == ""


def test_every_field_of_status_and_knobs_is_declared(run: Path) -> None:
    for cls, check, file in ((runs.Status, status.STATUS, "status.json"), (Knobs, knobs.KNOBS, "knobs.json")):
        for field in dataclasses.fields(cls):
            with pytest.raises(Misfit, match=f"^{field.name}"):
                check({field.name: [[]]})
        written = json.loads((run / file).read_text())
        assert check(written) == written


def test_a_line_that_is_none_of_a_history_is_left_out_and_told(run: Path) -> None:
    for step in (1, 2):
        runs.append_history(run, {"step": step, "train": {"elbo": -1.0, "rate": None}, "test": None})
    assert runs.history_fault(run) == ""
    runs.append_history(run, {"step": 3, "train": None, "test": {"rate": "abc"}})
    runs.append_history(run, {"step": 4, "knob": "__dict__", "value": 1})
    runs.append_history(run, {"step": 5, "knob": "C", "value": "fit"})
    with open(run / "history.jsonl", "ab") as file:
        file.write(b'{"step": 6, "tr')  # torn: not told
    assert [line["step"] for line in runs.read_history(run)] == [1, 2, 5]
    assert "line 3, test.rate: expected a finite number, got 'abc', and 1 more" in runs.history_fault(run)
    for value in ("![x](http://127.0.0.1:9977/k)", [], None, 0, 1e31):
        with pytest.raises(Misfit, match=r"^value: expected"):
            history.check_change({"step": 9, "knob": "C", "value": value})


def test_held_out_images_that_are_flipped_or_cut_are_damaged(tmp_path: Path) -> None:
    path = Path(shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "run"))
    expected = held_out(path)
    whole = (path / HELD_OUT).read_bytes()
    draw = random.Random(1)
    for signed in (True, False):
        if not signed:
            without_sum(path, HELD_OUT)
        for place in draw.sample(range(len(whole)), 100):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << place % 8
            (path / HELD_OUT).write_bytes(flipped)
            if signed:
                with pytest.raises(RunDamaged, match=r"heldout\.npz is damaged"):
                    held_out(path)
                continue
            with contextlib.suppress(RunDamaged):  # the archive's own checksums find what matters
                np.testing.assert_array_equal(held_out(path).images, expected.images)
        for length in range(0, len(whole), len(whole) // 20):
            (path / HELD_OUT).write_bytes(whole[:length])
            with pytest.raises(RunDamaged, match=r"heldout\.npz"):
                held_out(path)


def test_arrays_are_bounded_before_they_are_expanded() -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, x=np.zeros(2_000_000))
    assert len(packed.getvalue()) < 20_000
    with pytest.raises(Misfit, match="together, got 16 MB"):
        read_arrays(packed.getvalue(), most=1_000_000)
    assert read_arrays(packed.getvalue())["x"].shape == (2_000_000,)
    deep = b"\x93NUMPY\x01\x00" + (2000).to_bytes(2, "little") + b"(" * 2000
    for data in (b"", b"PK", deep, b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}"):
        with pytest.raises(Misfit, match=r"expected an \.npy"):
            read_array(data)
