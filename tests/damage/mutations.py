"""About 300 ways in which a run's folder can be damaged, as one table: name -> what is done to a copy of a sound run.

Whole files are replaced by rubbish; single fields get a value that is none of theirs; bytes are flipped and cut.
Where a file has a SHA-256 the wrong field is signed as well, as a faulty or hostile writer would.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from vae import runs
from vae.runs.ship import HELD_OUT

Mutation = Callable[[Path], None]
HUGE, DEEP = "1" + "0" * 400, "[" * 2000 + "]" * 2000
RUBBISH: dict[str, bytes] = {
    "empty": b"", "open-lists": b"[" * 2000, "deep-object": b'{"a":' * 2000 + b"1" + b"}" * 2000, "list": b"[]",
    "null": b"null", "number": b"5", "text": b'"x"', "object": b"{}", "no-utf8": b"\xff\xfe", "huge": HUGE.encode(),
    "zeros": bytes(300), "newlines": b"\r\n\r\n",
}  # fmt: skip
JSON_FILES = (
    "config.json", "status.json", "knobs.json", "manifest.json", "owner.json", "origin.json", "sweep.json",
    "history.jsonl",
)  # fmt: skip
FIELDS: dict[str, dict[str, tuple[str, ...]]] = {  # file -> field -> JSON of values that are none of its
    "config.json": {
        "format": ('"x"', "0", "2", HUGE, "null"),
        "config": ("[]", "null", DEEP),
        "config.dataset": ("5", "null", '"~nobody-here/x.npz"', '"a\\u0000b"', '"\\ud800"'),
        "config.binarize": ("[]", '"x"'),
        "config.likelihood": ("5", "null", '"poisson"', '"<img src=x>"'),
        "config.C": (HUGE, "1e309", "[]", '"x"', "-1", "NaN"),
        "config.latent": ("[]", "5", '"laplace"', "null"),
        "config.latent_dim": ("512", "0", "1000000000", HUGE, '"2"', "2.5", "true"),
        "config.network": ("[]", '"transformer"'),
        "config.hidden": ("5", '["x"]', '"16"', "[0]", DEEP, "null", "[65536, 65536]", "[1048576, 1048576]"),
        "config.activation": ('"gelu6"', "{}"),
        "config.objective": ('"e,bo"', "[]"),
        "config.estimator": ('"x"', "[]"),
        "config.samples": (HUGE, "null"),
        "config.epochs": (HUGE, '"x"', "null"),
        "config.batch_size": ("[]", "null"),
        "config.lr": ("null", HUGE, '"x"', "1e309"),
        "config.lr_schedule": ("5", "null", '"steps:x"'),
        "config.seed": (HUGE, "-1", "null", "9007199254740993"),
        "config.device": ('"apu"', "[]", "null"),
        "config.precision": ("[]", '"float8"'),
        "config.threads": (HUGE, "[]"),
        "config.flux": ("1.21",),
        "data": ("null", "[]", "5"),
        "data.name": ("5", "[]", "null", '"<a href=x>![y](z)</a>"', '"\\ud800"'),
        "data.shape": ("null", "[8, 8]", "[-1, 8, 8]", '["x", 8, 8]', "[1, 8, 100000000]", "[3, 8, 8]", HUGE),
        "data.classes": ("5", '["only one"]', "[[], {}]", '{"0": 1}'),
        "data.support": ("5", '"x"'),
        "data.scale": ('"x"', HUGE),
    },
    "status.json": {
        "state": ("[]", "5", '"flying"', "null"),
        "step": ('"x"', "-1", HUGE, "1.5"),
        "total_steps": ("[]", HUGE),
        "epoch": ("1e309", "{}"),
        "images_per_second": ('"x"', "NaN"),
        "seconds_left": ("1e309", "[]"),
        "message": ("5", "[]", '"\\ud800"', '"![x](http://127.0.0.1:9/k)"'),
        "heartbeat": ('"x"', HUGE),
        "pid": ('"x"', "[]"),
        "knobs_revision": (HUGE, "null"),
    },
    "knobs.json": {
        "C": ("[]", HUGE, '"x"', "-1"),
        "lr_factor": (HUGE, "0", "null"),
        "part": ("5", '"neither"', DEEP),
        "pace": ('"x"', "1e309", "[]"),
        "paused": ("5",),
        "steps_requested": (HUGE, '"x"'),
        "revision": ("null", '"x"'),
        "warp": ("9",),
    },
    "manifest.json": {
        "format": ('"x"',),
        "shipped": ("5", "[]"),
        "files": ("[]", "null", "5", DEEP),
        "files.weights\\safetensors": ("5", "[]", "[[]]", "{}", '["abc"]', HUGE),
        "files.config\\json": ("5", "[]", '["0"]'),
    },
    "sweep.json": {
        "id": ("5", "[]", "null", HUGE),
        "name": ("5", "null", '"<img src=x>![y](http://127.0.0.1:9/k)"', '"\\ud800"'),
        "varies": ("5", '["flux"]', '[["C"]]', DEEP),
        "warm_from": ("5", "[]", '"../../etc"', '"nobody"'),
    },
    "origin.json": {
        "made_by": ("5", "[]", "null", HUGE, '"\\ud800"', '"<img src=x>![y](http://127.0.0.1:9/k)"'),
        "made": ("1e300", "-1", HUGE, '"x"', "null"),
        "imported": ("[]",),
    },
    "owner.json": {"owner": ("5", "[]", "null", HUGE, '"\\ud800"')},
    "history.jsonl": {
        "step": ('"x"', HUGE, "null", "-1"),
        "C": ('"x"', "[]", HUGE, '"<img src=x>"'),
        "epoch": ("[]",),
        "test": ('"abc"', "5", "[]", "{}", DEEP),
        "train": ('"abc"', "null", "[]"),
        "test.distortion": ('"x"', "[]", HUGE, "1e309"),
        "test.rate": ('"x"', "{}"),
        "test.elbo": ('"x"', "null"),
        "test.images": ('"x"', "null"),
        "test.rate_per_dim": ('["a", "b"]', "5", '[[1], {}]', "[]"),
    },
}  # fmt: skip
LINES = {  # appended to the history
    "knob-without-value": '{"step":9,"knob":"C"}',
    "knob-picture": '{"step":9,"knob":"C","value":"![x](http://127.0.0.1:9977/k)"}',
    "knob-list": '{"step":9,"knob":"C","value":[]}',
    "knob-unknown": '{"step":9,"knob":"__class__","value":1}',
    "knob-is-a-list": '{"step":9,"knob":[],"value":1}',
    "part-number": '{"step":9,"knob":"part","value":5}',
    "event-list": '{"step":9,"event":[]}',
    "torn": '{"step": 9, "tra',
    "nan": '{"step": 9, "train": {"elbo": NaN}}',
}
MAPS = ("status.json", "request.json", "frame.bin", "final.npz", "codes.npy")


def whole(name: str, data: bytes) -> Mutation:
    return lambda path: (path / name).write_bytes(data)


def folder(name: str) -> Mutation:
    def change(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        (path / name).mkdir()

    return change


def in_a_file(name: str) -> Mutation:
    """A file lies where the run has a folder."""

    def change(path: Path) -> None:
        shutil.rmtree(path / name)
        (path / name).write_bytes(b"x")

    return change


def pipe(name: str) -> Mutation:
    """Reading it would wait for ever."""

    def change(path: Path) -> None:
        (path / name).unlink(missing_ok=True)
        os.mkfifo(path / name)

    return change


def field(name: str, where: str, value: str) -> Mutation:
    """Put JSON text into a field, and sign the file where it is one that has a sum."""

    def change(path: Path) -> None:
        text = (path / name).read_text() if (path / name).exists() else "{}"
        if name == "history.jsonl":
            lines = text.splitlines()
            (path / name).write_text("\n".join([*lines[:-1], with_value(lines[-1], where, value)]) + "\n")
        elif name == "config.json":
            runs.save_checked(path, {name: with_value(text, where, value).encode()})
        else:
            (path / name).write_text(with_value(text, where, value))

    return change


def with_value(text: str, where: str, value: str) -> str:
    content = inner = json.loads(text)
    *outer, last = [part.replace("\\", ".") for part in where.split(".")]
    for part in outer:
        inner = inner[part]
    inner[last] = "@@"
    return json.dumps(content).replace('"@@"', value)


def line(text: str) -> Mutation:
    def change(path: Path) -> None:
        with open(path / "history.jsonl", "a") as file:
            file.write(text + "\n")

    return change


def cut(name: str, share: float) -> Mutation:
    def change(path: Path) -> None:
        data = (path / name).read_bytes()
        (path / name).write_bytes(data[: round(share * len(data))])

    return change


def flipped(name: str, share: float, unsigned: bool = False) -> Mutation:
    def change(path: Path) -> None:
        data = bytearray((path / name).read_bytes())
        data[int(share * len(data))] ^= 0x10
        (path / name).write_bytes(data)
        if unsigned:
            without_sum(path, name)

    return change


def without_sum(path: Path, name: str) -> None:
    """As runs of older versions are."""
    content = json.loads((path / "manifest.json").read_text())
    del content["files"][name]
    (path / "manifest.json").write_text(json.dumps(content))


def signed(name: str, data: bytes | Callable[[Path], bytes]) -> Mutation:
    return lambda path: runs.save_checked(path, {name: data if isinstance(data, bytes) else data(path)})


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Mutation:
    def made(path: Path) -> bytes:
        tensors = load((path / runs.WEIGHTS).read_bytes())
        change(tensors)
        return save(tensors, metadata={"step": "1"})

    return signed(runs.WEIGHTS, made)


def _state_of_nan(path: Path) -> bytes:
    data = (path / runs.STATE).read_bytes()
    written = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    tensors = load(data)
    return save({name: t * float("nan") if t.is_floating_point() else t for name, t in tensors.items()}, written)


def scaled(value: float) -> Callable[[dict[str, torch.Tensor]], Any]:
    return lambda tensors: [tensor.fill_(value) for tensor in tensors.values()]


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


def preview(text: str, rest: int = 0) -> bytes:
    return struct.pack("<I", len(text)) + text.encode() + bytes(rest)


def held_out(**changes: Any) -> Mutation:
    """Sign another set of held-out images; a change of None takes the array away."""

    def made(path: Path) -> bytes:
        with np.load(path / HELD_OUT) as file:
            arrays = {**dict(file), **changes}
        packed = io.BytesIO()
        np.savez_compressed(packed, **{name: array for name, array in arrays.items() if array is not None})
        return packed.getvalue()

    return signed(HELD_OUT, made)


def mapped(name: str, change: Mutation) -> Mutation:
    """Of a file in the folder of the run's map."""
    return lambda path: change(next((path / "projections").iterdir()))


def table() -> dict[str, Mutation]:
    """Every damage by its name, which begins with the file's."""
    found: dict[str, Mutation] = {}
    for name in JSON_FILES:
        stem = name.split(".")[0]
        found |= {f"{stem}-{kind}": whole(name, data) for kind, data in RUBBISH.items()}
        found |= {f"{stem}-folder": folder(name), f"{stem}-pipe": pipe(name)}
        for where, values in FIELDS[name].items():
            for number, value in enumerate(values):
                found[f"{stem}.{where.split(chr(92))[0]}.{number}"] = field(name, where, value)
    found["config-cut"], found["config-flipped"] = cut("config.json", 0.5), flipped("config.json", 0.3)
    found["config-flipped-older"] = flipped("config.json", 0.52, unsigned=True)
    found |= {f"history-{kind}": line(text) for kind, text in LINES.items()}
    found |= {f"history-cut-{share}": cut("history.jsonl", share / 4) for share in (1, 2, 3)}
    found |= _binaries()
    for name in MAPS:
        stem = f"map-{name.split('.')[0]}"
        for kind in ("empty", "open-lists", "list", "no-utf8", "zeros"):
            found[f"{stem}-{kind}"] = mapped(name, whole(name, RUBBISH[kind]))
        found[f"{stem}-cut"], found[f"{stem}-flipped"] = mapped(name, cut(name, 0.6)), mapped(name, flipped(name, 0.4))
    found["map-status-types"] = mapped("", whole("status.json", b'{"state": [], "n": "x", "kl": {}, "total": 1e309}'))
    found["map-request-types"] = mapped("", whole("request.json", b'{"method": [], "part": 5, "settings": 3}'))
    return found


def _binaries() -> dict[str, Mutation]:
    live = "preview/live.bin"
    sizes = '"height":8,"width":8,"channels":1}'
    found: dict[str, Mutation] = {
        "live-empty": whole(live, b""), "live-half": cut(live, 0.5), "live-folder": folder(live),
        "live-infinite": whole(live, preview('{"step":1,"count":1e309,' + sizes, 64)),
        "live-deep": whole(live, preview(DEEP)), "live-list": whole(live, preview("[]", 9)),
        "live-text": whole(live, preview('{"step":"x","count":"8",' + sizes, 1024)),
        "live-huge": whole(live, preview('{"step":1,"count":' + HUGE + "," + sizes, 64)),
        "live-negative": whole(live, preview('{"step":1,"count":-1,' + sizes, 64)),
        "live-long-header": whole(live, b"\xff\xff\xff\xff" + bytes(100)),
        "weights-empty": whole(runs.WEIGHTS, b""), "weights-half": cut(runs.WEIGHTS, 0.5),
        "weights-flipped": flipped(runs.WEIGHTS, 0.7), "weights-folder": folder(runs.WEIGHTS),
        "weights-deep-header": signed(runs.WEIGHTS, header(DEEP.encode())),
        "weights-long-header": signed(runs.WEIGHTS, (2**62).to_bytes(8, "little") + b"{}"),
        "weights-no-header": signed(runs.WEIGHTS, bytes(3)),
        "weights-float8": weights(lambda w: w.update({n: t.to(torch.float8_e4m3fn) for n, t in w.items()})),
        "weights-whole": weights(lambda w: w.update({n: t.to(torch.int64) for n, t in w.items()})),
        "weights-largest": weights(scaled(3e38)), "weights-large": weights(scaled(1e20)),
        "weights-largest-network": weights(lambda w: [t.fill_(3e38) for n, t in w.items() if "log_C" not in n]),
        "weights-zero": weights(scaled(0.0)), "weights-nan": weights(scaled(float("nan"))),
        "weights-none": signed(runs.WEIGHTS, save({}, metadata={"step": "1"})),
        "weights-step": signed(runs.WEIGHTS, lambda p: save(load((p / runs.WEIGHTS).read_bytes()), {"step": "x" * 50})),
        "state-empty": whole(runs.STATE, b""), "state-flipped": flipped(runs.STATE, 0.5),
        "state-deep": signed(runs.STATE, header(DEEP.encode())),
        "state-no-values": signed(runs.STATE, save({}, {"values": "[]"})),
        "state-deep-values": signed(runs.STATE, save({}, {"values": DEEP})),
        "state-other": signed(runs.STATE, save({"order": torch.zeros(2)}, {"values": '{"history_bytes": 0}'})),
        "replay-deep": whole("resume/replay.json", DEEP.encode()),
        "replay-attribute": whole(
            "resume/replay.json",
            b'{"lines": [{"step": 1, "knob": "__dict__", "value": 1}], "until": 9, "after": 0}'
        ),
        "state-in-a-file": in_a_file("resume"), "live-in-a-file": in_a_file("preview"),
        "replay-folder": folder("resume/replay.json"), "status-request-folder": folder("request.json"),
        "state-nan": signed(runs.STATE, _state_of_nan),
        "replay-types": whole("resume/replay.json", b'{"lines": {}, "until": "x", "after": []}'),
    }  # fmt: skip
    for number, share in enumerate((0.02, 0.3, 0.6, 0.9, 0.999)):
        found[f"heldout-flipped-{number}"] = flipped(HELD_OUT, share)
        found[f"heldout-flipped-older-{number}"] = flipped(HELD_OUT, share, unsigned=True)
        found[f"heldout-cut-{number}"] = cut(HELD_OUT, share)
    images, codes = np.zeros((5, 1, 8, 8), np.uint8), np.zeros((5, 2), np.float32)
    return found | {
        "heldout-no-zip": signed(HELD_OUT, b"nothing"), "heldout-deep": signed(HELD_OUT, DEEP.encode()),
        "heldout-no-images": held_out(images=None), "heldout-no-scale": held_out(scale=None),
        "heldout-texts": held_out(images=np.array(["a", "b"])), "heldout-shape": held_out(images=images[:, :, :3]),
        "heldout-big-endian": held_out(images=images.astype(">f4"), codes=codes, labels=None),
        "heldout-none": held_out(images=images[:0], codes=codes[:0], labels=None),
        "heldout-scale": held_out(scale=np.array("x")), "heldout-zero-scale": held_out(scale=np.array(0)),
        "heldout-labels": held_out(images=images, codes=codes, labels=np.array([99] * 5)),
        "heldout-nan": held_out(images=np.full((5, 1, 8, 8), np.nan, np.float32), codes=codes, labels=None),
        "heldout-pickle": signed(HELD_OUT, lambda path: _pickled()),
    }  # fmt: skip


def _pickled() -> bytes:
    packed = io.BytesIO()
    np.savez(packed, images=np.array([{}], object), scale=np.array(1), codes=np.zeros((1, 2)))
    return packed.getvalue()


MUTATIONS = table()
