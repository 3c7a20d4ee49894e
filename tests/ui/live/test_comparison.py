"""The comparison as the page gets it: progress, then all of it; refusals; work that nobody wants any more."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load, save
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ui.live import cache, comparison
from ui.live.cache import weights_sha
from ui.live.comparison import Work, comparison_routes
from vae import runs
from vae.comparison.comparison import compare
from vae.errors import DataError
from vae.runs import load_run
from vae.runs.moments import Keeper, moment_at

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
PATIENCE = 120.0


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    for name in ("one", "two"):
        shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / name)
    yield TestClient(Starlette(routes=comparison_routes))
    comparison.forget()
    cache.forget()


def place(tmp_path: Path, a: str = "one", b: str = "two") -> str:
    return f"/runs/{a}/comparison/{weights_sha(tmp_path / a)}?other={b}&other_sha={weights_sha(tmp_path / b)}"


def unpack(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:4], "little")
    return json.loads(data[4 : 4 + length]), data[4 + length :]


def answer(client: TestClient, address: str) -> tuple[dict[str, Any], bytes, list[dict[str, Any]]]:
    """The whole comparison, and what was told on the way."""
    limit, told = time.monotonic() + PATIENCE, []
    while time.monotonic() < limit:
        found = client.get(address)
        assert found.status_code == 200, found.text
        header, body = unpack(found.content)
        if header["state"] == "done":
            assert "immutable" in found.headers["cache-control"]
            return header, body, told
        assert found.headers["cache-control"] == "no-store"
        told.append(header)
        time.sleep(0.02)
    raise AssertionError("it did not come to an end")


def test_progress_then_the_numbers_of_the_core(client: TestClient, tmp_path: Path) -> None:
    header, body, told = answer(client, place(tmp_path))
    assert all(0 <= one["fraction"] <= 1 and one["words"] for one in told)
    expected = compare(load_run("one"), load_run("two"))
    n = expected.n
    assert (header["n"], header["k"], header["neighbours"]) == (n, [2, 2], [5, 10, 20, 50])
    assert header["terms"][0]["difference"] == 0
    assert header["about_terms"] == "Both give the same: every term of each of the 360 images is equal."
    numbers = np.frombuffer(body, "<f4")
    assert len(numbers) == n * (4 + 4 + 4 + 1 + 4) + 4 + 4
    np.testing.assert_array_equal(numbers[: 2 * n].reshape(n, 2), expected.a.loc)
    np.testing.assert_allclose(numbers[8 * n : 9 * n], expected.a.distortion, rtol=1e-6)
    np.testing.assert_allclose(numbers[12 * n : 13 * n], expected.movement, atol=1e-6)
    np.testing.assert_allclose(numbers[-8:-4].reshape(2, 2), expected.alignment.rotation, atol=1e-6)
    began = [work.thread for work in comparison._works.values()]
    assert unpack(client.get(place(tmp_path)).content) == (header, body)
    assert [work.thread for work in comparison._works.values()] == began  # kept, not computed again


def test_a_run_beside_one_of_its_moments(client: TestClient, tmp_path: Path) -> None:
    weights = load(runs.read_checked(tmp_path / "one", runs.WEIGHTS))
    half = {name: tensor.half() if tensor.ndim else tensor for name, tensor in weights.items()}
    Keeper(tmp_path / "one", -1, 1000).keep(5, 0.1, None, "log", lambda: save(half))
    moment = moment_at(tmp_path / "one", 5).sha256
    sha = weights_sha(tmp_path / "one")
    header, _, _ = answer(client, f"/runs/one/comparison/{moment}?other=one&other_sha={sha}")
    elbo = header["terms"][0]
    assert 0 < abs(elbo["difference"]) < 0.1  # nats, of rounding to float16
    assert header["names"] == ["one", "one"]


def test_what_is_not_there_or_not_asked_rightly(client: TestClient, tmp_path: Path) -> None:
    sha = weights_sha(tmp_path / "one")
    for address, said in {
        f"/runs/none/comparison/{sha}?other=two&other_sha={sha}": "no run named 'none'",
        f"/runs/one/comparison/{sha}?other=..%2Ftwo&other_sha={sha}": "no run named",
        f"/runs/one/comparison/{sha}": "no run named ''",
        f"/runs/one/comparison/{'0' * 64}?other=two&other_sha={sha}": "has other weights by now",
        f"/runs/one/comparison/{sha}?other=two&other_sha=zero": "has other weights by now",
    }.items():
        found = client.get(address)
        assert (found.status_code, said in found.text) == (404, True), found.text


def test_a_refusal_is_told_once_and_asked_anew(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> bytes:
        raise DataError("these images are others")

    monkeypatch.setattr(Work, "_compute", refuse)
    limit = time.monotonic() + PATIENCE
    while (found := client.get(place(tmp_path))).status_code == 200 and time.monotonic() < limit:
        time.sleep(0.02)
    assert (found.status_code, found.text) == (409, "these images are others")
    monkeypatch.undo()
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    assert answer(client, place(tmp_path))[0]["n"] == 360


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Work that goes on until somebody ends it; answers how often it began."""
    began = []

    def go_on(self: Work) -> bytes:
        began.append(self)
        while True:
            self._tell(0.25, "waiting for the test")
            time.sleep(0.01)

    monkeypatch.setattr(Work, "_compute", go_on)
    return lambda: len(began)


def test_work_that_nobody_asks_for_ends_and_begins_again_when_somebody_does(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: Callable[[], int]
) -> None:
    monkeypatch.setattr(comparison, "ABANDONED", PATIENCE)
    client.get(place(tmp_path))
    (work,) = comparison._works.values()
    limit = time.monotonic() + PATIENCE
    while work.fraction != 0.25 and time.monotonic() < limit:
        time.sleep(0.01)
    assert unpack(client.get(place(tmp_path)).content)[0] == {
        "state": "working", "fraction": 0.25, "words": "waiting for the test",
    }  # fmt: skip
    monkeypatch.setattr(comparison, "ABANDONED", 0.0)
    work.thread.join(PATIENCE)
    assert work.over
    assert work.fault is None
    client.get(place(tmp_path))
    assert comparison._works[work.sides] is not work
    comparison._works[work.sides].thread.join(PATIENCE)
    assert slow() == 2
    assert not [thread for thread in threading.enumerate() if thread.name == "comparison"]
