"""Every reader of what comes from outside, with sound inputs for it, and what an accepted one has to be.

A target's `read` takes the bytes of an input. It returns where they were accepted and what came of them holds, raises
what the reader refuses by (REFUSALS), and anything else is a fault.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser

from tests.damage import fuzz_inputs as inputs
from tests.vae.exchange import onnx_writing as onnx
from ui import gate, network
from ui.components.explore import FAR, read_z, z_fault
from ui.converter.questions import FIELDS
from ui.live import live
from ui.live.decoder import read_numbers, read_seed
from ui.map.view import methods_for
from ui.map.view import read_view as read_map_view
from ui.runs import owners
from ui.runs.gallery import read_card
from ui.suspects.view import read_view as read_suspects_view
from vae import runs
from vae.checked_json import Misfit
from vae.config import Config, parse_lr_schedule, parse_rows
from vae.datasets import arrays
from vae.datasets.own.entries import Found, at
from vae.datasets.pictures import SIDE, read_picture
from vae.diagnosis import results
from vae.diagnosis.suspects.export import read_without
from vae.diagnosis.suspects.marks import read_marks
from vae.errors import ElboRoomError
from vae.exchange.foreign_model import Meaning, build
from vae.exports.bundle import write_bundle
from vae.exports.bundle_import import import_bundle
from vae.runs import checked_arrays, history, knobs, live_knobs, moments, preview_file, ship, start, sweep_mark
from vae.runs.config_file import check_known
from vae.runs.origin import read_origin
from vae.runs.weights import model_with
from vae.space import fit_process

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"
REFUSALS = (ElboRoomError, Misfit)
Read = Callable[[bytes], object]


class Refused(ElboRoomError):
    """What a target makes of a refusal that the reader tells in another way than by an error of ours."""


@dataclass(frozen=True)
class Target:
    """read: see above. cost: how many inputs of the cheapest kind one of these takes; the shares of a run of N inputs
    go by it."""

    name: str
    seeds: tuple[bytes, ...]
    mutate: inputs.Mutator
    read: Read
    cost: int = 1


def _lines(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def in_file(file: Path, read: Callable[[], object]) -> Read:
    """Writes the input there, then reads."""
    file.parent.mkdir(parents=True, exist_ok=True)

    def write_and_read(data: bytes) -> object:
        with open(file, "wb") as written:
            written.write(data)
        return read()

    return write_and_read


def json_targets(room: Path) -> Iterable[Target]:
    """The JSON files of a run's folder, each in a run of its own."""
    sound = {name: (DEMO / name).read_bytes() for name in ("config.json", "knobs.json", "status.json", "manifest.json")}
    sound["status.json"] = json.dumps(
        json.loads(sound["status.json"]) | {"state": "running", "pid": 7, "host": "x"}
    ).encode()

    def target(name: str, file: str, read: Callable[[Path], object], *seeds: bytes, cost: int = 2) -> Target:
        path = shutil.copytree(DEMO, room / "json" / name, ignore=shutil.ignore_patterns("moments"))
        (path / "manifest.json").write_text('{"format": 1, "files": {}}')
        return Target(name, seeds or (sound[file],), inputs.as_json, in_file(path / file, lambda: read(path)), cost)

    def config(path: Path) -> None:
        found, data = runs.read_config(path)
        assert 1 <= found.latent_dim <= 100_000 and math.prod(data["shape"]) <= 1 << 28
        check_known(path, found)

    def manifest(path: Path) -> None:
        digest = runs.content_hash(path, runs.WEIGHTS)
        assert digest is None or re.fullmatch("[0-9a-f]{64}", digest)
        assert runs.is_shipped(path) in (True, False)

    def status(path: Path) -> None:
        found = runs.read_status(path)
        assert found.state in (*runs.ACTIVE, *runs.ENDED)
        if "cannot be read" in found.message:
            raise Refused(found.message)

    def owner(path: Path) -> None:
        if owners.recorded_owner(path) == owners.UNREADABLE:
            raise Refused("nobody's")

    def result(path: Path) -> None:
        if (found := results.read_result(path, "knows")).failed:
            raise Refused(found.failed)

    def working(path: Path) -> None:
        if results.read_status(path).state == "failed":
            raise Refused("failed")

    def fit(path: Path) -> None:
        if fit_process.read_fit(path).state == "failed":
            raise Refused("failed")

    def request(path: Path) -> None:
        start.request_of(path)

    yield target("config", "config.json", config, cost=4)
    yield target("status", "status.json", status, cost=4)
    yield target("knobs", "knobs.json", knobs.read_knobs)
    yield target("manifest", "manifest.json", manifest)
    yield target("owner", "owner.json", owner, *_lines('{"owner": "0123456789abcdef01234567"}', '{"owner": "tab-00"}'))
    mark = {"id": "0123456789abcdef", "name": "sweep", "varies": ["C", "seed"], "warm_from": "other"}
    yield target("sweep mark", "sweep.json", sweep_mark.chain_before, json.dumps(mark).encode())
    origin = {"made_by": "Ada", "made": 1e9, "imported": 1.1e9, "elbo_room": "1", "torch": "2"}
    yield target(
        "origin",
        "origin.json",
        lambda path: (found := read_origin(path)) and found.words(),
        json.dumps(origin).encode(),
    )
    yield target("moments", moments.INDEX, moments.list_moments, (DEMO / moments.INDEX).read_bytes(), cost=4)
    marked = {
        "format": 1,
        "data": {"name": "digits", "digest": None},
        "marks": [{"part": "train", "row": 3, "note": "x"}],
    }
    yield target(
        "marks", "suspects.json", lambda path: read_marks(path, {"name": "digits"}), json.dumps(marked).encode()
    )
    lines = {"lines": [{"step": 1, "knob": "C", "value": 0.5}, {"step": 2, "knob": "part", "value": "encoder"}]}
    yield target("replay", start.REPLAY, live_knobs.read_replay, json.dumps(lines | {"until": 9, "after": 1}).encode())
    yield target(
        "request", start.REQUEST, request, *_lines("{}", '{"epochs": 3}', '{"total_epochs": 3, "fresh": true}')
    )
    yield target("diagnosis", "knows.json", result, *RESULTS)
    yield target(
        "diagnosis status", "status.json", working, b'{"state": "finished", "version": 1, "weights": "", "message": ""}'
    )
    yield target(
        "fit status",
        "status.json",
        fit,
        b'{"state": "finished", "method": "pca", "part": "test", "weights": "", "n": 3}',
    )

    card = target("card", "status.json", lambda path: None, cost=12).read
    del card
    path = room / "json" / "card"
    files = {
        "config.json": sound["config.json"], "status.json": sound["status.json"], "knobs.json": sound["knobs.json"],
        "history.jsonl": HISTORY[0] + b"\n" + HISTORY[-1] + b"\n", "manifest.json": sound["manifest.json"], "origin.json": json.dumps(origin).encode(),
    }  # fmt: skip
    names = list(files)

    def read_damaged_card(data: bytes) -> None:
        number, content = data[0] % len(names), data[1:]
        (path / names[number]).write_bytes(content)
        try:
            found = read_card(path)
            assert "log says why" not in found.problem, found.problem
            if found.problem:
                raise Refused(found.problem)
        finally:
            (path / names[number]).write_bytes(files[names[number]])

    for name, content in files.items():
        (path / name).write_bytes(content)
    seeds = tuple(bytes([number]) + content for number, content in enumerate(files.values()))

    def mutate(random: Any, seeds: Any) -> bytes:
        one = random.choice(seeds)
        change = inputs.as_lines(inputs.as_json) if names[one[0]] == "history.jsonl" else inputs.as_json
        return one[:1] + bytes(change(random, [one[1:]]))

    yield Target("card", seeds, mutate, read_damaged_card, 12)


HISTORY = (
    (DEMO / "history.jsonl").read_bytes().splitlines()[0],
    *_lines(
        '{"step":5,"knob":"C","value":0.5}',
        '{"step":5,"knob":"part","value":"encoder"}',
        '{"step":1,"event":"resumed"}',
    ),
    (DEMO / "history.jsonl").read_bytes().splitlines()[-1],
)
ANSWER = {
    "title": "What z knows", "found": True, "shown": "0.9", "sentence": "It knows.", "explanation": "x", "threshold": "y",
    "protocol": "z", "numbers": {"a": 1.0}, "units": {"a": "nats"}, "picture": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "detail": "", "advice": [{"words": "Look", "page": "map", "query": {"i": "0"}}],
}  # fmt: skip
RESULTS = (
    json.dumps({"question": "q", "answer": ANSWER, "seconds": 1.0}).encode(),
    json.dumps({"question": "q", "answer": None, "why_not": "x"}).encode(),
)


def history_targets(room: Path) -> Iterable[Target]:
    """Lines and whole files."""
    path = shutil.copytree(DEMO, room / "history", ignore=shutil.ignore_patterns("moments"))

    def line(data: bytes) -> None:
        found = history.read_line(data)
        json.dumps(found, allow_nan=False).encode()
        assert type(found["step"]) is int

    def whole() -> None:
        if history.checked_history(path)[1]:
            raise Refused("lines left out")

    yield Target("history line", HISTORY, inputs.as_json, line)
    yield Target(
        "history", (b"\n".join(HISTORY),), inputs.as_lines(inputs.as_json), in_file(path / "history.jsonl", whole), 4
    )


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
            assert array.dtype.kind in "biuf" and np.isfinite(array).all()

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
        npz, _npz(x=floats, y=np.array(["a", "b"] * 6)), _npz(x_train=floats, x_test=floats, y_train=np.arange(12), y_test=np.arange(12)),
        _npz(images=floats[..., None].repeat(3, -1), support=np.array("real"), split=np.array(["train", "test"] * 6)),
    )  # fmt: skip
    for name, seeds, mutate in (("images.npz", own, as_npz), ("images.npy", (_npy(floats),), inputs.as_npy)):
        file = room / "own" / name

        def described(file: Path = file) -> None:
            found = arrays._load(file).info  # what describe() keeps by the file's time
            assert found.train > 0 and math.prod(found.shape) > 0

        yield Target(name, seeds, mutate, in_file(file, described), 20)

    def picture(data: bytes) -> None:
        for channels in (1, 3):
            found, _ = read_picture(data, channels)
            assert max(found.shape[:2]) <= SIDE and found.shape[2] == channels and 0 <= found.min() <= found.max() <= 1

    yield Target("pictures", tuple(_pictures()), inputs.as_png, picture, 12)
    yield from archive_targets(room)
    yield from model_targets(room, path)


def archive_targets(room: Path) -> Iterable[Target]:
    """Zips of pictures, parquet, run bundles."""
    png, jpeg = list(_pictures())[0], list(_pictures())[-1]
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
        (_parquet(png),),
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
            assert path.parent == there and runs.clean_name(path.name) == path.name
            assert {file.name for file in path.iterdir()} <= {
                "config.json", "weights.safetensors", "history.jsonl", "status.json", "knobs.json", "manifest.json", "preview", "moments",
                "resume", "images.npz", "origin.json", "sweep.json",
            }  # fmt: skip
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
            onnx.node("Conv", ["x", "w"], ["a"], kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0]), onnx.node("Relu", ["a"], ["b"]),
            onnx.node("Reshape", ["b", "s"], ["c"]), onnx.node("MatMul", ["c", "m"], ["d"]), onnx.node("Add", ["d", "d"], ["y"]),
        ],
        ones, x, [onnx.end("y", ["N", 4])],
    )  # fmt: skip
    wide = onnx.model(
        [
            onnx.node("Gemm", ["z", "v"], ["a"], transB=1), onnx.node("Reshape", ["a", "t"], ["b"]),
            onnx.node("Resize", ["b", "", "f"], ["c"], mode="nearest"), onnx.node("Transpose", ["c"], ["d"], perm=[0, 1, 2, 3]),
            onnx.node("Slice", ["d", "from", "to", "axes"], ["e"]), onnx.node("Sigmoid", ["e"], ["y"]),
        ],
        [
            onnx.tensor("v", np.ones((6, 2), np.float32)), onnx.tensor("t", np.array([-1, 1, 2, 3])), onnx.tensor("f", np.array([1, 1, 2, 2], np.float32)),
            onnx.tensor("from", np.array([0, 0])), onnx.tensor("to", np.array([2, 3])), onnx.tensor("axes", np.array([2, 3])),
        ],
        [onnx.end("z", ["N", 2])], [onnx.end("y", ["N", 1, 2, 3])],
    )  # fmt: skip

    def as_encoder(data: bytes) -> None:
        assert build(data, decoder, shape, config, Meaning()).k >= 1

    def as_decoder(data: bytes) -> None:
        model = build(encoder, data, shape, config, Meaning())
        with torch.no_grad():
            assert model.decode(torch.zeros(1, 2)).mean.shape == (1, 1, 2, 3)

    yield Target("ONNX encoder", (encoder, deep), inputs.as_protobuf, as_encoder, 12)
    yield Target("ONNX decoder", (decoder, wide), inputs.as_protobuf, as_decoder, 14)


def text_targets(room: Path) -> Iterable[Target]:
    """What an address, a header, a message or a form says."""
    query = _lines(
        "run=demo&method=dims&i=0&j=3&colour=rate&part=test&images=1", "z=1.46_-0.3_0.91&mode=traversal&dim=2",
        "part=train&kind=exact&sort=copies&order=flipped&k=10&label=3&page=2&second=mnist", "z=0.5,-1.2&seed=7&first=0&count=100",
        "likelihood=mse&reduction=mean&height=28&width=28&k=20&batch_size=128&range=unit&data_sd=0.3&C=1&code=",
    )  # fmt: skip

    def address(data: bytes) -> None:
        values = dict(QueryParams(data.decode(errors="replace")))
        for k, support in ((1, "real"), (2, "real"), (10, "real"), (8, "binary")):
            view, refused = read_map_view(values, k, support)
            assert (
                view.method in methods_for(k, support)
                and 0 <= view.i < k
                and 0 <= view.j < k
                and set(refused) <= set(values)
            )
            z, fault = read_z(values.get("z", ""), k, support), z_fault(values.get("z", ""), k, support)
            assert not (z and fault) and (z is None or (len(z) == k and all(abs(one) <= FAR for one in z)))
        view, refused = read_suspects_view(values, ("train", "test"), "elbo")
        assert view.page >= 1 and view.label >= -1 and set(refused) <= set(values)
        assert read_suspects_view(view.to_query(), ("train", "test"), "elbo")[1] == []
        for name, field in FIELDS.items():
            if name in values and (value := field.read(values[name])) is not None:
                assert field.read(field.write(value)) == value, name
        for read in (lambda: read_numbers(values.get("z", "")), lambda: read_seed(values.get("seed"))):
            try:
                read()
            except ValueError as error:
                assert str(error).startswith(("z: ", "seed: ")), error

    yield Target("query", query, inputs.as_text, address, 6)

    root = room / "names"
    (root / "demo").mkdir(parents=True)
    (root / "demo/config.json").write_text("{}")

    def name(data: bytes) -> None:
        text = data.decode(errors="surrogatepass")
        clean = runs.clean_name(text)
        assert (
            1 <= len(clean) <= 60
            and runs.clean_name(clean) == clean
            and clean[0] not in ".-"
            and not set(clean) & set("/\\\0:")
        )
        assert runs.run_path(text, root) == root / "demo"

    def surrogates(data: bytes) -> object:
        try:
            return name(data)
        except UnicodeDecodeError:
            raise Refused("no text") from None

    yield Target("run names", _lines("demo", "my run 2", "CON", "../demo", "-rf"), inputs.as_text, surrogates)

    def message(data: bytes) -> None:
        found = live.read_message(data.decode(errors="surrogateescape"))
        assert found is None or isinstance(found, (dict, list, str, int, float, bool))
        if found is None:
            raise Refused("no JSON")

    told = _lines('{"watch": "demo", "offset": 12, "file": "1-2"}', '{"unwatch": "demo"}')
    yield Target("live messages", told, inputs.as_json, message)
    yield Target("gate", GATE, inputs.as_text, through_the_gate, 8)

    rows = (
        b'part,row,note\ntrain,3,"=x"\ntest,4,\n',
        b'{"images": [{"part": "train", "row": 3}]}',
        b"train 3,5-9; test 17",
    )

    def without(data: bytes) -> None:
        number = data[0] % 3
        if number == 2:
            parse_rows(data[1:].decode(errors="replace"))
            return
        file = room / ("rows.csv" if number == 0 else "rows.json")
        file.write_bytes(data[1:])
        parse_rows(read_without(str(file)))

    def mutate(random: Any, seeds: Any) -> bytes:
        number = random.randrange(3)
        return bytes([number]) + bytes((inputs.as_text, inputs.as_json, inputs.as_text)[number](random, [rows[number]]))

    yield Target("rows left out", tuple(bytes([number]) + one for number, one in enumerate(rows)), mutate, without, 3)

    def schedule(data: bytes) -> None:
        parse_lr_schedule(data.decode(errors="replace"))

    yield Target("schedule", _lines("constant", "cosine", "steps:200=0.63,350=0.5"), inputs.as_text, schedule)
    settings = json.loads((DEMO / "config.json").read_bytes())["config"]

    def form(data: bytes) -> None:
        from vae.checked_json import fields, parse

        Config.from_json(fields()(parse(data)))

    yield Target("settings", (json.dumps(settings).encode(), b'{"C": 1, "hidden": [5]}'), inputs.as_json, form, 2)


KEY = bytes(32)
GATE = _lines(
    "Host: localhost:8501\nOrigin: http://localhost:8501\nAccept: text/html\nCookie: a=b",
    "Host: 127.0.0.1\nAccept: text/html\nX-Forwarded-Host: a.example\nX-Elbo-Room-Here: 1",
    "Host: [::1]:8501\nOrigin: null\nSec-Fetch-Dest: iframe\nSec-Fetch-Site: cross-site\nForwarded: for=1",
    "Host: evil.example\nOrigin: http://[\nCookie: elbo_room_x=a.b; elbo_room_x=c",
)
LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\.?(:\d{0,5})?", re.IGNORECASE | re.ASCII)


def through_the_gate(data: bytes) -> None:
    """Sends one request with these headers through the gate. What it lets in is, by another reading of the headers,
    from here; nobody is somebody without a signed cookie."""
    headers = []
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    scope: dict[str, Any] = {
        "type": "http",
        "path": "/",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"location", b"/x")]})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    try:
        gate.Gate(app)(scope, receive, send).send(None)
        raise AssertionError("the gate waits for something")
    except StopIteration:
        pass
    answer = dict(sent[0]["headers"])
    assert answer[b"x-frame-options"] == b"DENY" and b"content-security-policy" in answer
    read = Headers(raw=headers)
    network.origin_for_others(f"http://{read.get('host', '')}/")
    if sent[0]["status"] != 200:
        assert sent[0]["status"] == 403 and not seen
        raise Refused("403")
    host, origin = read.get("host", ""), read.get("origin")
    assert LOCAL.fullmatch(host), host
    assert origin is None or origin.lower().rstrip("/") in (f"http://{host}".lower(), f"https://{host}".lower()), origin
    assert scope["state"]["owner"] == "" or gate.visitor_id(cookie_parser(read.get("cookie", "")))
    here = [value for name, value in seen[0]["headers"] if name == gate.HERE.encode()]
    assert here in ([], [b"1"])


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


def _pictures() -> Iterable[bytes]:
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


def _parquet(png: bytes) -> bytes:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(
        {"image": [{"bytes": png, "path": "a.png"}] * 3, "label": [0, 1, 0], "split": ["train", "test", "train"]}
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def targets(room: Path) -> dict[str, Target]:
    """Returns all of them by name; their files lie in `room`, a folder of their own."""
    os.environ["ELBO_ROOM_RUNS"] = str(room / "runs")
    gate.signing_key.cache_clear()
    gate.signing_key(room / "runs")
    makers = (json_targets, history_targets, binary_targets, text_targets)
    return {target.name: target for make in makers for target in make(room)}
