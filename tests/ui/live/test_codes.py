"""Codes and images as the page gets them."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.live import cache
from ui.live.cache import weights_sha
from ui.live.codes import codes_routes
from vae import runs
from vae.runs import load_run
from vae.space.encodings import Codes, codes_of
from vae.space.packed_codes import pack_codes

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "one")
    return tmp_path / "one"


@pytest.fixture
def client(run: Path) -> Iterator[TestClient]:
    yield TestClient(Starlette(routes=codes_routes))
    cache.forget()


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    n, k, at = header["n"], header["k"], 4 + length
    assert at % 8 == 0
    arrays = {}
    sizes = [("loc", n * k), ("log_variance", n * k), ("rate", n), ("distortion", n)]
    for name, count in sizes if header["log_variance"] else [sizes[0], *sizes[2:]]:
        arrays[name] = np.frombuffer(data, "<f4", count, at)
        at += 4 * count
    if header["labels"]:
        kind = "<u2" if header["label_bytes"] == 2 else "u1"
        arrays["labels"] = np.frombuffer(data, kind, n, at)
        at += -(-n * header["label_bytes"] // 4) * 4
    if header["rows_of"] is not None:
        arrays["rows"] = np.frombuffer(data, "<u4", n, at)
        at += 4 * n
    assert at == len(data)
    return header, arrays


def test_codes_and_images_arrive_as_they_are(client: TestClient, run: Path) -> None:
    sha = weights_sha(run)
    answer = client.get(f"/runs/one/codes/{sha}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    header, arrays = unpack(answer.content)
    codes = codes_of(load_run(run))
    assert (header["n"], header["k"], header["height"], header["channels"]) == (360, 2, 8, 1)
    assert header["source"] == "360 held-out images of digits"
    assert header["rate_per_dim"] == pytest.approx(codes.rate_per_dim.tolist())
    assert (header["rows_of"], header["parts"]) == ("digits", ["test", "train"])
    for name in ("loc", "log_variance", "rate", "distortion", "labels", "rows"):
        np.testing.assert_array_equal(arrays[name], getattr(codes, name).ravel())
    images = client.get(f"/runs/one/images/{sha}").content
    np.testing.assert_array_equal(
        np.frombuffer(images, np.uint8).reshape(360, 8, 8, 1), codes.images.swapaxes(1, 3).swapaxes(1, 2)
    )
    assert client.get(f"/runs/one/images/{sha}?first=3&count=2").content == images[3 * 64 : 5 * 64]
    assert client.get(f"/runs/one/images/{sha}?first=359&count=1000").content == images[359 * 64 :]
    assert client.get(f"/runs/one/images/{sha}?first=999").content == b""


def test_training_images_too(client: TestClient, run: Path) -> None:
    header, _ = unpack(client.get(f"/runs/one/codes/{weights_sha(run)}?part=train").content)
    assert header["n"] == 1437


def test_it_is_computed_once(client: TestClient, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    encode = cache._encode
    monkeypatch.setattr(cache, "_encode", lambda *wanted: calls.append(wanted) or encode(*wanted))
    for _ in range(3):
        client.get(f"/runs/one/codes/{weights_sha(run)}")
        client.get(f"/runs/one/images/{weights_sha(run)}")
    assert len(calls) == 1


@pytest.mark.parametrize("sha", ["0" * 64, "x", "..", "%00"])
def test_other_weights_are_refused_in_a_sentence(client: TestClient, sha: str) -> None:
    for what in ("codes", "images"):
        answer = client.get(f"/runs/one/{what}/{sha}")
        assert answer.status_code == 404
    assert client.get(f"/runs/one/codes/{'0' * 64}").text == "run 'one' has other weights by now: ask for its newest"


@pytest.mark.parametrize(
    ("query", "status"), [("part=valid", 400), ("first=-1", 400), ("count=x", 400), ("count=99999999999", 400)]
)
def test_wrong_questions_are_refused_in_a_sentence(client: TestClient, run: Path, query: str, status: int) -> None:
    answer = client.get(f"/runs/one/images/{weights_sha(run)}?{query}")
    assert answer.status_code == status
    assert "expected" in answer.text


@pytest.mark.parametrize("name", ["none", "..%2f..", "x" * 300, "%00"])
def test_unknown_runs_are_not_there(client: TestClient, name: str) -> None:
    assert client.get(f"/runs/{name}/codes/{'0' * 64}").status_code == 404


def test_a_run_without_weights_or_images_says_so(
    client: TestClient, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "nothing"))
    shutil.copytree(DEMOS / "demo-mnist-10d", tmp_path / "two", ignore=shutil.ignore_patterns("heldout.npz"))
    answer = client.get(f"/runs/two/codes/{weights_sha(tmp_path / 'two')}")
    assert (answer.status_code, "ELBO_ROOM_DATA" in answer.text) == (409, True)
    (run / "manifest.json").unlink()
    answer = client.get(f"/runs/one/codes/{'0' * 64}")
    assert (answer.status_code, "no weights yet" in answer.text) == (409, True)


def test_damaged_weights_are_refused_in_a_sentence(client: TestClient, run: Path) -> None:
    data = bytearray((run / runs.WEIGHTS).read_bytes())
    data[-1] ^= 1
    (run / runs.WEIGHTS).write_bytes(data)
    answer = client.get(f"/runs/one/codes/{weights_sha(run)}")
    assert answer.status_code == 409
    assert "damaged" in answer.text


def test_far_away_browsers_get_it_packed(client: TestClient, run: Path) -> None:
    answer = client.get(f"/runs/one/images/{weights_sha(run)}", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.content) == 360 * 64


def test_many_classes_posteriors_of_other_kinds_and_absent_labels() -> None:
    n, k = 3, 2
    some = np.zeros((n, k), np.float32)
    nats = np.arange(n, dtype=np.float32)
    pictures = np.zeros((n, 3, 4, 5), np.uint8)
    header, arrays = unpack(pack_codes(Codes(some, None, np.array([0, 300, 7]), nats, None, nats, pictures, None, "x")))
    assert (header["label_bytes"], header["log_variance"], header["rate_per_dim"]) == (2, False, None)
    assert arrays["labels"].tolist() == [0, 300, 7]
    header, arrays = unpack(pack_codes(Codes(some, some, None, nats, nats[:2], nats, pictures, None, "x")))
    assert header["labels"] is False
    assert (header["rate_per_dim"], header["marginals"]) == ([0.0, 1.0], False)
    marginal = Codes(some, None, None, nats, None, nats, pictures, None, "x", np.array([0.5, 2.0], np.float32))
    header, _ = unpack(pack_codes(marginal))
    assert (header["rate_per_dim"], header["marginals"]) == ([0.5, 2.0], True)
    assert (header["height"], header["width"], header["channels"]) == (4, 5, 3)
