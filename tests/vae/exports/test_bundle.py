"""A run out and in again as a bundle: its files bit by bit, its numbers, its training, and what is left out of it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.vae.command import command
from tests.vae.engines.scripted_runs import (
    Killer,
    assert_same_run,
    make_quick,
    new_run,
    records,
    scripted_run,
    start,
)
from tests.vae.exports.conftest import DEMOS, KINDS
from tests.vae.train_run import train_run
from vae import runs
from vae.bound.evaluation import evaluate
from vae.datasets import registered
from vae.datasets.own import stored
from vae.errors import RunDamaged, RunError
from vae.exports.bundle import BUNDLE, write_bundle
from vae.exports.bundle_import import WORKSHOP, import_bundle
from vae.exports.bundle_layout import BARE, LIGHT, WHOLE
from vae.exports.export import Stopped
from vae.files import sha256
from vae.runs.moments import list_moments, read_moment
from vae.runs.origin import read_origin
from vae.runs.own_data import IMAGES
from vae.runs.ship import HELD_OUT, held_out
from vae.runs.start import Request
from vae.runs.sweep_mark import read_mark
from vae.space.encodings import codes_of

Made = Callable[[str], Path]


def out(path: Path, file: Path, kind: str = WHOLE, **more: Any) -> dict[str, Any]:
    return write_bundle(runs.load_run(path), kind, file, **more)


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("what", [WHOLE, LIGHT, BARE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_comes_back_as_it_left(kind: str, what: str, made: Made, tmp_path: Path) -> None:
    path = made(kind)
    facts = out(path, tmp_path / "run.zip", what, made_by="Ada  \u202eLovelace")
    back = import_bundle(tmp_path / "run.zip", tmp_path / "runs")
    assert back == tmp_path / "runs" / path.name
    assert [one.name for one in (tmp_path / "runs").iterdir()] == [path.name]
    for name in (runs.WEIGHTS, "history.jsonl"):
        assert (back / name).read_bytes() == (path / name).read_bytes()
    before, after = runs.load_run(path), runs.load_run(back)
    if not (kind == "file" and what != WHOLE):
        assert (after.config, after.data) == (before.config, before.data)
    assert runs.read_knobs(back) == runs.read_knobs(path)
    one, two = runs.read_status(path), runs.read_status(back)
    assert (one.state, one.step, one.epoch, one.total_steps) == (two.state, two.step, two.epoch, two.total_steps)
    assert not runs.is_shipped(back)
    kept = [] if what != WHOLE else [(m, read_moment(path, m)) for m in list_moments(path)]
    assert [(m, read_moment(back, m)) for m in list_moments(back)] == kept
    assert facts["moments"] == str(len(kept))
    origin = read_origin(back)
    assert origin is not None
    assert origin.made_by == "Ada Lovelace"
    assert origin.made == one.heartbeat
    assert origin.words().startswith("imported, made by Ada Lovelace on ")
    images = [name for name in (HELD_OUT, IMAGES, "preview/live.bin") if (back / name).exists()]
    assert bool(images) == (what != BARE)
    assert not {"log.txt", "owner.json", "lock"} & {one.name for one in back.iterdir()}
    if (path / IMAGES).exists() and what == BARE:  # those images were all that it had
        with pytest.raises(Exception, match="came without images"):
            after.dataset()
    elif not (kind == "file" and what != WHOLE):
        numbers = [evaluate(run.model, run.dataset(), 8, 20) for run in (before, after)]
        assert numbers[0] == numbers[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_run_gives_the_same_bytes_also_after_a_round_trip(kind: str, made: Made, tmp_path: Path) -> None:
    out(made(kind), tmp_path / "a.zip", made_by="Ada")
    out(made(kind), tmp_path / "b.zip", made_by="Ada")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    back = import_bundle(tmp_path / "a.zip", tmp_path / "runs")
    out(back, tmp_path / "c.zip", made_by="Mallory")  # its maker stays
    one, two = members(tmp_path / "a.zip"), members(tmp_path / "c.zip")
    assert one.keys() == two.keys()
    different = {name for name in one if one[name] != two[name]}
    assert different <= {"status.json", "manifest.json"}  # when its status was written
    assert json.loads(two["manifest.json"])["made_by"] == "Ada"


def test_a_bundle_is_what_a_model_hub_expects(made: Made, tmp_path: Path) -> None:
    out(made("demo"), tmp_path / "run.zip")
    there = members(tmp_path / "run.zip")
    assert {"README.md", "config.json", "model.safetensors"} <= set(there)
    about = json.loads(there["manifest.json"])
    assert about["files"] == {name: sha256(data) for name, data in there.items() if name != "manifest.json"}
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {one.external_attr >> 16 for one in archive.infolist()} == {0o644}
        assert archive.getinfo("model.safetensors").compress_type == zipfile.ZIP_STORED


def test_a_whole_run_goes_on_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_quick(monkeypatch)
    path = new_run(tmp_path / "here", "run", epochs=1)
    train_run(path)
    runs.change_knobs(path, C=3.0)
    facts = out(path, tmp_path / "run.zip")
    assert facts["training"] == "goes on exactly"
    back = import_bundle(tmp_path / "run.zip", tmp_path / "there")
    for one in (path, back):
        assert train_run(one, request=Request(epochs=2)).state == "finished"
    assert len(records(back)) > 4
    assert_same_run(path, back)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scripted_run(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("at", [21, 34])  # between saves with the last line torn, and within a save
def test_a_run_that_was_killed_goes_on_elsewhere_as_if_nothing_had_been(
    at: int, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_quick(monkeypatch)
    path = new_run(tmp_path / "here", "run")
    script = start(path)
    with monkeypatch.context() as patch:
        killer = Killer(patch)
        script.install(patch)
        assert killer.train(path, at, torn=bool(at % 2)) is None
    assert runs.read_status(path).state == "interrupted"
    out(path, tmp_path / "run.zip")
    script.path = import_bundle(tmp_path / "run.zip", tmp_path / "there")
    with monkeypatch.context() as patch:
        script.install(patch)
        script.take_back()
        assert train_run(script.path).state == "finished"
    assert_same_run(script.path, undisturbed)


def test_a_light_run_goes_on_from_its_weights(made: Made, tmp_path: Path) -> None:
    facts = out(made("full"), tmp_path / "run.zip", LIGHT)
    assert facts["training"] == "goes on from the weights with a fresh optimiser"
    back = import_bundle(tmp_path / "run.zip", tmp_path / "runs")
    before = runs.read_status(back).step
    status = train_run(back, request=Request(epochs=3))
    assert (status.state, status.step > before) == ("finished", True)


def test_a_sweep_is_remembered_and_a_neighbour_that_stayed_is_not(made: Made, tmp_path: Path) -> None:
    out(made("full"), tmp_path / "run.zip")
    mark = read_mark(import_bundle(tmp_path / "run.zip", tmp_path / "runs"))
    assert mark is not None
    assert (mark.id, mark.name, mark.varies, mark.warm_from) == ("0123456789abcdef", "sweep", ("C",), None)


def test_folders_of_ones_data_stay_at_home_where_it_is_published(made: Made, tmp_path: Path) -> None:
    folder = str(made("file").parent)
    for kind, told in ((WHOLE, True), (LIGHT, False), (BARE, False)):
        out(made("file"), tmp_path / f"{kind}.zip", kind)
        assert any(folder.encode() in data for data in members(tmp_path / f"{kind}.zip").values()) == told
    back = import_bundle(tmp_path / "light.zip", tmp_path / "runs")
    codes = codes_of(runs.load_run(back), "test")
    assert "that came along" in codes.source
    assert len(codes.loc) == 12


UNREAD = "which could not be read where it was exported"


def test_nor_do_they_go_along_where_the_data_are_gone(made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("file"), tmp_path / "run")
    content = json.loads((path / "config.json").read_text())
    content["config"]["dataset"] = content["data"]["path"] = str(tmp_path / "secret/gone.npz")
    runs.save_checked(path, {"config.json": json.dumps(content).encode()})
    for kind, told in ((LIGHT, f", {UNREAD}"), (BARE, "")):
        assert out(path, tmp_path / f"{kind}.zip", kind)["images"] == f"carries no image of the data{told}"
        assert not any(b"secret" in data for data in members(tmp_path / f"{kind}.zip").values())


def test_held_out_images_show_a_run_where_its_data_are_not(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = out(made("demo"), tmp_path / "run.zip", LIGHT)
    assert facts["images"] == "carries 360 held-out images with their labels"
    before = codes_of(runs.load_run(made("demo")), "test")
    back = import_bundle(tmp_path / "run.zip", tmp_path / "runs")
    assert held_out(back).codes.shape == (360, 2)
    monkeypatch.setattr(registered.Digits, "is_here", lambda self, root: False)
    after = codes_of(runs.load_run(back), "test")
    assert np.array_equal(before.loc, after.loc)
    assert np.array_equal(before.images, after.images)
    assert out(back, tmp_path / "again.zip", LIGHT)["images"] == facts["images"]


def test_file_names_of_ones_own_pictures_go_along_whole_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.vae.datasets.own.pictures_made import quiet, two_classes
    from vae.config import Config
    from vae.datasets import describe
    from vae.datasets.own.entries import at
    from vae.datasets.own.prepare import prepare, suggested
    from vae.datasets.own.report import survey
    from vae.training.defaults import complete

    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "data"))
    report, _ = survey(at(two_classes(tmp_path / "secret")), quiet)
    prepare(at(tmp_path / "secret"), report, "pets", suggested(report), tmp_path / "data", quiet)
    info = describe("pets")
    config, _ = complete(Config(dataset="pets", hidden=(4,), epochs=1, threads=1), info)
    path = runs.create_run(config, info.to_json(), "pets", tmp_path / "here")
    train_run(path)
    words = out(path, tmp_path / "whole.zip")["images"]
    assert words.startswith("carries ")
    assert words.endswith("held-out images with their labels and file names")
    assert out(path, tmp_path / "light.zip", LIGHT)["images"].endswith("with their labels")
    assert out(path, tmp_path / "bare.zip", BARE)["images"] == "carries no image of the data"
    assert all(b".png" not in data for data in members(tmp_path / "light.zip").values())
    stored.remove("pets", tmp_path / "data")
    for kind, named in (("whole", True), ("light", False)):
        back = import_bundle(tmp_path / f"{kind}.zip", tmp_path / "runs", kind)
        codes = codes_of(runs.load_run(back), "test")
        assert (codes.files is not None) == named
    assert out(path, tmp_path / "gone.zip")["images"] == f"carries no image of the data, {UNREAD}"


def test_a_run_that_trains_leaves_as_it_was_saved(made: Made, tmp_path: Path) -> None:
    for kind in ("full", "loop"):
        path = shutil.copytree(made(kind), tmp_path / "at-work" / kind)
        step = runs.read_status(path).step
        lock = runs.acquire(path)
        try:
            runs.write_status(path, runs.Status(state="running", step=step + 7, total_steps=500, pid=1))
            runs.append_history(path, {"step": step + 5, "epoch": 9.0, "C": 1.0, "train": None, "test": None})
            facts = out(path, tmp_path / f"{kind}.zip")
        finally:
            lock.release()
        assert facts["note"] == f"Exported while it trained, as it was saved at step {step:,}."
        back = import_bundle(tmp_path / f"{kind}.zip", tmp_path / "runs")
        status = runs.read_status(back)
        assert (status.state, status.step, status.message) == ("stopped", step, facts["note"])
        assert max(line["step"] for line in runs.read_history(back)) == step
        card = members(tmp_path / f"{kind}.zip")["README.md"].decode()
        assert f"save at step {step:,}" in card
        assert f"aved at step {step:,} on" in card
        assert "training stopped" not in card


def damage(path: Path, name: str) -> None:
    data = bytearray((path / name).read_bytes())
    data[len(data) // 2] ^= 255
    (path / name).write_bytes(data)


@pytest.mark.parametrize("name", [runs.WEIGHTS, runs.STATE, "config.json", "history.jsonl", "moments"])
def test_a_damaged_run_does_not_leave(name: str, made: Made, tmp_path: Path) -> None:
    path = shutil.copytree(made("full"), tmp_path / "run")
    damage(path, list_moments(path)[1].file if name == "moments" else name)
    with pytest.raises(RunDamaged, match=name.split("/")[-1]):
        out(path, tmp_path / "run.zip")
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


def test_what_cannot_be_is_told(made: Made, tmp_path: Path) -> None:
    path = new_run(tmp_path, "new")
    assert "no weights yet" in BUNDLE.why_not(runs.load_run(path), WHOLE)
    path = shutil.copytree(made("loop"), tmp_path / "loop")
    (path / runs.WEIGHTS).unlink()
    assert "log.model" in BUNDLE.why_not(runs.load_run(path), WHOLE)
    assert BUNDLE.why_not(runs.load_run(made("demo")), WHOLE) == ""
    for file, said in ((tmp_path, "got a folder"), (tmp_path / "nothing.zip", "got no file")):
        with pytest.raises(RunError, match=said):
            import_bundle(file, tmp_path / "runs")


def test_the_work_can_be_stopped_and_nothing_is_left(made: Made, tmp_path: Path) -> None:
    def stop_after(share: float) -> Callable[[float, str], None]:
        def progress(fraction: float, words: str) -> None:
            assert words
            if fraction >= share:
                raise Stopped

        return progress

    (tmp_path / "runs").mkdir()
    for share in (0.0, 0.4, 0.8):
        with pytest.raises(Stopped):
            out(made("demo"), tmp_path / "run.zip", progress=stop_after(share))
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]
    out(made("demo"), tmp_path / "run.zip")
    for share in (0.0, 0.3, 0.9):
        with pytest.raises(Stopped):
            import_bundle(tmp_path / "run.zip", tmp_path / "runs", progress=stop_after(share))
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_a_kill_left_is_not_listed_and_goes_later(made: Made, tmp_path: Path, monkeypatch: Any) -> None:
    out(made("demo"), tmp_path / "run.zip", LIGHT)
    monkeypatch.setattr("shutil.rmtree", lambda *args, **more: None)  # a killed process removes nothing
    with pytest.raises(Stopped):
        import_bundle(tmp_path / "run.zip", tmp_path / "runs", progress=_stop_late)
    monkeypatch.undo()
    left = list((tmp_path / "runs").iterdir())
    assert [one.name.startswith(WORKSHOP) for one in left] == [True]
    assert runs.list_runs(tmp_path / "runs") == []
    assert import_bundle(tmp_path / "run.zip", tmp_path / "runs").name == "demo-digits-2d"
    assert left[0].is_dir()  # it may be another import at work
    monkeypatch.setattr("vae.exports.bundle_import.FORGOTTEN", -1.0)
    assert import_bundle(tmp_path / "run.zip", tmp_path / "runs").name == "demo-digits-2d-2"
    assert not left[0].exists()


def _stop_late(fraction: float, words: str) -> None:
    if fraction > 0.45:
        raise Stopped


def test_a_full_disk_is_told_before_anything_is_written(made: Made, tmp_path: Path, monkeypatch: Any) -> None:
    out(made("demo"), tmp_path / "run.zip", LIGHT)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(RunError, match=r"run\.zip: 1 MB of disk are free, it needs"):
        import_bundle(tmp_path / "run.zip", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_command_line_takes_a_run_out_and_in(made: Made, tmp_path: Path) -> None:
    file = str(tmp_path / "x.zip")
    words = ("--format", "bundle", "--what", "light", "--by", "Ada", "--out", file)
    done = command("export", str(DEMOS / "demo-digits-2d"), *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == "carries 360 held-out images with their labels"
    done = command("import", file, "--name", "../mine", "--runs", str(tmp_path / "runs"), "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["run"] == str(tmp_path / "runs/mine")
    assert facts["origin"].startswith("imported, made by Ada on ")
    done = command("import", str(tmp_path / "none.zip"), "--runs", str(tmp_path / "runs"))
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    done = command("export", str(DEMOS / "demo-digits-2d"), "--format", "csv", "--by", "Ada")
    assert (done.returncode, done.stderr[:3]) == (2, b"by:")


def test_weights_are_those_of_plain_safetensors(made: Made, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    out(made("demo"), tmp_path / "run.zip")
    (tmp_path / "model.safetensors").write_bytes(members(tmp_path / "run.zip")["model.safetensors"])
    found, model = load_file(tmp_path / "model.safetensors"), runs.load_run(made("demo")).model
    assert all(torch.equal(found[name], value) for name, value in model.state_dict().items() if name in found)
    assert {name for name in model.state_dict() if name.startswith("decoder")} <= found.keys()
