"""Datasets from files of the user's: what is read, which support follows, what is refused in which words."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from vae.datasets import DataInfo, describe, load_dataset
from vae.datasets.dataset import split_indices
from vae.errors import DataError


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_npz_with_colour_and_labels(tmp_path: Path) -> None:
    images = random().integers(0, 256, (25, 6, 4, 3), dtype=np.uint8)
    labels = np.arange(25) % 3 * 10
    np.savez_compressed(tmp_path / "faces.npz", images=images, labels=labels)
    data = load_dataset(str(tmp_path / "faces.npz"))
    assert data.info == DataInfo("faces.npz", (3, 6, 4), "unit", 255, 20, 5, ("0", "10", "20"))
    assert describe(tmp_path / "faces.npz") == data.info
    train, test = split_indices(25)
    assert (data.train.permute(0, 2, 3, 1).numpy() == images[train]).all()
    assert data.test_labels.tolist() == (test % 3).tolist()
    assert torch.equal(data.to_float(data.test), data.test.float() / 255)


def test_description_follows_a_file_that_changes(tmp_path: Path) -> None:
    file = tmp_path / "growing.npy"
    for count in (20, 30):
        np.save(file, random().random((count, 3, 3)))
        assert describe(file).train == count * 4 // 5


@pytest.mark.parametrize(
    ("images", "support", "scale", "dtype"),
    [
        (random().integers(0, 2, (20, 3, 3)).astype(np.uint8), "binary", 1, torch.uint8),
        (random().integers(0, 2, (20, 3, 3)).astype(bool), "binary", 1, torch.uint8),
        (random().integers(0, 2, (20, 3, 3)).astype(np.float64), "binary", 1, torch.uint8),
        (random().integers(0, 3, (20, 3, 3)).astype(np.uint8), "unit", 255, torch.uint8),
        (random().random((20, 3, 3)), "unit", 1, torch.float32),
        (random().random((20, 3, 3)).astype(">f4"), "unit", 1, torch.float32),
        (np.asfortranarray(random().random((20, 4, 2, 3)).astype(np.float16)), "unit", 1, torch.float32),
        (random().random((20, 1, 1)), "unit", 1, torch.float32),
    ],
)
def test_support_follows_from_the_values(
    images: np.ndarray, support: str, scale: int, dtype: torch.dtype, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", images)
    data = load_dataset(tmp_path / "x.npy")
    assert (data.support, data.scale, data.train.dtype) == (support, scale, dtype)
    held_out = images[split_indices(20)[1]].astype(np.float32) / (255 if scale == 255 else 1)
    held_out = held_out[..., np.newaxis] if held_out.ndim == 3 else held_out
    assert np.array_equal(data.to_float(data.test).permute(0, 2, 3, 1).numpy(), held_out)


def test_declared_support_is_kept_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    normal = random().normal(size=(20, 3, 3))
    np.savez(file, x=normal, support="real")
    data = load_dataset(file)
    assert (data.support, data.scale, data.train.dtype) == ("real", 1, torch.float32)
    assert float(data.to_float(data.train).min()) < 0
    np.savez(file, x=(normal > 0).astype(np.uint8), support="unit")
    assert (load_dataset(file).support, load_dataset(file).scale) == ("unit", 255)
    for images, support, message in (
        (normal, "unit", r"expected floats in \[0, 1\]"),
        (np.abs(normal) % 1, "binary", "expected only 0 and 1 for support binary"),
        (np.full((20, 3, 3), 7, np.uint8), "binary", "expected only 0 and 1 for support binary, got up to 7"),
        (normal, "complex", "expected one of binary, unit, real, got 'complex'"),
    ):
        np.savez(file, x=images, support=support)
        with pytest.raises(DataError, match=message):
            load_dataset(file)


def saved(images: object, **others: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.asarray(images), **others)
    return buffer.getvalue()


def claiming(shape: str, dtype: str = "|u1") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(64)


def zipped(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


GREY = random().random((20, 3, 3))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nan.npz", saved(np.where(GREY > 0.5, np.nan, GREY)), "expected finite numbers, got 9[0-9] of 180"),
        ("inf.npz", saved(GREY * 1e300), r"expected finite numbers, got 180 of 180"),
        ("grey255.npz", saved(GREY * 255), r"expected floats in \[0, 1\], got .* divide by 255"),
        ("negative.npz", saved(GREY - 1), r"expected floats in \[0, 1\], got -"),
        (
            "int64.npz",
            saved((GREY * 9).astype(np.int64)),
            "expected uint8 or floats in .* got int64; save images.astype",
        ),
        ("complex.npz", saved(GREY * 1j), "got complex128"),
        ("object.npz", saved(np.array([None] * 20)), "got an array of Python objects"),
        ("flat.npz", saved(GREY[:, 0]), r"expected shape \(N, height, width\), .* got \(20, 3\)"),
        ("rgba.npz", saved(np.ones((20, 5, 5, 4))), r"got \(20, 5, 5, 4\); leave the transparency out"),
        ("scalar.npz", saved(3), r"got \(\)"),
        ("none.npz", saved(GREY[:0]), "expected at least 10 images, got 0"),
        ("few.npz", saved(GREY[:9]), "expected at least 10 images, got 9"),
        ("thin.npz", saved(GREY[:, :0]), r"got \(20, 0, 3\)"),
        (
            "labels.npz",
            saved(GREY, labels=np.arange(19)),
            "expected 20 whole numbers or strings, .* got shape \\(19,\\)",
        ),
        ("soft.npz", saved(GREY, labels=GREY[:, 0, 0]), "labels: expected .* of float64"),
        ("other.npz", zipped("pictures.npy", b""), "expected an array named images or x, got pictures"),
        (
            "nothing.npz",
            zipped("labels.npy", claiming("(20,)")[:148]),
            "expected an array named images or x, or two .* got only labels",
        ),
        ("text.npz", b"not a zip", "cut off, damaged or not NumPy"),
        ("empty.npz", b"", "cut off, damaged or not NumPy"),
        ("text.npy", b"not an array, only text", "cut off, damaged or not NumPy"),
        ("empty.npy", b"", "cut off, damaged or not NumPy"),
        ("cut.npz", saved(GREY)[:800], "cut off, damaged or not NumPy"),
        ("cut.npy", claiming("(20, 3, 3)"), "expected 180 bytes .* the file is cut off"),
        ("bomb.npy", claiming("(1000000, 1024, 1024)"), r"at most 4 GiB, got an array of 976.6 GiB"),
        ("bomb.npz", zipped("x.npy", claiming("(1000000, 1024, 1024)")), r"x: expected at most 4 GiB"),
        ("below.npy", claiming("(-20, 3, 3)"), "no array has the shape \\(-20, 3, 3\\): the file is damaged"),
        ("pickle.npy", claiming("(20,)", "|O"), "got an array of Python objects"),
        ("picture.png", b"\x89PNG", "expected a file that ends in .npz or .npy, got '.png'"),
    ],
)
def test_bad_file_gives_one_sentence(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    for call in (load_dataset, describe):
        with pytest.raises(DataError, match=message) as error:
            call(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["absent.npz", "no\0name.npz", "x" * 300 + ".npy"])
def test_missing_file_and_folder_are_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a file there, found none; check the path"):
        load_dataset(str(tmp_path / name))
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"expected a file there, found a folder"):
        describe(tmp_path / "folder.npz")


def test_flipped_byte_in_an_npz_is_noticed(tmp_path: Path) -> None:
    content = saved((GREY * 255).astype(np.uint8))
    for place in range(-250, -120):  # in the pixels, the last before the archive's directory
        damaged = bytearray(content)
        damaged[place] ^= 64
        (tmp_path / "x.npz").write_bytes(damaged)
        with pytest.raises(DataError):
            load_dataset(tmp_path / "x.npz")
