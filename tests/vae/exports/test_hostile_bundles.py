"""Bundles of strangers: whatever is in one, it is one sentence, nothing is left in the folder of runs, and memory stays
bounded; or it was harmless, and then the run is sound."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import shutil
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from vae import files, runs
from vae.errors import ElboRoomError
from vae.exports.bundle import write_bundle
from vae.exports.bundle_import import import_bundle
from vae.exports.bundle_layout import LIGHT, WHOLE
from vae.files import sha256

Members = dict[str, bytes]
MOST_MEMORY = 200e6  # bytes that Python may take on the way to a sentence


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def bundles(made: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder, found = tmp_path_factory.mktemp("bundles"), {}
    for name, kind in (("full", WHOLE), ("file", LIGHT), ("loop", WHOLE)):
        write_bundle(runs.load_run(made(name)), kind, folder / f"{name}.zip")
        found[name] = (folder / f"{name}.zip").read_bytes()
    return found


def members(data: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: Members, signed: bool = True, packing: int = zipfile.ZIP_STORED, **about: Any) -> bytes:
    """A bundle of these files; signed: with a manifest that knows them, as a hostile writer makes it."""
    if signed:
        manifest = json.loads(content["manifest.json"])
        manifest["files"] = {name: sha256(data) for name, data in content.items() if name != "manifest.json"}
        content = {**content, "manifest.json": json.dumps(manifest | about).encode()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def take(data: bytes, folder: Path) -> str:
    """The sentence about a bundle that is refused, "" for one that became a sound run."""
    folder.mkdir(exist_ok=True)
    (folder / "b.zip").write_bytes(data)
    root = folder / "runs"
    try:
        path = import_bundle(folder / "b.zip", root)
    except ElboRoomError as error:
        assert not root.exists() or list(root.iterdir()) == []
        said = str(error)
        assert said.startswith("b.zip"), said
        assert len(said) < 700
        assert said.isprintable()
        return said
    run = runs.load_run(path)
    assert all(value.isfinite().all() for value in run.model.state_dict().values())
    assert [one.name for one in root.iterdir()] == [path.name]
    shutil.rmtree(path)
    return ""


@pytest.mark.parametrize("name", ["full", "file", "loop"])
def test_flipped_bytes_are_found_or_harmless(name: str, bundles: dict[str, bytes], tmp_path: Path) -> None:
    data, rng = bundles[name], random.Random(name)
    listed = data.rindex(b"PK\x05\x06")
    start = int.from_bytes(data[listed + 16 : listed + 20], "little")
    places = rng.sample(range(len(data)), 40) + rng.sample(range(start, len(data)), 30)  # the directory twice as often
    said = [take(_flipped(data, place, rng.randrange(1, 256)), tmp_path) for place in places]
    assert sum(map(bool, said)) > 35


def _flipped(data: bytes, place: int, bits: int) -> bytes:
    return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def test_cut_off_anywhere(bundles: dict[str, bytes], tmp_path: Path) -> None:
    data = bundles["file"]
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1 / len(data)):
        assert take(data[: int(share * len(data))], tmp_path)
    assert take(data[len(data) // 3 :], tmp_path)
    assert take(b"garbage" * 100, tmp_path)
    assert take(data, tmp_path) == ""  # none of it was because of something else


def info(name: str, mode: int = 0o644, flags: int = 0) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr, made.create_system, made.flag_bits = mode << 16, 3, flags
    return made


NAMES = {
    "parent": "../escaped.txt", "inner parent": "moments/../../escaped.txt", "absolute": "/tmp/escaped.txt",
    "drive": "C:\\escaped.txt", "backslashes": "..\\escaped.txt", "other case": "CONFIG.json", "spaces": "config.json ",
    "folder": "moments/", "pickle": "optimiser.pkl", "code": "run.py", "nested": "inner.zip", "hidden": ".bashrc",
    "owner": "owner.json", "lock": "lock", "origin": "origin.json", "weights twice": "weights.safetensors",
    "letters": "ｃonfig.json", "nul": "config.json\0x", "long": "a" * 60_000, "terminal": "\x1b[2J.json",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", NAMES)
def test_only_known_names_are_unpacked(name: str, bundles: dict[str, bytes], tmp_path: Path) -> None:
    content = members(bundles["file"]) | {NAMES[name]: b"x"}
    before = {str(one) for one in tmp_path.rglob("*")}
    assert take(zipped(content), tmp_path / "in")
    left = {str(one) for one in tmp_path.rglob("*")} - before
    assert left <= {str(tmp_path / "in"), str(tmp_path / "in/b.zip"), str(tmp_path / "in/runs")}
    assert not Path("/tmp/escaped.txt").exists()


def changed(place: str, **values: Any) -> Callable[[Members], Members]:
    """A JSON file with other values, `config.latent_dim=3` written config__latent_dim."""

    def change(content: Members) -> Members:
        whole = json.loads(content[place])
        for key, value in values.items():
            at, *path = whole, *key.split("__")
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = value
        return content | {place: json.dumps(whole).encode()}

    return change


def file(name: str, data: bytes | Callable[[Members], bytes]) -> Callable[[Members], Members]:
    return lambda content: content | {name: data(content) if callable(data) else data}


def weights(change: Callable[[dict[str, torch.Tensor]], Any], name: str = "model.safetensors") -> Any:
    def made(content: Members) -> bytes:
        tensors = load(content[name])
        change(tensors)
        return save(tensors, {"step": "1", "values": json.dumps({"history_bytes": 0, "step": 1})})

    return file(name, made)


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    next(value for value in tensors.values() if value.ndim == 2 and value.is_floating_point())[0, 0] = torch.nan


def _without(name: str) -> Callable[[Members], Members]:
    return lambda content: {one: data for one, data in content.items() if one != name}


def _npz(**arrays: Any) -> bytes:
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)
    return made.getvalue()


DEEP, HUGE = b"[" * 100_000 + b"]" * 100_000, b'{"bundle": 1' + b"0" * 5000 + b"}"
PICKLE = pickle.dumps({"harm": print})
HOSTILE: dict[str, tuple[Callable[[Members], Members], str]] = {
    "nan weights": (weights(_nan), "not finite"),
    "an unknown weight": (weights(lambda t: t.update(extra=torch.zeros(3))), "unexpected 'extra'"),
    "a lost weight": (weights(lambda t: t.pop(sorted(t)[0])), "lacks"),
    "a pickle for weights": (file("model.safetensors", PICKLE), "model|weights"),
    "no weights": (file("model.safetensors", b""), "weights.safetensors"),
    "a header without end": (file("model.safetensors", struct.pack("<Q", 2**62) + b"{"), "weights.safetensors"),
    "nan state": (weights(_nan, "resume/state.safetensors"), "not finite"),
    "a state of another model": (
        weights(lambda t: t.update({"model.decoder.0.weight": torch.zeros(3, 3)}), "resume/state.safetensors"),
        "state.safetensors",
    ),
    "a pickle for a state": (file("resume/state.safetensors", PICKLE), "state.safetensors"),
    "a state from the future": (
        lambda content: content | {"history.jsonl": content["history.jsonl"][:100].rpartition(b"\n")[0]},
        "history",
    ),
    "a replay without state": (
        lambda content: _without("resume/state.safetensors")(content | {"resume/replay.json": b"{}"}), "replay",
    ),
    "another version": (changed("config.json", format=99), "newer version"),
    "no config": (_without("config.json"), "missing"),
    "config of a giant": (changed("config.json", config__hidden=[2**20, 2**20]), "should have shape"),
    "config of a stranger": (changed("config.json", config__network="transformer"), "update ELBO Room"),
    "config of nothing": (file("config.json", b"{}"), "config.json"),
    "deep config": (file("config.json", DEEP), "config.json"),
    "a file of this machine": (changed("config.json", config__dataset="/etc/passwd", data__digest=None), "digest"),
    "history of nonsense": (file("history.jsonl", b'{"step": "x"}\n'), "history.jsonl.*line 1"),
    "history in one line": (file("history.jsonl", b'{"step": 1, "x": "' + b"a" * 2**21 + b'"}\n'), "history.jsonl"),
    "status of a living": (changed("status.json", state="running"), "status.json.*finished"),
    "status of nonsense": (file("status.json", b"[]"), "status.json"),
    "knobs of nonsense": (changed("knobs.json", C=-1), "knobs.json"),
    "no knobs": (_without("knobs.json"), "missing"),
    "sweep of nonsense": (changed("sweep.json", varies=["flux"]), "sweep.json"),
    "live of a lie": (file("preview/live.bin", b"\xff" * 50), "preview"),
    "held-out pickle": (file("preview/heldout.npz", _npz(images=np.array([print], object))), "heldout"),
    "held-out bomb": (file("preview/heldout.npz", _npz(images=np.zeros((2**28,), np.uint8))), "expand to"),
    "held-out nonsense": (file("preview/heldout.npz", b"PK" * 30), "heldout"),
    "own images of a run that has none": (file("images.npz", _npz(images=np.zeros((3, 1, 8, 8)))), "images.npz"),
    "moment unknown": (file("moments/000000000099.safetensors", b"x"), "no moment of the index"),
    "moments without index": (_without("moments/index.json"), "moments"),
    "moment of a lie": (lambda content: content | {_first_moment(content): b"x"}, "damaged"),
}  # fmt: skip


def _first_moment(content: Members) -> str:
    return next(name for name in content if name.startswith("moments/0"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_signed_lie_is_one_sentence(name: str, bundles: dict[str, bytes], tmp_path: Path) -> None:
    change, said = HOSTILE[name]
    content = change(members(bundles["full"]))
    data = zipped(content, packing=zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    sentence = take(data, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.search(said, sentence), sentence
    assert peak < MOST_MEMORY


def _raw(content: Members, write: Callable[[zipfile.ZipFile], None]) -> bytes:
    made = io.BytesIO(zipped(content))
    with zipfile.ZipFile(made, "a") as archive:
        write(archive)
    return made.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_lying_directory_is_one_sentence(bundles: dict[str, bytes], tmp_path: Path) -> None:
    content = members(bundles["file"])
    link = _raw(_without("README.md")(content), lambda a: a.writestr(info("README.md", stat.S_IFLNK | 0o777), b"/etc"))
    twice = _raw(content, lambda archive: archive.writestr("config.json", b"{}"))
    assert "a link" in take(link, tmp_path)
    assert "two files of one name" in take(twice, tmp_path)
    plain = zipped(content)
    start = int.from_bytes(plain[-6:-2], "little")  # of the directory
    at = plain.rindex(b"PK\x01\x02", start, plain.index(b"model.safetensors", start))
    for offset, form, value, said in (
        (8, "<H", 1, "encrypted"),
        (10, "<H", 12, "way that is not read"),
        (20, "<I", 2**30, "more bytes than the file has"),
        (24, "<I", 17, "SHA-256|damaged"),
        (24, "<I", 2**31, "expand to|damaged"),
        (42, "<I", 10**6, "damaged|cut off"),
    ):
        lying = bytearray(plain)
        struct.pack_into(form, lying, at + offset, value)
        sentence = take(bytes(lying), tmp_path)
        assert re.search(said, sentence), (said, sentence)
    wrong = content | {"manifest.json": content["manifest.json"].replace(b'"files"', b'"file"')}
    assert "manifest.json" in take(zipped(wrong, signed=False), tmp_path)
    assert "another SHA-256" in take(zipped(content | {"README.md": b"hello"}, signed=False), tmp_path)
    for manifest in (DEEP, HUGE, b"{}", b"[]", PICKLE, b"", b'{"bundle": true}', b"a" * 2**20):
        assert "manifest.json" in take(zipped(content | {"manifest.json": manifest}, signed=False), tmp_path)
    assert "newer version" in take(zipped(content, bundle=2), tmp_path)
    for known, value in (("made", 1e300), ("made_by", "x" * 61), ("kind", "else"), ("name", 5), ("files", [])):
        assert take(zipped(content, **{known: value}), tmp_path)
    assert take(zipped(content, name="../../<img src=x>", made_by="<b>\u202e"), tmp_path) == ""


def test_bombs_are_judged_before_they_are_opened(bundles: dict[str, bytes], tmp_path: Path) -> None:
    content = members(bundles["file"])
    zeros = {"history.jsonl": bytes(2**27), "README.md": b"x"}
    tracemalloc.start()
    assert "are no run" in take(zipped(content | zeros, packing=zipfile.ZIP_DEFLATED), tmp_path)
    fields = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0)
    directory = b"".join(fields + b"%06d.png" % i for i in range(100_000))
    big = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 100_000, 100_000, len(directory), 0)
    place = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    said = take(directory + big + place + end, tmp_path)
    assert "too many for 120 files" in said
    short = directory[: 150 * 56]
    few = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(short), 0, 0)  # it says one, and lists 150
    assert "it lists 150 files; at most 120" in take(short + few, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160e6  # 2²⁷ zeros of this test, and no expanded file


def test_what_a_picture_or_a_model_is_is_no_bundle(tmp_path: Path) -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n" + bytes(500), PICKLE, b'{"a": 1}', zipped({"a.txt": b"x"}, signed=False)):
        assert take(data, tmp_path)
