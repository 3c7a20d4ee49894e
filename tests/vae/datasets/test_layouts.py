"""Files of the user's: which arrays are read as what, where their rows go, and advice that works when followed."""

from __future__ import annotations

import io
import re
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vae.datasets import Dataset, describe, load_dataset, npz
from vae.datasets.dataset import split_indices
from vae.errors import DataError

N = 30
PICTURES = np.random.default_rng(3).integers(0, 256, (N, 5, 6), dtype=np.uint8)
LABELS = np.array(list("cab"))[np.arange(N) % 3]


def load(folder: Path, **arrays: Any) -> Dataset:
    np.savez(folder / "own.npz", **arrays)
    return load_dataset(folder / "own.npz")


def pictures_of(dataset: Dataset, part: str) -> np.ndarray:
    return getattr(dataset, part).numpy()[:, 0]


def names_of(dataset: Dataset, part: str) -> list[str]:
    assert dataset.classes is not None
    return [dataset.classes[i] for i in getattr(dataset, f"{part}_labels").tolist()]


@pytest.mark.parametrize("names", [("images", "labels"), ("x", "y"), ("images", "y")])
def test_rows_undo_the_split(tmp_path: Path, names: tuple[str, str]) -> None:
    data = load(tmp_path, **dict(zip(names, (PICTURES, LABELS), strict=True)))
    assert [part.tolist() for part in (data.train_rows, data.test_rows)] == [p.tolist() for p in split_indices(N)]
    for part in ("train", "test"):
        rows = getattr(data, f"{part}_rows").numpy()
        np.testing.assert_array_equal(pictures_of(data, part), PICTURES[rows])
        assert names_of(data, part) == LABELS[rows].tolist()
        assert data.rows_of(part) == "own.npz"


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (("x_train", "x_test"), ("y_train", "y_test")),
        (("train_images", "test_images"), ("train_labels", "test_labels")),
        (("x_train", "x_test"), None),
    ],
)
def test_a_split_in_two_arrays_is_kept(tmp_path: Path, images: tuple[str, str], labels: tuple[str, str] | None) -> None:
    parts = {"train": slice(0, 21), "test": slice(21, N)}
    arrays = {name: PICTURES[part] for name, part in zip(images, parts.values(), strict=True)}
    if labels:
        arrays |= {name: LABELS[part].reshape(-1, 1) for name, part in zip(labels, parts.values(), strict=True)}
    data = load(tmp_path, **arrays)
    assert (data.info.train, data.info.test, data.classes) == (21, 9, ("a", "b", "c") if labels else None)
    for name, part in zip(images, parts, strict=True):
        rows = getattr(data, f"{part}_rows").numpy()
        assert sorted(rows) == list(range(len(arrays[name])))
        np.testing.assert_array_equal(pictures_of(data, part), arrays[name][rows])
        assert data.rows_of(part) == f"own.npz, {name}"
        if labels:
            assert names_of(data, part) == LABELS[parts[part]][rows].tolist()


@pytest.mark.parametrize("kind", ["words", "bytes", "capitals", "numbers", "bool"])
def test_a_split_array_is_kept(tmp_path: Path, kind: str) -> None:
    held_out = np.arange(N) % 4 == 1
    words = np.where(held_out, "test", "train")
    split = {
        "words": words, "bytes": words.astype("S"), "capitals": np.char.upper(words), "numbers": held_out.astype(int),
        "bool": held_out,
    }[kind]  # fmt: skip
    data = load(tmp_path, images=PICTURES, labels=LABELS, split=split)
    assert sorted(data.test_rows.tolist()) == np.flatnonzero(held_out).tolist()
    assert sorted(data.train_rows.tolist()) == np.flatnonzero(~held_out).tolist()
    for part in ("train", "test"):
        rows = getattr(data, f"{part}_rows").numpy()
        np.testing.assert_array_equal(pictures_of(data, part), PICTURES[rows])
        assert names_of(data, part) == LABELS[rows].tolist()


def test_the_first_of_a_sorted_file_are_a_fair_sample(tmp_path: Path) -> None:
    x = np.repeat(np.arange(10, dtype=np.uint8), 40)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    data = load(tmp_path, x_train=x, x_test=x)
    for part in ("train", "test"):
        assert set(pictures_of(data, part)[:60, 0, 0].tolist()) == set(range(10))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((N, 1, 5, 6), 1), ((N, 3, 5, 6), 1), ((N, 5, 6, 1), 3), ((N, 5, 6, 3), 3), ((N, 1, 5, 1), 3)],
)
def test_channels_come_first_or_last(tmp_path: Path, shape: tuple[int, ...], axis: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    data = load(tmp_path, images=images)
    np.testing.assert_array_equal(data.test.numpy(), np.moveaxis(images, axis, 1)[data.test_rows.numpy()])


@pytest.mark.parametrize(
    "shape",
    [(N, 3, 7, 3), (N, 1, 7, 3), (N, 3, 7, 1), (N, 1, 3, 3), (N, 3, 3, 1), (N, 3, 3, 3), (N, 1, 1, 3), (N, 3, 1, 1)],
)
@pytest.mark.parametrize("meant", [1, 3])
def test_where_both_could_be_the_channels_either_way_out_works(
    tmp_path: Path, shape: tuple[int, ...], meant: int
) -> None:
    images = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with pytest.raises(DataError, match="channels could be the second axis or the last") as error:
        load(tmp_path, images=images)
    found = re.search("save (.*) if they are the second, (.*) if they are the last", str(error.value))
    assert found
    data = load(tmp_path, images=eval(found[1 if meant == 1 else 2], {"np": np, "images": images}))
    right = np.moveaxis(images, meant, 1)[data.train_rows.numpy()]
    _, channels, height, width = right.shape
    got = data.train.numpy()
    np.testing.assert_array_equal(got[:, :, :height, :width], right)
    assert got.shape[1] == channels
    assert got.sum() == right.sum()  # zeros, where one more row and column are what makes the shape plain


GREY = np.random.default_rng(2).random((N, 5, 6)).astype(np.float32)
GREY[0, 0, :2] = 0, 1
LEVELS = np.arange(GREY.size).reshape(GREY.shape) % 251


@pytest.mark.parametrize(
    ("images", "says", "follow", "right"),
    [
        (2 * GREY - 1, "from −1 to 1", "(images + 1) / 2", GREY),
        (GREY * np.float32(255), "divide by 255", "images / 255", GREY),
        (GREY * np.float32(65535), "divide by 65,535", "images / 65535", GREY),
        (GREY * 8e4, "images.max()", "images / images.max()", GREY),
        (6 * GREY - 3, "images.min()", "(images - images.min()) / (images.max() - images.min())", GREY),
        (GREY * 1.05, "after resizing", "np.clip(images, 0, 1)", (GREY * 1.05).clip(0, 1)),
        ((GREY * 65535).astype(np.uint16), "divide by 65,535", "images / 65535", GREY),
        ((GREY * 4095).astype(np.uint16), "or by 4,095", "images / 4095", GREY),
        (LEVELS.astype(np.int64), "uint8", "images.astype(np.uint8)", LEVELS / 255),
        (LEVELS.astype(np.int16) - 9, "images.min()", "(images - images.min()) / (images.max() - images.min())",
         LEVELS / 250),
        ((GREY * 1e6).astype(np.int32), "images.max()", "images / images.max()", GREY),
        (np.stack([GREY, GREY, GREY, np.ones_like(GREY)], -1), "transparency", "images[..., :3]",
         np.stack([GREY] * 3, -1)),
        (np.stack([GREY, np.ones_like(GREY)], 1), "transparency", "images[:, :1]", GREY),
        (np.tile(GREY.reshape(N, 30), 30).reshape(N, 900), "square", "images.reshape(-1, 30, 30)",
         np.tile(GREY.reshape(N, 30), 30).reshape(N, 30, 30)),
    ],
)  # fmt: skip
def test_advice_works_when_it_is_followed(
    tmp_path: Path, images: np.ndarray, says: str, follow: str, right: np.ndarray
) -> None:
    with pytest.raises(DataError) as error:
        load(tmp_path, images=images)
    assert says in str(error.value)
    assert follow.replace("/ 4095", "/ 65535") in str(error.value)
    data = load(tmp_path, images=eval(follow, {"np": np, "images": images}))
    got = data.to_float(data.test).numpy()
    right = right[:, None] if right.ndim == 3 else np.moveaxis(right, 3, 1)
    np.testing.assert_allclose(got, right[data.test_rows.numpy()], atol=1e-3)


def test_images_with_missing_pixels_are_left_out_as_advised(tmp_path: Path) -> None:
    images = GREY.copy()
    images[3, 1, 1], images[4, 0, 0] = np.nan, np.inf
    with pytest.raises(DataError, match="expected finite numbers, got 2 of 900") as error:
        load(tmp_path, images=images, labels=LABELS)
    line = re.search(r"kept = (.*), then save", str(error.value)).group(1)  # type: ignore[union-attr]
    kept = eval(line, {"np": np, "images": images})
    assert load(tmp_path, images=images[kept], labels=LABELS[kept]).info.train == 22


def test_numbers_of_any_size_are_accepted_as_advised(tmp_path: Path) -> None:
    for images in (6 * GREY - 3, LEVELS - 9):
        with pytest.raises(DataError, match='support="real"'):
            load(tmp_path, images=images)
        data = load(tmp_path, images=images.astype(np.float32), support="real")
        assert float(data.train.min()) < 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rounding_beyond_0_and_1_is_put_on_the_end(tmp_path: Path, dtype: type) -> None:
    images = GREY.astype(dtype)
    images[0, 0, 0], images[0, 0, 1] = -2.4e-7, 1 + (2.4e-7 if dtype != np.float16 else 9.8e-4)
    data = load(tmp_path, images=images)
    everything = np.concatenate([data.train.numpy(), data.test.numpy()])
    assert (data.support, everything.min(), everything.max()) == ("unit", 0, 1)
    images[0, 0, 1] = 1.002
    with pytest.raises(DataError, match=r"got -2\.[34]\d*e-07 to 1\.00[12]\d*; a little over 1"):
        load(tmp_path, images=images)
    np.savez(tmp_path / "own.npz", images=np.where(GREY > 0.5, np.float32(1.0000002), 0))
    assert describe(tmp_path / "own.npz").support == "binary"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": PICTURES}, r"got only x_train; with x_train alone, save it as images"),
        (
            {"x_train": PICTURES, "x_test": PICTURES, "y_train": LABELS},
            "got y_train beside x_train and x_test; add y_test, for both parts have labels or none, or leave it out",
        ),
        ({"train_images": PICTURES, "test_images": PICTURES, "test_labels": LABELS}, "add train_labels, for both"),
        (
            {"x_train": PICTURES, "x_test": PICTURES, "labels": np.tile(LABELS, 2)},
            "got labels beside x_train and x_test; save the labels as y_train and y_test, or leave it out",
        ),
        (
            {"train_images": PICTURES, "test_images": PICTURES, "y": LABELS},
            "save the labels as train_labels and",
        ),
        ({"x_train": PICTURES, "x_test": PICTURES, "images": GREY}, "got images beside .* leave it out, or rename it"),
        ({"x_train": PICTURES, "x_test": PICTURES, "split": LABELS}, "got split beside .* leave it out, or rename it"),
        ({"images": PICTURES, "x": PICTURES, "x_test": PICTURES}, "got x and x_test beside images; leave them out"),
        ({"images": PICTURES, "labels": LABELS, "y": LABELS}, "got y beside images; leave it out"),
        ({"images": PICTURES, "y_train": LABELS}, "got y_train beside images; leave it out"),
        ({"x_train": PICTURES, "x_test": PICTURES[:, :4]}, "expected images of one size and type"),
        ({"x_train": PICTURES, "x_test": GREY}, "expected images of one size and type"),
        ({"x_train": PICTURES, "x_test": PICTURES[:0]}, "at least 10 images, got 30 and 0"),
        ({"x_train": PICTURES, "x_test": PICTURES, "y_train": LABELS, "y_test": LABELS[1:]}, "y_test: expected 30"),
        ({"x": PICTURES, "split": np.zeros(N, int)}, "split: expected images of both kinds, got only train"),
        ({"x": PICTURES, "split": np.ones(N, bool)}, "split: expected images of both kinds, got only test"),
        ({"x": PICTURES, "split": np.arange(N) % 3}, "split: expected only .* got 2 for 10 images"),
        ({"x": PICTURES, "split": np.array(["train", "test", "val"] * 10)}, "got 'val' for 10 images"),
        ({"x": PICTURES, "split": np.zeros(N)}, "split: expected 'train' and 'test', .* got float64"),
        ({"x": PICTURES, "split": np.zeros(9, int)}, "split: expected 30 entries"),
        ({"x": PICTURES, "y": np.eye(3)[np.arange(N) % 3]}, r"if they are one-hot, save labels\.argmax\(1\)"),
        ({"x": PICTURES, "y": np.arange(N) / 2}, r"y: expected 30 whole numbers .* or rename them"),
        ({"x": PICTURES, "y": np.arange(N).astype("U2000")}, "y: expected text of at most 1,024 characters"),
        ({"x": PICTURES, "support": np.array(["real"])}, "support: expected one word"),
        ({"x": PICTURES, "y": np.full(N, b"\xff\xfe")}, "labels: expected text, got bytes that are none"),
        ({"x": PICTURES, "split": np.full(N, b"\xff\xfe")}, "split: expected text, got bytes that are none"),
        ({"x": PICTURES, "y": np.full(N, 2**31 - 1, "<u4").view("<U1")}, "labels: expected text, got bytes"),
        ({"x": PICTURES, "y": np.full(N, 0xD800, ">u4").view(">U1")}, "labels: expected text, got bytes"),
        (
            {"x": PICTURES, "support": np.full(1, 2**31 - 1, "<u4").view("<U1").reshape(())},
            "support: expected text",
        ),
    ],
)
def test_bad_layouts_give_one_sentence(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        load(tmp_path, **arrays)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=message):
        describe(tmp_path / "own.npz")


def headed(descr: str, shape: str, version: bytes = b"\1\0") -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(header)) + header + bytes(64)


def packed(path: Path, name: str, start: bytes, zeros: int) -> None:
    """`start` and so many zeros, deflated, without ever being in memory."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        file.write(start)
        for _ in range(zeros >> 24):
            file.write(bytes(1 << 24))


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
@pytest.mark.parametrize(
    "content",
    [
        headed("'|u1'", "(1000000000000000000000000000000, 0, 8)"),
        headed("'|u1'", "(20, -1, 8)"),
        headed("'<U12500000'", "(20,)"),
        headed("'|u1'", "(" * 3000),
        headed("'|u1'", "(20, 8, 8)" + " " * 20000),
        headed("'|u1'", "(20L, 8L, 8L"),
        headed("[('a', '<f4', (1000000, 1000000))]", "(20,)"),
        headed("{}", "(20, 8, 8)"),
        headed("'|u1'", "'a'"),
        headed("'|u1'", "(20, 8, 8)", b"\2\0"),
        headed("'|u1'", "(20, 8, 8)", b"\7\7"),
        headed("'|u1'", "(9" + "9" * 5000 + ", 8, 8)"),
        b"\x93NUMPY\1\0\xff\xff{",
        b"\x93NUM",
    ],
)
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
def test_a_header_that_lies_is_refused_in_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    if name == "x.npy":
        file.write_bytes(content)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", content)
    for call in (describe, load_dataset):
        with pytest.raises(DataError) as error:
            call(file)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 600


def test_a_small_file_that_expands_without_end_costs_milliseconds(tmp_path: Path) -> None:
    size = 480 << 20  # scaled down from 3.9 GB: as much to a byte packed
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (size // 4096 - 1, 64, 64)}
    )
    packed(tmp_path / "bomb.npz", "images.npy", head.getvalue(), size)
    assert (tmp_path / "bomb.npz").stat().st_size < 3e6
    began = time.process_time()
    with pytest.raises(DataError, match=r"MB that expand to 503 MB are no images"):
        describe(tmp_path / "bomb.npz")
    assert time.process_time() - began < 0.3


def test_what_this_machine_cannot_hold_is_refused_by_the_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "own.npz", x=PICTURES, labels=LABELS)
    needed = PICTURES.nbytes + LABELS.nbytes
    monkeypatch.setattr(npz, "process_memory", lambda: 2 * needed - 1)
    with pytest.raises(DataError, match="expected at most half of this machine's"):
        load_dataset(tmp_path / "own.npz")
    monkeypatch.setattr(npz, "process_memory", lambda: 2 * needed)
    assert load_dataset(tmp_path / "own.npz").info.train == 24


def test_images_of_one_colour_pack_as_tightly_as_they_like(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", x=np.full((2000, 28, 28), 7, np.uint8))
    assert (tmp_path / "own.npz").stat().st_size * npz.MOST_RATIO < 2000 * 28 * 28
    assert describe(tmp_path / "own.npz").train == 1600
