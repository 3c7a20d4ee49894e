"""Where pictures come from: folders, zips, parquet, arrays; and what is refused (faults 27 to 32)."""

from __future__ import annotations

import json
import os
import stat
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.vae.datasets.own.pictures_made import encoded, picture, quiet, two_classes, write
from vae.datasets.own import archive, table
from vae.datasets.own.decode import open_entry
from vae.datasets.own.entries import Found, at, dropped, places_of
from vae.datasets.own.report import survey
from vae.errors import DataError


def read(found: Found) -> dict[str, tuple[str | None, str | None]]:
    """Name -> class and part of all entries."""
    return {entry.name: (entry.label, entry.part) for entry in found.entries()}


def zipped(folder: Path, path: Path, kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for one in sorted(folder.rglob("*")):
            file.write(one, one.relative_to(folder.parent))
    return path


def test_a_folder_is_a_class_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = two_classes(tmp_path / "pets", 3)
    (folder / "cat" / "link.png").symlink_to(folder / "dog" / "00.png")
    (folder / "elsewhere").symlink_to(tmp_path)
    (folder / "bird").mkdir()
    write(folder, ".DS_Store", b"x")
    write(folder, "dog/notes.txt", b"x")
    found = at(folder)
    expected = {f"{name}/{i:02d}.png": (name, None) for name in ("cat", "dog") for i in range(3)}
    assert read(found) == expected
    assert (found.name, found.count, found.empty) == ("pets", 6, ("bird",))
    assert found.skipped == (("dog/notes.txt", ".txt: not a PNG or a JPEG"),)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1.png", "2.png"], [(None, None)] * 2),
        (["all/1.png", "all/2.png"], [(None, None)] * 2),
        (["a/1.png", "b/2.png", "3.png"], [("a", None), ("b", None), ("no folder", None)]),
        (["x/a/1.png", "x/b/deep/2.png"], [("a", None), ("b", None)]),
        (["Train/a/1.png", "test/b/2.png"], [("a", "train"), ("b", "test")]),
        (["train/1.png", "val/2.png"], [(None, "train"), (None, "test")]),
        (["set/train/a/1.png", "set/test/a/2.png"], [(None, "train"), (None, "test")]),
        (["train/1.png", "other/2.png"], [("train", None), ("other", None)]),
    ],
)
def test_classes_and_parts_by_the_path(names: list[str], expected: list[Any]) -> None:
    assert places_of(names) == expected


def test_a_zip_means_what_its_folder_means_and_so_does_a_drop(tmp_path: Path) -> None:
    folder = two_classes(tmp_path / "pets", 3)
    (folder / "bird").mkdir()
    made = at(zipped(folder, tmp_path / "z.zip"))
    names = {f"pets/{name}": place for name, place in read(at(folder)).items()}
    assert read(made) == names
    assert made.empty == ("pets/bird",)
    with zipfile.ZipFile(tmp_path / "z.zip", "a") as archive:
        archive.writestr("./", b"")  # as some programs pack the folder itself
    assert read(at(tmp_path / "z.zip")) == names
    files = [(f"pets/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*.png")]
    assert read(dropped(files)) == read(at(folder))
    assert dropped(files).name == "pets"
    one = at(folder / "cat" / "00.png")
    assert [entry.read() for entry in one.entries()] == [(folder / "cat" / "00.png").read_bytes()]
    with pytest.raises(DataError, match="nothing was dropped"):
        dropped([])


def test_names_that_break_lines_or_are_no_text_are_marked(tmp_path: Path) -> None:
    """What is kept of a name can stand in a line of any table."""
    hostile = ["a\nb.png", "\u202egnp.exe.png", "=1+1.png", os.fsdecode(b"\xff.png"), "x" * 240 + ".png"]
    for i, name in enumerate(hostile):
        write(tmp_path / "set" / f"c\t{i % 2}", name, encoded(picture(i)))
    write(tmp_path / "set", "no\nte.txt", b"x")
    (tmp_path / "set" / "e\u202d").mkdir()
    names = read(at(tmp_path / "set"))
    plain = {"c\ufffd0/a\ufffdb.png", "c\ufffd1/\ufffdgnp.exe.png", "c\ufffd0/=1+1.png", "c\ufffd1/\ufffd.png"}
    assert set(names) == {*plain, "x" * 196 + ".png"}
    assert {label for label, _ in names.values()} == {"c\ufffd0", "c\ufffd1"}
    report, _ = survey(at(tmp_path / "set"), quiet)
    assert report.skips == (("no\ufffdte.txt", ".txt: not a PNG or a JPEG"),)
    assert report.empty == ("e\ufffd",)


def info(name: str, mode: int = 0) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    return made


HOSTILE: dict[str, tuple[Callable[[zipfile.ZipFile], None], str]] = {
    "parent": (lambda file: file.writestr("../a.png", b"x"), "leaves its folder"),
    "inner parent": (lambda file: file.writestr("a/../../b.png", b"x"), "leaves its folder"),
    "absolute": (lambda file: file.writestr("/etc/a.png", b"x"), "leaves its folder"),
    "drive": (lambda file: file.writestr("C:\\a.png", b"x"), "leaves its folder"),
    "backslashes": (lambda file: file.writestr("..\\..\\a.png", b"x"), "leaves its folder"),
    "link": (lambda file: file.writestr(info("a.png", stat.S_IFLNK | 0o777), b"/etc/passwd"), "a link"),
    "nested": (lambda file: file.writestr("inner.zip", b"x"), "archive in an archive"),
    "nested tar": (lambda file: file.writestr("inner.tar.gz", b"x"), "archive in an archive"),
    "no pictures": (lambda file: file.writestr("a.txt", b"x"), "expected PNG or JPEG.*a.txt"),
    "nothing": (lambda file: None, "no files"),
    "bomb": (lambda file: file.writestr("a.png", bytes(2**27), zipfile.ZIP_DEFLATED), "are no pictures"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_before_anything_is_read(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    write_in, sentence = HOSTILE[name]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
        write_in(file)
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with pytest.raises(DataError, match=sentence):
        at(tmp_path / "z.zip")


def directory_of(*endings: bytes, each: int) -> bytes:
    """A directory of empty members that all lie at the file's start, as no program writes it."""
    fields = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    directory = b"".join(fields + b"%06d" % i + ending for i in range(each) for ending in endings)
    count = each * len(endings)
    big = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    place = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return directory + big + place + end


def test_a_hundred_thousand_files_are_refused_by_the_directory(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(directory_of(b".png", each=100_000))
    with pytest.raises(DataError, match=r"100,000 files are too many.*50,000"):
        at(tmp_path / "z.zip")


def test_many_files_beside_many_pictures_take_no_square_of_their_number(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(directory_of(b".png", b".txt", each=20_000))
    began = time.process_time()
    found = at(tmp_path / "z.zip")
    assert time.process_time() - began < 5
    assert (found.count, len(found.skipped)) == (20_000, 20_000)


def test_a_zip_that_lies_about_sizes_reads_no_more_than_it_says(tmp_path: Path) -> None:
    real = encoded(picture(1))
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.png", bytes(2**24))
        file.writestr("b.png", real)
    data = bytearray((tmp_path / "z.zip").read_bytes())
    at_entry = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at_entry + 24, 100)  # the size, expanded
    (tmp_path / "z.zip").write_bytes(data)
    tracemalloc.start()
    report, _ = survey(at(tmp_path / "z.zip"), quiet)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.images == 1
    assert [name for name, _ in report.skips] == ["a.png"]
    assert "damaged in the zip" in report.skips[0][1]
    assert peak < 2**23
    struct.pack_into("<I", data, at_entry + 20, 2**31)  # packed
    (tmp_path / "z.zip").write_bytes(data)
    with pytest.raises(DataError, match="promises more bytes than the file has"):
        at(tmp_path / "z.zip")


def test_totals_encryption_and_damage(tmp_path: Path, monkeypatch: Any) -> None:
    folder = two_classes(tmp_path / "pets", 3)
    path = zipped(folder, tmp_path / "z.zip")
    monkeypatch.setattr(archive, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match="expands to"):
        at(path)
    monkeypatch.undo()
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02", data.index(b".png")) + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(DataError, match="encrypted"):
        at(tmp_path / "locked.zip")
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cut off, damaged or no zip"):
        at(tmp_path / "cut.zip")
    for wrong, sentence in (("none.zip", "found nothing"), ("a.svg", r"expected .*\.svg"), ("empty.zip", "no zip")):
        if wrong != "none.zip":
            write(tmp_path, wrong, b"")
        with pytest.raises(DataError, match=sentence):
            at(tmp_path / wrong)


def parquet(path: Path, columns: dict[str, Any], **settings: Any) -> Path:
    pq.write_table(pa.table(columns), path, **settings)
    return path


def test_parquet_with_bytes_or_structs_labels_and_names(tmp_path: Path) -> None:
    images = [encoded(picture(i), "JPEG") for i in range(12)]
    columns = {"image": images, "label": ["x", "y"] * 6, "split": ["train"] * 9 + ["test"] * 3}
    plain = at(parquet(tmp_path / "a.parquet", columns))
    assert read(plain)["row 10"] == ("x", "test")
    assert [entry.read() for entry in plain.entries()] == images
    rows = [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(images)]
    arrow = pa.table({"other": list(range(12)), "img": rows, "label": [i % 3 for i in range(12)]})
    about = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog", "=cow"]}}}}
    pq.write_table(arrow.replace_schema_metadata({"huggingface": json.dumps(about)}), tmp_path / "b.parquet")
    assert read(at(tmp_path / "b.parquet"))["5.jpg, row 5"] == ("=cow", None)
    folder = tmp_path / "many"
    folder.mkdir()
    for name in ("train-00000", "test-00000"):
        parquet(folder / f"{name}.parquet", {"image": images[:2]})
    parts = read(at(folder))
    assert parts == {f"{part}-00000.parquet, row {i}": (None, part) for part in ("train", "test") for i in range(2)}


def test_parquet_is_refused_by_its_footer(tmp_path: Path, monkeypatch: Any) -> None:
    images = [encoded(picture(i)) for i in range(4)]
    for columns, sentence in (
        ({"label": [1, 2]}, r"expected a column of PNG or JPEG bytes.*label \(int64\)"),
        ({"image": ["a.png", "b.png"]}, r"image \(string\)"),
    ):
        with pytest.raises(DataError, match=sentence):
            at(parquet(tmp_path / "x.parquet", columns))
    path = parquet(tmp_path / "y.parquet", {"image": images})
    for limit, value, sentence in (("MOST_GROUP", 100, "row group 0 takes"), ("MOST_ROWS", 3, "4 rows are too many")):
        with monkeypatch.context() as patch:
            patch.setattr(table, limit, value)
            with pytest.raises(DataError, match=sentence):
                at(path)
    for cut in (10, len(path.read_bytes()) - 20):
        (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(DataError, match="cut off, damaged or no parquet"):
            at(tmp_path / "cut.parquet")
    data = bytearray(path.read_bytes())
    data[20:120] = bytes(100)  # of the first page
    (tmp_path / "hurt.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"damaged|no picture can be used"):
        survey(at(tmp_path / "hurt.parquet"), quiet)
    told = parquet(tmp_path / "label.parquet", {"image": images, "label": [0, 1, 0, 1]})
    before, after = (
        b"\x15\x04%\x02\x18\x05label",
        b"\x15\x04&\x02\x18\x05label",
    )  # no more optional: its counts do not fit
    assert before in told.read_bytes()
    told.write_bytes(told.read_bytes().replace(before, after, 1))
    with pytest.raises(DataError, match="damaged after row 0"):  # by which pyarrow would end the process
        list(at(told).entries())
    rows, _ = survey(at(parquet(tmp_path / "z.parquet", {"image": [*images, None, b"", b"no"]})), quiet)
    assert [reason for _, reason in rows.skips] == ["the row holds no bytes"] * 2 + ["not a PNG or a JPEG"]


def test_arrays_keep_rows_labels_and_a_given_split(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 9, 7, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", images)
    found = at(tmp_path / "a.npy")
    entries = list(found.entries())
    assert [entry.name for entry in entries] == [f"row {i}" for i in range(20)]
    assert all(np.array_equal(entry.read(), image) for entry, image in zip(entries, images, strict=True))
    labels = {"y_train": np.arange(15) % 2, "y_test": np.ones(5, int)}
    np.savez(tmp_path / "k.npz", x_train=images[:15], x_test=images[15:], **labels)
    keras = read(at(tmp_path / "k.npz"))
    assert keras["x_train row 3"] == ("1", "train")
    assert keras["x_test row 4"] == ("1", "test")
    split = np.array(["train", "test"] * 10)
    np.savez(tmp_path / "s.npz", images=images[..., 0] / 255, split=split)
    given = {entry.name: entry for entry in at(tmp_path / "s.npz").entries()}
    assert {name: entry.part for name, entry in given.items()} == {f"row {i}": split[i] for i in range(20)}
    assert np.array_equal(given["row 7"].read(), images[7, :, :, 0])
    np.savez(tmp_path / "r.npz", images=images[..., 0] * 100.0, support="real")
    with pytest.raises(DataError, match="real numbers are no grey levels"):
        at(tmp_path / "r.npz")
    np.save(tmp_path / "o.npy", np.array([{}] * 12, object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        at(tmp_path / "o.npy")
    np.save(tmp_path / "n.npy", np.full((12, 3, 3), np.nan))
    with pytest.raises(DataError, match="finite"):
        dropped([("nan.npy", tmp_path / "n.npy")])


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def hurt(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


BAD = {
    "empty": (b"", "the file is empty"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG or a JPEG"),
    "gif": (encoded(picture(0), "GIF"), "not a PNG or a JPEG"),
    "cut": (encoded(picture(0))[:200], "cannot be read"),
    "cut jpeg": (encoded(picture(0), "JPEG")[:400], "cannot be read"),
    "checksum": (hurt(encoded(picture(0))), "cannot be read"),
    "bomb": (png_claiming(30_000, 30_000), "too many|far too many"),
    "lies": (png_claiming(3000, 3000), "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_picture_is_skipped_with_its_reason(name: str, tmp_path: Path) -> None:
    data, sentence = BAD[name]
    folder = two_classes(tmp_path / "pets", 1)
    write(folder, "dog/bad.png", data)
    tracemalloc.start()
    report, _ = survey(at(folder), quiet)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.images, report.skipped) == (2, 1)
    assert report.skips[0][0] == "dog/bad.png"
    assert any(words in report.skips[0][1] for words in sentence.split("|")), report.skips
    assert peak < 2**24


def test_a_picture_too_large_for_memory_is_not_read(tmp_path: Path, monkeypatch: Any) -> None:
    folder = two_classes(tmp_path / "pets", 2)
    monkeypatch.setattr("vae.datasets.own.decode.MOST_BYTES", 100)
    with pytest.raises(DataError, match=r"no picture can be used.*too many"):
        survey(at(folder), quiet)


def test_pictures_of_every_kind_come_through(tmp_path: Path) -> None:
    """16 bits, 1x1, CMYK, palette, alpha, animated, turned by EXIF (fault 30)."""
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = Image.fromarray((np.linspace(0, 65535, 1200).reshape(30, 40)).astype(np.uint16))
    kinds = {
        "deep.png": encoded(deep),
        "one.png": encoded(picture(1, 1, 1)),
        "cmyk.jpg": encoded(picture(2).convert("CMYK"), "JPEG"),
        "palette.png": encoded(picture(3).convert("P")),
        "alpha.png": encoded(picture(4).convert("RGBA")),
        "moving.png": encoded(picture(5), "PNG", save_all=True, append_images=[picture(6)]),
        "turned.jpg": encoded(picture(7), "JPEG", exif=turned),
    }
    for name, data in kinds.items():
        write(tmp_path, name, data)
    report, samples = survey(at(tmp_path), quiet)
    assert (report.images, report.skipped) == (7, 0)
    assert report.modes == {"RGB": 3, "I;16": 1, "CMYK": 1, "P": 1, "RGBA": 1}
    assert report.sizes["30 x 40"] == 1  # the one on its side
    seen = {entry.name: open_entry(entry) for entry in samples}
    assert np.ptp(np.asarray(seen["deep.png"].image)) == 255
    assert seen["turned.jpg"].image.size == (30, 40)
