"""A run at its moments, as the browser asks for it: against torch with the moment's weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.oracles.decoder_numpy import mean_pixels, read_header
from tests.vae.engines.scripted_runs import STEPS, make_quick, scripted_run
from ui.live import cache, moments
from ui.live.moments import moments_routes, stops_of
from vae import runs
from vae.runs import load_run
from vae.runs.moments import INDEX, list_moments, model_at
from vae.space.encodings import codes_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        return scripted_run(root)


@pytest.fixture
def run(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from shutil import copytree

    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    yield Path(copytree(made, tmp_path / "run"))
    cache.forget()
    moments.forget()


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=moments_routes))


def test_the_stops_are_the_moments_and_weights_beyond_them(run: Path, client: TestClient) -> None:
    kept = list_moments(run)
    answer = client.get("/runs/run/stops")
    assert "no-cache" in answer.headers["cache-control"]
    found = answer.json()
    assert found == {"stops": stops_of(run), "why": ""}
    assert [stop["step"] for stop in found["stops"]] == [moment.step for moment in kept]  # the last one is the newest
    assert found["stops"][2] == {
        "run": "run", "sha": kept[2].sha256, "step": 7, "key": "7", "label": f"step 7 · C = {kept[2].C:.3g}",
        "short": f"7\nC was {kept[2].C:.3g}", "C": kept[2].C, "why": "C turned",
    }  # fmt: skip
    index = json.loads((run / INDEX).read_text())
    del index["moments"][-1]  # as if it had been stopped just before
    (run / INDEX).write_text(json.dumps(index))
    last = stops_of(run)[-1]
    assert (last["why"], last["step"], last["key"]) == ("newest", STEPS, str(STEPS))
    assert last["sha"] == runs.content_hash(run, runs.WEIGHTS)


def test_each_moment_has_the_decoder_and_the_codes_of_its_weights(run: Path, client: TestClient) -> None:
    moment = next(moment for moment in list_moments(run) if moment.step == 24)
    at, model = f"/runs/run/at/{moment.sha256}", model_at(run, 24)
    packed = client.get(f"{at}/decoder")
    assert "immutable" in packed.headers["cache-control"]
    header = read_header(packed.content)
    assert (header["weights_sha256"], header["precision"]) == (moment.sha256, "float16")
    z = torch.tensor([[0.5, -1.0]])
    expected = model.decode(z).mean.permute(0, 2, 3, 1).numpy()
    assert (
        np.abs(mean_pixels(packed.content, z.numpy()) - expected).max() < 1e-5
    )  # packed as they lie: no rounding twice
    decoded = client.get(f"{at}/decode?z=0.5,-1.0")
    assert decoded.headers["x-weights"] == moment.sha256
    assert np.abs(np.frombuffer(decoded.content, np.uint8) - 255 * expected.clip(0, 1).ravel()).max() <= 0.51

    other = load_run(run)
    other.model = model
    codes = codes_of(other, "test", 2000)
    sent = client.get(f"{at}/codes")
    assert "immutable" in sent.headers["cache-control"]
    told = json.loads(sent.content[4 : 4 + int.from_bytes(sent.content[:4], "little")])
    assert (told["n"], told["k"], told["log_variance"]) == (360, 2, False)
    start = 4 + int.from_bytes(sent.content[:4], "little")
    numbers = np.frombuffer(sent.content, "<f4", 360 * 4, start)
    assert np.allclose(numbers[:720].reshape(360, 2), codes.loc)
    assert np.allclose(numbers[720:1080], codes.rate)
    assert np.allclose(numbers[1080:], codes.distortion)
    pictures = client.get(f"{at}/images?first=3&count=2").content
    assert pictures == np.ascontiguousarray(codes.images[3:5].transpose(0, 2, 3, 1)).tobytes()
    plane = client.get(f"{at}/plane").json()
    assert np.allclose(np.abs(plane["components"]) @ np.ones(2), np.abs(np.linalg.svd(np.cov(codes.loc.T))[2]).sum(1))


def test_the_dataset_is_loaded_once_for_all_moments(
    run: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vae.space import encodings

    calls, images_of = [], encodings.images_of
    monkeypatch.setattr(encodings, "images_of", lambda *given: calls.append(given) or images_of(*given))
    for moment in list_moments(run)[:3]:
        assert client.get(f"/runs/run/at/{moment.sha256}/codes").status_code == 200
    assert len(calls) == 1


def test_other_weights_are_refused_in_a_sentence(run: Path, client: TestClient) -> None:
    for what in ("decoder", "decode?z=0,0", "codes", "images", "plane"):
        answer = client.get(f"/runs/run/at/{'0' * 64}/{what}")
        assert answer.status_code in (404, 409), what
        assert "other weights" in answer.text
        assert client.get(f"/runs/nobody/at/{'0' * 64}/{what}").status_code == 404
    moment = list_moments(run)[3]
    weights = load((run / moment.file).read_bytes())
    (run / moment.file).write_bytes(b"x" * sum(tensor.numel() for tensor in weights.values()))
    answer = client.get(f"/runs/run/at/{moment.sha256}/decoder")
    assert answer.status_code == 404
    assert "is damaged" in answer.text
    (run / INDEX).write_text("[]")
    assert "moments/index.json cannot be read" in client.get("/runs/run/stops").text


def test_the_newest_weights_are_a_stop_too(run: Path, client: TestClient) -> None:
    sha = runs.content_hash(run, runs.WEIGHTS)
    z = torch.tensor([[0.5, -1.0]])
    expected = load_run(run).model.decode(z).mean.permute(0, 2, 3, 1).numpy()
    packed = client.get(f"/runs/run/at/{sha}/decoder")
    assert np.abs(mean_pixels(packed.content, z.numpy()) - expected).max() < 1e-2
    assert client.get(f"/runs/run/at/{sha}/codes").status_code == 200
