"""The report's numbers, the choices, the held-out part, and the dataset that comes of it."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.vae.datasets.own.pictures_made import encoded, picture, quiet, two_classes, write
from vae.datasets import describe, is_here, load_dataset, own_datasets
from vae.datasets.own import prepare as prepare_module
from vae.datasets.own import stored, twins
from vae.datasets.own.decode import fitted
from vae.datasets.own.entries import at
from vae.datasets.own.prepare import Choices, prepare, split_of, suggested, suggested_name
from vae.datasets.own.report import Report, survey
from vae.datasets.own.words import choices_line, report_lines
from vae.errors import ConfigError, DataError


def made(folder: Path, name: str, root: Path, **choices: Any) -> Report:
    found = at(folder)
    report, _ = survey(found, quiet)
    prepare(found, report, name, dataclasses.replace(suggested(report), **choices), root, quiet)
    return report


def test_the_report_counts_what_was_made(tmp_path: Path) -> None:
    folder = two_classes(tmp_path / "pets", 10)
    write(folder, "dog/copy.png", (folder / "cat" / "03.png").read_bytes())
    write(folder, "dog/again.png", (folder / "cat" / "03.png").read_bytes())
    write(folder, "dog/near.jpg", encoded(Image.open(folder / "cat" / "05.png"), "JPEG", quality=75))
    write(folder, "dog/dark.png", encoded(Image.new("RGB", (40, 30), (9, 9, 9))))
    write(folder, "dog/white.png", encoded(Image.new("L", (40, 30), 255)))
    write(folder, "dog/grey.png", encoded(picture(77, 60, 44).convert("L").convert("RGB")))
    write(folder, "dog/broken.png", b"\x89PNG\r\n\x1a\n")
    (folder / "bird").mkdir()
    report, samples = survey(at(folder), quiet)
    assert report.images == 26
    assert report.sizes == {"40 x 30": 25, "60 x 44": 1}
    assert (report.smallest, report.largest, report.different_sizes) == ((40, 30), (60, 44), 2)
    assert report.modes == {"RGB": 25, "L": 1}
    assert report.coloured == 26 - 3
    assert report.classes == {"cat": 10, "dog": 16}
    assert report.parts is None
    assert (report.exact["images"], report.near["images"]) == (2, 1)
    assert sorted(later for _, later in report.exact["pairs"]) == ["dog/again.png", "dog/copy.png"]
    assert report.near["pairs"] == [["cat/05.png", "dog/near.jpg"]]
    assert (report.blank, sorted(report.blanks)) == (2, ["dog/dark.png", "dog/white.png"])
    assert (report.skipped, report.skips[0][0], report.empty) == (1, "dog/broken.png", ("bird",))
    assert len(samples) == 12
    lines = report_lines(json.loads(json.dumps(report.to_json())))
    assert lines["classes"] == "2: cat 10, dog 16"
    assert lines["sizes"] == "2 different, from 40 × 30 to 60 × 44"
    assert lines["blank"].startswith("2 of a single colour: ")
    assert "dog/near.jpg as cat/05.png" in lines["nearly the same"]


def test_near_twins_are_those_that_a_comparison_of_all_pairs_finds(monkeypatch: Any) -> None:
    """Against every pair, over pictures with some noise: what is left out of the search is never a near twin."""
    random = np.random.default_rng(3)
    base = [twins.small(picture(i)) for i in range(40)]
    noisy = [(one + random.normal(0, 1.5, one.shape)).clip(0, 255).astype(np.uint8) for one in base[:15]]
    all_of_them = np.array([*base, *noisy])
    bits = twins._difference_bits(all_of_them)
    expected = {
        (i, j)
        for i in range(55)
        for j in range(i)
        if (bits[i] != bits[j]).sum() <= twins.NEAR_BITS
        and np.abs(all_of_them[i].astype(int) - all_of_them[j]).mean() <= twins.NEAR_LEVELS
    }
    found = twins.near_twins(all_of_them, np.zeros(55, bool), shown=100)
    assert {(later, earlier) for earlier, later in found.pairs} == expected
    assert len(expected) >= 8
    assert not found.cut
    many = np.repeat(base[0][None], 100, 0)
    assert twins.near_twins(many, np.zeros(100, bool)) == twins.Twins(99, tuple((0, i) for i in range(1, 21)))
    monkeypatch.setattr(twins, "MOST_COMPARED", 5)
    assert twins.near_twins(np.repeat(base[0][None], 100, 0), np.zeros(100, bool)).cut


@pytest.mark.parametrize(
    ("counts", "share"), [((50, 30, 20), 0.2), ((7, 5, 3), 0.3), ((100, 1), 0.1), ((3, 3, 4), 0.5)]
)
def test_a_stratified_split_takes_its_share_of_each_class(counts: tuple[int, ...], share: float) -> None:
    labels: list[str | None] = [str(c) for c, count in enumerate(counts) for _ in range(count)]
    choices = Choices((8, 8), held_out=share, stratify=True)
    held_out = split_of(labels, choices)
    assert held_out.sum() == round(share * len(labels))
    taken = Counter(label for label, out in zip(labels, held_out, strict=True) if out)
    for c, count in enumerate(counts):
        exact = count * held_out.sum() / len(labels)
        assert taken[str(c)] in (int(exact), int(exact) + 1) if exact != int(exact) else taken[str(c)] == exact
    assert np.array_equal(held_out, split_of(labels, choices))
    assert not np.array_equal(held_out, split_of(labels, dataclasses.replace(choices, seed=5)))
    assert split_of(labels, Choices((8, 8), held_out=share)).sum() == held_out.sum()


def test_fitting_crops_pads_and_stretches() -> None:
    columns = Image.fromarray(np.repeat(np.array([[10] * 10 + [200] * 20 + [90] * 10], np.uint8), 20, 0))  # 40 x 20
    crop = fitted(columns, 20, 20, "crop", 1)[0]
    assert (crop[:, 2:-2] == 200).all()
    pad = fitted(columns, 40, 40, "pad", 1)[0]
    assert np.array_equal(pad[10:30], np.asarray(columns))
    border = np.median(np.concatenate([np.asarray(columns)[[0, -1]].ravel(), [10] * 20, [90] * 20]))
    assert (pad[:10] == border).all()
    assert (pad[30:] == border).all()
    stretch = fitted(columns, 20, 20, "stretch", 1)[0]
    assert [int(stretch[9, column]) for column in (2, 9, 17)] == pytest.approx([10, 200, 90], abs=2)
    same = picture(3, 16, 12)
    for fit in ("crop", "pad", "stretch"):
        assert np.array_equal(fitted(same, 12, 16, fit, 3), np.asarray(same).transpose(2, 0, 1))
        assert fitted(same, 7, 5, fit, 1).shape == (1, 7, 5)


def test_a_prepared_set_is_a_dataset_like_any_other(tmp_path: Path) -> None:
    folder, root = two_classes(tmp_path / "pets", 20), tmp_path / "data"
    made(folder, "pets", root)
    dataset = load_dataset("pets", root=root)
    assert describe("pets", root=root) == dataset.info
    assert (dataset.name, dataset.shape, dataset.support, dataset.classes) == (
        "pets",
        (3, 30, 40),
        "unit",
        ("cat", "dog"),
    )
    assert own_datasets(root) == ["pets"]
    assert is_here("pets", root)
    assert dataset.files is not None
    assert dataset.test_labels is not None
    assert dataset.test_labels.bincount().tolist() == [4, 4]
    for part, images in (("train", dataset.train), ("test", dataset.test)):
        files = dataset.files_of(part)
        assert files is not None
        for name, image in zip(files, images, strict=True):
            assert np.array_equal(np.asarray(Image.open(folder / name)), image.permute(1, 2, 0))
    again = load_dataset("pets", root=root, binarize="threshold")
    assert np.array_equal(again.files_of("test"), dataset.files_of("test"))
    about = stored.about("pets", root)
    assert about["report"]["images"] == 40
    assert choices_line(about["choices"]) == "30 × 40, cropped, colour, 20% held out, of each class alike"
    stored.remove("pets", root)
    assert own_datasets(root) == []
    assert not is_here("pets", root)
    assert sorted(path.name for path in (root / "own").iterdir()) == [".lock"]


def test_given_parts_and_other_choices(tmp_path: Path) -> None:
    for part, count in (("train", 12), ("test", 5)):
        for i in range(count):
            write(tmp_path / "set", f"{part}/{i:02d}.jpg", encoded(picture(i, 50, 40), "JPEG"))
    root = tmp_path / "data"
    report = made(tmp_path / "set", "given", root, size=(17, 23), colour=False)
    assert report.parts == {"test": 5, "train": 12}
    dataset = load_dataset("given", root=root)
    assert (dataset.shape, dataset.info.train, dataset.info.test) == ((1, 17, 23), 12, 5)
    files = dataset.files_of("test")
    assert files is not None
    assert all(name.startswith("test/") for name in files)
    made(tmp_path / "set", "share", root, held_out=0.5)
    assert load_dataset("share", root=root).info.test == 8
    with pytest.raises(ConfigError, match="no parts are given"):
        made(two_classes(tmp_path / "pets", 5), "pets", root, held_out="given")


@pytest.mark.parametrize(
    "name", ["mnist", "digits", "", "A", "a b", "../x", "-x", "con", "x" * 41, "a.npz", "ä", "x\n"]
)
def test_names_that_cannot_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name: "):
        stored.check_name(name)
    assert stored.is_name(suggested_name(name))
    with pytest.raises(ConfigError, match="no dataset"):
        stored.remove(name, tmp_path)


def test_what_cannot_be_a_dataset_is_refused_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    root = tmp_path / "data"
    few = two_classes(tmp_path / "few", 4)
    with pytest.raises(DataError, match="at least 10 pictures, got 8"):
        made(few, "few", root)
    folder = two_classes(tmp_path / "pets", 10)
    for wrong, sentence in (({"size": (3, 64)}, "size: "), ({"fit": "x"}, "fit: "), ({"held_out": 1.5}, "held-out: ")):
        with pytest.raises(ConfigError, match=sentence):
            made(folder, "pets", root, **wrong)
    monkeypatch.setattr(prepare_module, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match=r"20 images of this size take .* choose a smaller size"):
        made(folder, "pets", root)
    monkeypatch.undo()

    def stop(fraction: float, text: str) -> None:
        if text == "writing":
            raise KeyboardInterrupt

    found = at(folder)
    report, _ = survey(found, quiet)
    with pytest.raises(KeyboardInterrupt):
        prepare(found, report, "pets", suggested(report), root, stop)
    assert not (root / "own").exists()
    write(folder, "dog/more.png", encoded(picture(555)))
    with pytest.raises(DataError, match="have changed since"):
        prepare(at(folder), report, "pets", suggested(report), root, quiet)
    assert own_datasets(root) == []
    made(folder, "pets", root)
    with pytest.raises(ConfigError, match="there is a dataset 'pets' already"):
        made(folder, "pets", root)


def test_a_killed_preparation_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """Killed between the file and its description; the next preparation clears what is left."""
    folder, root = two_classes(tmp_path / "pets", 10), tmp_path / "data"
    script = f"""
import os, dataclasses
from pathlib import Path
from tests.vae.datasets.own.test_prepare import made
from vae.datasets.own import prepare
prepare.write_json = lambda *_: os._exit(9)
made(Path({str(folder)!r}), "pets", Path({str(root)!r}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[4], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    left = [path.name for path in (root / "own").iterdir() if path.name != ".lock"]
    assert len(left) == 1
    assert own_datasets(root) == []
    with pytest.raises(ConfigError, match="expected one of"):
        load_dataset("pets", root=root)
    made(folder, "pets", root)
    assert sorted(path.name for path in (root / "own").iterdir()) == [".lock", "pets"]


def test_an_altered_dataset_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    made(two_classes(tmp_path / "pets", 10), "pets", root)
    path = root / "own" / "pets" / "images.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    with pytest.raises(DataError, match="altered since it was made"):
        load_dataset("pets", root=root)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset("pets", root=root)
    path.write_bytes(whole)
    assert load_dataset("pets", root=root).name == "pets"
    for damage in (b"{", b'{"data": 3}', b"[" * 5000):
        (root / "own" / "pets" / "about.json").write_bytes(damage)
        with pytest.raises(DataError, match="remove the dataset"):
            describe("pets", root=root)
    assert own_datasets(root) == ["pets"]
    stored.remove("pets", root)


def test_a_parquet_of_many_row_groups(tmp_path: Path) -> None:
    """All rows, in their order, each with its own picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [encoded(picture(i, 32, 32), "JPEG") for i in range(50)]
    labels = [f"class {i % 7}" for i in range(500)]
    rows = pa.table({"image": [files[i % 50] for i in range(500)], "label": labels})
    pq.write_table(rows, tmp_path / "big.parquet", row_group_size=75, use_dictionary=False)
    root = tmp_path / "data"
    report = made(tmp_path / "big.parquet", "big", root)
    assert (report.images, report.exact["images"]) == (500, 450)
    assert report.classes == dict(sorted(Counter(labels).items()))
    dataset = load_dataset("big", root=root)
    assert (dataset.info.train, dataset.info.test, dataset.shape) == (400, 100, (3, 32, 32))
    name = dataset.files_of("test")
    assert name is not None
    row = int(dataset.test_rows[17])
    assert name[17] == f"row {row}"
    expected = np.asarray(Image.open(io.BytesIO(files[row % 50])))
    assert np.array_equal(dataset.test[17].permute(1, 2, 0), expected)
