"""A run belongs to its data: what it stores of them, what it says when they are others, and what it shows then."""

from __future__ import annotations

import dataclasses
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.vae.train_run import train_run
from vae import Config, __main__, runs
from vae.datasets import DataInfo, describe, load_dataset, registered
from vae.datasets.identity import differences
from vae.errors import ConfigError, DataChanged, DataError
from vae.files import expanded
from vae.runs import load_run
from vae.runs.ship import pack_run
from vae.runs.start import Request
from vae.space.encodings import codes_of
from vae.space.places_file import pack_places
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
PICTURES = np.random.default_rng(5).integers(0, 256, (60, 4, 4), dtype=np.uint8)
LABELS = np.arange(60) % 3


def write(path: Path, images: np.ndarray = PICTURES, labels: np.ndarray = LABELS) -> Path:
    np.savez(path, images=images, labels=labels)
    return path


def make(root: Path, dataset: str | Path, **changes: Any) -> Path:
    """A run of one epoch, made as the command line and the form make them."""
    asked = Config(dataset=str(dataset), hidden=(4,), epochs=1, threads=1, device="cpu", **changes)
    config, _ = complete(asked, describe(asked.dataset))
    data = describe(asked.dataset, binarize=config.binarize or "none").to_json()
    return runs.create_run(config, data, "one", root)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Trained on ./d.npz, while the process stood in its folder."""
    write(tmp_path / "d.npz")
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "runs", "d.npz")
    assert train_run(path).state == "finished"
    return path


def everything(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != "lock"
    }


def unlabelled(path: Path, images: np.ndarray) -> DataInfo:
    np.savez(path, images=images)
    return describe(path)


def test_what_differs_is_named_as_far_as_it_is_known(tmp_path: Path) -> None:
    was, now = (unlabelled(tmp_path / "d.npz", images) for images in (PICTURES, PICTURES[::-1]))
    assert differences(was, was) == ""
    assert differences(was, now) == "as many images of the same size, but other pixels or another split"


def changed(name: str) -> tuple[np.ndarray, np.ndarray]:
    pixel, label = PICTURES.copy(), LABELS.copy()
    pixel[7, 1, 2] ^= 1
    label[:2] = label[1::-1]
    return {
        "pixel": (pixel, LABELS), "label": (PICTURES, label), "fewer": (PICTURES[:30], LABELS[:30]),
        "classes": (PICTURES, LABELS + 1), "size": (PICTURES[:, :3], LABELS), "binary": (PICTURES // 128, LABELS),
    }[name]  # fmt: skip


DIFFERENCES = {
    "pixel": "as many images of the same size, but other pixels, labels or another split",
    "label": "as many images of the same size, but other pixels, labels or another split",
    "split": "as many images of the same size, but other pixels, labels or another split",
    "fewer": "48 training and 12 held-out images then, 24 training and 6 held-out images now",
    "classes": "labels 0, 1, 2 then, labels 1, 2, 3 now",
    "size": "pictures of 4 x 4 then, 3 x 4 now",
    "binary": "support unit then, binary now",
}


def test_a_run_keeps_where_its_file_lies(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, data = runs.read_config(trained)
    assert (config.dataset, data["path"]) == (str(tmp_path / "d.npz"), str(tmp_path / "d.npz"))
    assert data["digest"] == load_dataset(tmp_path / "d.npz").info.digest
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(elsewhere / "d.npz", *changed("fewer"))  # a namesake
    monkeypatch.chdir(elsewhere)
    assert load_run(trained).dataset().info.train == 48
    assert codes_of(load_run(trained)).source == "12 held-out images of d.npz"


@pytest.mark.parametrize("name", DIFFERENCES)
def test_another_file_is_told_wherever_it_is_read(
    trained: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(trained)
    if name == "split":  # the same pictures, labels and counts
        np.savez(tmp_path / "d.npz", images=PICTURES, labels=LABELS, split=np.arange(60) < 12)
    else:
        write(tmp_path / "d.npz", *changed(name))
    sentence = (
        f"{tmp_path / 'd.npz'}: not the data that run 'one' was made with ({DIFFERENCES[name]}); "
        "put the former file back there, or train a new run on this one"
    )
    run = load_run(trained)
    for call in (run.dataset, run.check_data, lambda: codes_of(run), lambda: codes_of(run, "train")):
        with pytest.raises(DataChanged) as error:
            call()
        assert str(error.value) == sentence
    for command in (
        ["evaluate", str(trained), "--samples", "2"],
        ["resume", str(trained), "--epochs", "3"],
        ["project", str(trained)],
        ["pack", str(trained)],
    ):
        assert __main__.main(command) == 2
        assert capsys.readouterr().err == sentence + "\n"
    assert everything(trained) == before
    write(tmp_path / "d.npz")  # as advised
    assert codes_of(run).source == "12 held-out images of d.npz"


def test_a_file_that_is_gone_is_named(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "d.npz").rename(tmp_path / "e.npz")
    for call in (load_run(trained).dataset, load_run(trained).check_data):
        with pytest.raises(DataError, match=r"d\.npz: the file that run 'one' was made with is not there; put it back"):
            call()


def test_no_folder_is_invented_for_a_file_whose_folder_is_not_known(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, data = runs.read_config(trained)
    runs.replace_config(trained, dataclasses.replace(config, dataset="d.npz"), {**data, "path": "d.npz"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"^d\.npz: the file that run 'one' was made with is not here, and its folder"):
        load_run(trained).dataset()


def test_an_old_run_is_held_to_what_it_knows(trained: Path, tmp_path: Path) -> None:
    config, data = runs.read_config(trained)
    known = {name: value for name, value in data.items() if name not in ("path", "digest")}
    runs.replace_config(trained, config, {**known, "classes": None})  # it was made when y beside x was no label
    write(tmp_path / "d.npz", *changed("pixel"))
    assert load_run(trained).dataset().info.train == 48
    write(tmp_path / "d.npz", *changed("fewer"))
    with pytest.raises(DataChanged, match="24 training and 6 held-out images now"):
        load_run(trained).dataset()


@pytest.mark.parametrize("fate", ["changed", "gone", "damaged"])
def test_a_run_goes_on_showing_the_images_that_it_carries(trained: Path, tmp_path: Path, fate: str) -> None:
    whole = codes_of(load_run(trained))
    pack_run(trained, images=5)
    if fate == "changed":
        write(tmp_path / "d.npz", *changed("classes"))
    elif fate == "gone":
        (tmp_path / "d.npz").unlink()
    else:
        (tmp_path / "d.npz").write_bytes(b"no archive")
    run = load_run(trained)
    codes = codes_of(run)
    why = "d.npz has changed since" if fate == "changed" else "d.npz is not there, or cannot be read"
    assert codes.source == f"5 held-out images of d.npz that came along, for {why}"
    assert (codes.parts, codes.rows_of) == (("test",), "d.npz")
    np.testing.assert_array_equal(codes.images, PICTURES[codes.rows][:, None])
    np.testing.assert_array_equal(codes.rows, whole.rows[:5])
    with pytest.raises(DataError):
        codes_of(run, "train")


def test_an_older_pack_knows_no_rows(trained: Path, tmp_path: Path) -> None:
    pack_run(trained, images=5)
    with np.load(trained / "preview/heldout.npz") as file:
        old = {name: file[name] for name in ("images", "scale", "codes", "labels")}
    packed = io.BytesIO()
    np.savez(packed, **old)
    runs.save_checked(trained, {"preview/heldout.npz": packed.getvalue()})
    (tmp_path / "d.npz").unlink()
    codes = codes_of(load_run(trained))
    assert (len(codes), codes.rows, codes.rows_of) == (5, None, "")


def test_a_limit_tells_of_how_many(trained: Path) -> None:
    assert codes_of(load_run(trained), "test", 5).source == "5 held-out images of d.npz, of 12"
    np.save(trained.parent.parent / "bare.npy", PICTURES)
    bare = make(trained.parent, trained.parent.parent / "bare.npy")
    train_run(bare)
    assert codes_of(load_run(bare), "test", 5).source == "5 held-out images of bare.npy, of 12"


def test_maps_on_disk_carry_the_rows(trained: Path, tmp_path: Path) -> None:
    codes = codes_of(load_run(trained))
    places = codes.loc.astype(float)
    rows = json.loads(pack_places(places, codes, ".json"))
    for row, place in zip(rows, places, strict=True):
        assert row["label"] == str(LABELS[row["row"]])
        assert (row["row_of"], row["x"]) == ("d.npz", pytest.approx(place[0], abs=1e-5))
    (tmp_path / "map.npz").write_bytes(pack_places(places, codes, ".npz"))
    with np.load(tmp_path / "map.npz") as file:
        np.testing.assert_array_equal(file["rows"], codes.rows)
        assert str(file["rows_of"]) == "d.npz"
    unknown = dataclasses.replace(codes, rows=None)
    assert pack_places(places, unknown, ".csv").decode().splitlines()[0] == "index,x,y,label"


def test_a_registered_set_is_known_from_its_first_reading_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path, "digits")
    assert runs.read_config(path)[1]["digest"] is None
    assert train_run(path).state == "finished"
    assert runs.read_config(path)[1]["digest"] == load_dataset("digits").info.digest
    assert load_run(path).dataset().info.test == 360
    table = registered._digits().copy()
    table[3, 20] += 1
    monkeypatch.setattr(registered, "_digits", lambda: table)
    with pytest.raises(DataChanged, match=r"digits: not the data that run 'one' was made with .*other pixels"):
        load_run(path).dataset()


@pytest.mark.parametrize("shipped", [False, True])
def test_an_older_run_that_goes_on_belongs_to_its_data_from_then_on(tmp_path: Path, shipped: bool) -> None:
    """Unless it is a shipped one, which was made with a copy of them elsewhere."""
    path = Path(shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "run"))
    assert runs.is_shipped(path)
    config, data = runs.read_config(path)
    digest = data.pop("digest")
    runs.replace_config(path, config, data)  # which is shipped no more
    if shipped:
        runs.mark_as_shipped(path)
    assert load_run(path).dataset().info.test == 360
    assert train_run(path, request=Request(epochs=301)).state == "finished"
    recorded = {} if shipped else {"digest": digest}
    assert runs.read_config(path)[1] == {**data, **recorded}


def test_the_digest_tells_views_of_one_file_from_other_files(tmp_path: Path) -> None:
    file = write(tmp_path / "d.npz")
    grey = load_dataset(file)
    for view in ("threshold", "fixed", "epoch"):
        assert load_dataset(file, binarize=view).info.digest == grey.info.digest == describe(file).digest
    np.savez_compressed(tmp_path / "again.npz", x=PICTURES, y=LABELS.astype(np.int8))
    assert load_dataset(tmp_path / "again.npz").info.digest == grey.info.digest
    found = {grey.info.digest}
    for name in [name for name in DIFFERENCES if name != "split"]:
        found.add(load_dataset(write(tmp_path / f"{name}.npz", *changed(name))).info.digest)
    np.savez(tmp_path / "split.npz", images=PICTURES, labels=LABELS, split=np.arange(60) < 12)
    found.add(load_dataset(tmp_path / "split.npz").info.digest)
    assert len(found) == len(DIFFERENCES) + 1


@pytest.mark.parametrize("call", [load_dataset, describe, expanded])
def test_a_user_who_is_not_there_is_a_sentence(call: Any) -> None:
    with pytest.raises(ConfigError, match="path: no user '~nouser' on this machine"):
        call("~nouser/x.npz")


def test_a_data_root_of_a_user_who_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", "~nouser/data")
    with pytest.raises(ConfigError, match="no user '~nouser'"):
        load_dataset("mnist")
