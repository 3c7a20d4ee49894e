"""Targets: arrays, pictures, previews, weights, networks, archives, bundles."""

from __future__ import annotations

import hashlib
import io
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tests.damage import fuzz_inputs as inputs
from tests.damage.fuzz_target import DEMO, REFUSALS, Target, in_file
from tests.vae.exchange import onnx_writing as onnx
from ui.live import live
from vae import runs
from vae.config import Config
from vae.datasets import arrays
from vae.datasets.own.entries import Found, at
from vae.datasets.pictures import SIDE, read_picture
from vae.exchange.foreign_model import Meaning, build
from vae.exports.bundle import write_bundle
from vae.exports.bundle_import import import_bundle
from vae.runs import checked_arrays, preview_file, ship, start
from vae.runs.weights import model_with
from vae.space import fit_process


def binary_targets(room: Path) -> Iterable[Target]:
    """Arrays, pictures, previews, weights, networks, archives."""
    path = shutil.copytree(DEMO, room / "binary")
    (path / "manifest.json").write_text('{"format": 1, "files": {}}')
    live_bin = (DEMO / "preview/live.bin").read_bytes() if (DEMO / "preview/live.bin").is_file() else _preview()

    def preview(data: bytes) -> None:
        found = preview_file.read_header(data)
        assert len(data) == found.at + 2 * found.count * found.height * found.width * found.channels
        assert live.thumbnail_png(data).startswith(b"\x89PNG")

    yield Target("preview", (live_bin, _preview()), inputs.framed(inputs.as_json), preview, 4)
    frame = fit_process.pack_frame(fit_process.Frame(1, 2, np.zeros((3, 2), np.float32), 0.5))
    yield Target("map frame", (frame,), inputs.framed(inputs.as_json), fit_process.unpack_frame, 2)

    npz = _npz(
        images=np.zeros((12, 8, 8), np.uint8),
        labels=np.arange(12) % 3,
        scale=np.array(255),
        codes=np.zeros((12, 2), np.float32),
    )
    as_npz = inputs.as_zip(inputs.as_npy)

    def numbers(data: bytes) -> None:
        for array in checked_arrays.read_arrays(data).values():
            assert array.dtype.kind in "biuf"
            assert np.isfinite(array).all()

    yield Target("npz", (npz,), as_npz, numbers, 10)
    yield Target(
        "npy", (_npy(np.zeros((2, 3), np.float32)), _npy(np.arange(9))), inputs.as_npy, checked_arrays.read_array, 2
    )
    shape = json.loads((DEMO / "config.json").read_bytes())["data"]["shape"]
    held = _npz(
        images=np.zeros((4, *shape), np.uint8),
        codes=np.zeros((4, 2), np.float32),
        scale=np.array(16),
        labels=np.arange(4),
        rows=np.arange(4),
    )
    yield Target("held-out images", (held,), as_npz, in_file(path / ship.HELD_OUT, lambda: ship.held_out(path)), 14)

    floats = np.random.default_rng(0).random((12, 8, 8)).astype(np.float32)
    own = (
        npz,
        _npz(x=floats, y=np.array(["a", "b"] * 6)),
        _npz(x_train=floats, x_test=floats, y_train=np.arange(12), y_test=np.arange(12)),
        _npz(images=floats[..., None].repeat(3, -1), support=np.array("real"), split=np.array(["train", "test"] * 6)),
    )
    for name, seeds, mutate in (("images.npz", own, as_npz), ("images.npy", (_npy(floats),), inputs.as_npy)):
        file = room / "own" / name

        def described(file: Path = file) -> None:
            found = arrays._load(file).info  # what describe() keeps by the file's time
            assert found.train > 0
            assert math.prod(found.shape) > 0

        yield Target(name, seeds, mutate, in_file(file, described), 20)

    def picture(data: bytes) -> None:
        for channels in (1, 3):
            found, _ = read_picture(data, channels)
            assert max(found.shape[:2]) <= SIDE
            assert found.shape[2] == channels
            assert 0 <= found.min() <= found.max() <= 1

    yield Target("pictures", tuple(pictures()), inputs.as_png, picture, 12)
    yield from archive_targets(room)
    yield from model_targets(room, path)


def archive_targets(room: Path) -> Iterable[Target]:
    """Zips of pictures, parquet, run bundles."""
    png, jpeg = (made := list(pictures()))[0], made[-1]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in (("cat/1.png", png), ("dog/2.jpg", jpeg), ("test/cat/3.png", png), ("notes.txt", b"x")):
            archive.writestr(name, data)

    def found_at(file: Path) -> Callable[[], None]:
        def read() -> None:
            found: Found = at(file)
            for entry in found.entries():
                try:
                    entry.read()
                except REFUSALS:
                    continue

        return read

    yield Target(
        "zip of pictures",
        (packed.getvalue(),),
        inputs.as_zip(inputs.as_bytes),
        in_file(room / "own/x.zip", found_at(room / "own/x.zip")),
        10,
    )
    yield Target(
        "parquet",
        (parquet_of(png),),
        inputs.as_bytes,
        in_file(room / "own/x.parquet", found_at(room / "own/x.parquet")),
        10,
    )

    written = room / "sound.zip"
    write_bundle(runs.load_run(DEMO), "bare", written, made_by="Ada")
    there = room / "imported"

    def taken_in(data: bytes) -> None:
        (room / "bundle.zip").write_bytes(data)
        try:
            path = import_bundle(room / "bundle.zip", there)
            assert path.parent == there
            assert runs.clean_name(path.name) == path.name
            assert {file.name for file in path.iterdir()} <= {
                "config.json",
                "weights.safetensors",
                "history.jsonl",
                "status.json",
                "knobs.json",
                "manifest.json",
                "preview",
                "moments",
                "resume",
                "images.npz",
                "origin.json",
                "sweep.json",
            }
        except REFUSALS:
            assert not there.is_dir() or not list(there.iterdir()), "something is left"
            raise
        finally:
            shutil.rmtree(there, ignore_errors=True)

    def signed(members: dict[str, bytes]) -> None:
        try:
            about = json.loads(members["manifest.json"])
            about["files"] = {
                name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != "manifest.json"
            }
            members["manifest.json"] = json.dumps(about).encode()
        except (KeyError, ValueError, TypeError, RecursionError):
            pass

    yield Target("bundle", (written.read_bytes(),), inputs.as_zip(_member, signed), taken_in, 60)


def _member(random: Any, seeds: Any) -> bytes:
    data = seeds[0]
    if data[:1] in (b"{", b"["):
        return (inputs.as_lines(inputs.as_json) if b"}\n{" in data else inputs.as_json)(random, seeds)
    if data[8:9] == b"{":
        return inputs.framed(inputs.as_json, size=8)(random, seeds)
    return inputs.as_bytes(random, seeds)


def model_targets(room: Path, path: Path) -> Iterable[Target]:
    """Weights and networks of others."""
    weights = (DEMO / runs.WEIGHTS).read_bytes()

    def opened(data: bytes) -> None:
        model = model_with(path, data, runs.WEIGHTS)
        with torch.no_grad():
            assert model.decode(torch.zeros(1, 2)).mean.shape[0] == 1

    yield Target("weights", (weights,), inputs.framed(inputs.as_json, size=8), opened, 30)
    from safetensors.torch import save

    state = save({"model.a": torch.zeros(3), "order": torch.zeros(2)}, {"values": '{"history_bytes": 3, "step": 1}'})
    yield Target(
        "state", (state,), inputs.framed(inputs.as_json, size=8), lambda data: start.unpack_state(data, "x"), 4
    )

    config, shape = Config(latent_dim=2, C=1.0), (1, 2, 3)
    encoder, decoder = onnx.dense(6, 4, x="image"), onnx.dense(2, 6)
    x = [onnx.end("x", ["N", 1, 2, 3])]
    ones = [
        onnx.tensor("w", np.ones((2, 1, 1, 1), np.float32)),
        onnx.tensor("m", np.ones((12, 4), np.float32)),
        onnx.tensor("s", np.array([-1, 12])),
    ]
    deep = onnx.model(
        [
            onnx.node("Conv", ["x", "w"], ["a"], kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0]),
            onnx.node("Relu", ["a"], ["b"]),
            onnx.node("Reshape", ["b", "s"], ["c"]),
            onnx.node("MatMul", ["c", "m"], ["d"]),
            onnx.node("Add", ["d", "d"], ["y"]),
        ],
        ones,
        x,
        [onnx.end("y", ["N", 4])],
    )
    wide = onnx.model(
        [
            onnx.node("Gemm", ["z", "v"], ["a"], transB=1),
            onnx.node("Reshape", ["a", "t"], ["b"]),
            onnx.node("Resize", ["b", "", "f"], ["c"], mode="nearest"),
            onnx.node("Transpose", ["c"], ["d"], perm=[0, 1, 2, 3]),
            onnx.node("Slice", ["d", "from", "to", "axes"], ["e"]),
            onnx.node("Sigmoid", ["e"], ["y"]),
        ],
        [
            onnx.tensor("v", np.ones((6, 2), np.float32)),
            onnx.tensor("t", np.array([-1, 1, 2, 3])),
            onnx.tensor("f", np.array([1, 1, 2, 2], np.float32)),
            onnx.tensor("from", np.array([0, 0])),
            onnx.tensor("to", np.array([2, 3])),
            onnx.tensor("axes", np.array([2, 3])),
        ],
        [onnx.end("z", ["N", 2])],
        [onnx.end("y", ["N", 1, 2, 3])],
    )

    def as_encoder(data: bytes) -> None:
        assert build(data, decoder, shape, config, Meaning()).k >= 1

    def as_decoder(data: bytes) -> None:
        model = build(encoder, data, shape, config, Meaning())
        with torch.no_grad():
            assert model.decode(torch.zeros(1, 2)).mean.shape == (1, 1, 2, 3)

    yield Target("ONNX encoder", (encoder, deep), inputs.as_protobuf, as_encoder, 12)
    yield Target("ONNX decoder", (decoder, wide), inputs.as_protobuf, as_decoder, 14)


def _preview() -> bytes:
    from vae.runs.preview import pack

    return pack(5, np.zeros((2, 4, 4, 1), np.uint8), np.zeros((2, 4, 4, 1), np.uint8))


def _npz(**named: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **named)
    return file.getvalue()


def _npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def pictures() -> Iterable[bytes]:
    """PNGs of every kind, then a JPEG."""
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for mode in ("L", "RGB", "RGBA", "P", "1", "LA", "I;16"):
        image = (
            Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900)
            if mode == "I;16"
            else grey.convert(mode)
        )
        file = io.BytesIO()
        image.save(file, "PNG")
        yield file.getvalue()
    file = io.BytesIO()
    grey.convert("RGB").save(
        file, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    )
    yield file.getvalue()


def parquet_of(png: bytes) -> bytes:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {"image": [{"bytes": png, "path": "a.png"}] * 3, "label": [0, 1, 0], "split": ["train", "test", "train"]}
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()
