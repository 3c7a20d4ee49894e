"""Targets: the JSON files of a run's folder, and its history."""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.damage import fuzz_inputs as inputs
from tests.damage.fuzz_target import DEMO, Refused, Target, in_file, lines
from ui.runs import owners
from ui.runs.gallery import read_card
from vae import runs
from vae.diagnosis import results
from vae.diagnosis.suspects.marks import read_marks
from vae.runs import history, knobs, live_knobs, moments, start, sweep_mark
from vae.runs.config_file import check_known
from vae.runs.origin import read_origin
from vae.space import fit_process

HISTORY = (
    (DEMO / "history.jsonl").read_bytes().splitlines()[0],
    *lines(
        '{"step":5,"knob":"C","value":0.5}',
        '{"step":5,"knob":"part","value":"encoder"}',
        '{"step":1,"event":"resumed"}',
    ),
    (DEMO / "history.jsonl").read_bytes().splitlines()[-1],
)
ANSWER = {
    "title": "What z knows",
    "found": True,
    "shown": "0.9",
    "sentence": "It knows.",
    "explanation": "x",
    "threshold": "y",
    "protocol": "z",
    "numbers": {"a": 1.0},
    "units": {"a": "nats"},
    "picture": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "detail": "",
    "advice": [{"words": "Look", "page": "map", "query": {"i": "0"}}],
}
RESULTS = (
    json.dumps({"question": "q", "answer": ANSWER, "seconds": 1.0}).encode(),
    json.dumps({"question": "q", "answer": None, "why_not": "x"}).encode(),
)


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
        assert 1 <= found.latent_dim <= 100_000
        assert math.prod(data["shape"]) <= 1 << 28
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
    yield target("owner", "owner.json", owner, *lines('{"owner": "0123456789abcdef01234567"}', '{"owner": "tab-00"}'))
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
    replayed = {"lines": [{"step": 1, "knob": "C", "value": 0.5}, {"step": 2, "knob": "part", "value": "encoder"}]}
    yield target(
        "replay", start.REPLAY, live_knobs.read_replay, json.dumps(replayed | {"until": 9, "after": 1}).encode()
    )
    yield target("request", start.REQUEST, request, *lines("{}", '{"epochs": 3}', '{"total_epochs": 3, "fresh": true}'))
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
        "config.json": sound["config.json"],
        "status.json": sound["status.json"],
        "knobs.json": sound["knobs.json"],
        "history.jsonl": HISTORY[0] + b"\n" + HISTORY[-1] + b"\n",
        "manifest.json": sound["manifest.json"],
        "origin.json": json.dumps(origin).encode(),
    }
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
