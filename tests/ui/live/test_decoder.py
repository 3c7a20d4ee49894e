"""The decoder's routes on a bare Starlette application, against torch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.oracles.decoder_numpy import mean_pixels, read_header
from ui.live import cache
from ui.live import decoder as module
from ui.live.decoder import decoder_routes, read_numbers, read_seed
from vae import runs
from vae.config import Config
from vae.errors import DecoderUnsupported, RunError
from vae.model.vae import Model, build_model

DIGITS = {"name": "digits", "shape": [1, 8, 8], "support": "unit", "scale": 16, "train": 1437, "test": 360}


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    yield TestClient(Starlette(routes=decoder_routes))
    cache.forget()
    module._packed.clear()


@pytest.fixture
def publish(tmp_path: Path, client: TestClient) -> Callable[..., str]:
    """Save a model's weights in the run `one`, as the worker does; their SHA-256."""

    def save_weights(seed: int = 0, step: int = 7, shape: tuple[int, int, int] = (1, 8, 8), **settings: Any) -> str:
        from safetensors.torch import save

        config = Config(**{"likelihood": "bernoulli", "C": 1.0, "hidden": (16,), "latent_dim": 3, **settings})
        path = tmp_path / "one"
        if not path.is_dir():
            runs.create_run(config, {**DIGITS, "shape": list(shape)}, "one", tmp_path)
        model = build_model(dataclasses.replace(config, seed=seed), shape)
        runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": str(step)})})
        sha = runs.content_hash(path, runs.WEIGHTS)
        assert sha
        return sha

    return save_weights


def model_in(folder: Path) -> Model:
    return runs.Run(folder / "one").model


def test_the_newest_weights_are_named_with_their_step_and_sizes(client: TestClient, publish: Any) -> None:
    sha = publish(step=1200)
    answer = client.get("/runs/one/decoder")
    assert answer.json() == {"sha": sha, "step": 1200, "k": 3, "height": 8, "width": 8, "channels": 1}
    assert "no-cache" in answer.headers["cache-control"]
    newer = publish(seed=1, step=1300)
    assert client.get("/runs/one/decoder").json()["sha"] == newer != sha


def test_the_packed_decoder_is_the_models_and_is_kept_for_ever(
    client: TestClient, publish: Any, tmp_path: Path
) -> None:
    sha = publish()
    answer = client.get(f"/runs/one/decoder/{sha}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    header = read_header(answer.content)
    assert header["weights_sha256"] == sha
    assert header["precision"] == "float16"
    z = torch.tensor([[0.5, -1.0, 2.0]])
    expected = model_in(tmp_path).decode(z).mean.permute(0, 2, 3, 1).numpy()
    assert np.abs(mean_pixels(answer.content, z.numpy()) - expected).max() < 1e-2


def test_it_is_exported_once(client: TestClient, publish: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vae.browser import decoder_export

    sha, calls, export = publish(), [], decoder_export.export_decoder
    monkeypatch.setattr(decoder_export, "export_decoder", lambda *given: calls.append(given) or export(*given))
    for _ in range(3):
        assert client.get(f"/runs/one/decoder/{sha}").status_code == 200
    assert len(calls) == 1


def test_older_weights_are_refused_with_a_sentence(client: TestClient, publish: Any) -> None:
    old = publish()
    publish(seed=1)
    for sha in (old, "0" * 64, "..", "%2e%2e"):
        answer = client.get(f"/runs/one/decoder/{sha}")
        assert answer.status_code == 404
    assert "other weights" in client.get(f"/runs/one/decoder/{old}").text


def test_weights_that_float16_cannot_hold_travel_as_float32(client: TestClient, publish: Any) -> None:
    sha = publish(likelihood="gaussian", C=1.0)
    path = runs.run_path("one")
    from safetensors.torch import load, save

    weights = load(runs.read_checked(path, runs.WEIGHTS))
    weights["decoder.0.weight"] *= 1e6  # beyond float16
    weights["decoder.2.weight"] *= 1e-6
    runs.save_checked(path, {runs.WEIGHTS: save(weights)})
    newer = runs.content_hash(path, runs.WEIGHTS)
    assert newer != sha
    answer = client.get(f"/runs/one/decoder/{newer}")
    assert answer.status_code == 200
    assert read_header(answer.content)["precision"] == "float32"


def test_a_decoder_that_the_page_cannot_run_is_refused_and_decoded_here(
    client: TestClient, publish: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vae.browser import decoder_export

    def refuse(*_: Any) -> bytes:
        raise DecoderUnsupported("decoder layer 3: the page has no form of this layer")

    sha = publish()
    monkeypatch.setattr(decoder_export, "export_decoder", refuse)
    answer = client.get(f"/runs/one/decoder/{sha}")
    assert answer.status_code == 409
    assert answer.headers["x-decode"] == "server"
    assert "no form of this layer" in answer.text
    decoded = client.get("/runs/one/decode?z=0.5,-1,2")
    assert decoded.headers["x-weights"] == sha
    expected = model_in(tmp_path).decode(torch.tensor([[0.5, -1.0, 2.0]])).mean.permute(0, 2, 3, 1).numpy()
    got = np.frombuffer(decoded.content, np.uint8).reshape(1, 8, 8, 1) / 255
    assert np.abs(got - expected).max() <= 0.5 / 255 + 1e-6


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of each thread that is asked for from here on."""
    used: list[str] = []
    real = module.in_thread_of

    async def noted(kind: str, *given: Any) -> Any:
        used.append(kind)
        return await real(kind, *given)

    monkeypatch.setattr(module, "in_thread_of", noted)
    module._ready.clear()
    return used


def test_a_small_decoder_that_is_known_answers_without_a_thread(
    client: TestClient, publish: Any, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 60)
    monkeypatch.setattr(module, "AT_ONCE", 60)
    sha = publish()
    first = client.get("/runs/one/decode?z=0.5,-1,2")
    again = client.get("/runs/one/decode?z=0.5,-1,2")
    other = client.get("/runs/one/decode?z=0.5,-1,2,0,0,0&seed=3")
    assert threads == ["decoding"]
    assert again.content == first.content
    assert again.headers == first.headers
    assert (len(other.content), other.headers["x-weights"]) == (2 * 64, sha)
    assert client.get("/runs/one/decode?z=1,2").status_code == 400
    assert client.get("/runs/one/decode?z=nan,0,0").text.startswith("z:")
    assert threads == ["decoding"]


def test_what_takes_long_is_decoded_in_a_thread(
    client: TestClient, publish: Any, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 60)
    monkeypatch.setattr(module, "AT_ONCE", 60)
    publish()
    client.get("/runs/one/decode?z=0,0,0")
    ready = module._ready.find(runs.run_path("one"))
    assert ready is not None
    module._ready.keep(runs.run_path("one"), dataclasses.replace(ready, seconds=25.0))
    client.get("/runs/one/decode?z=0,0,0,0,0,0")  # fifty seconds
    assert threads == ["decoding"]
    module._ready.keep(runs.run_path("one"), dataclasses.replace(ready, seconds=35.0))
    client.get("/runs/one/decode?z=0,0,0,0,0,0")  # seventy
    client.get("/runs/one/decode?z=0,0," + "0" * module.SHORT)
    assert threads == ["decoding"] * 3


def test_new_weights_and_a_deleted_run_are_noticed_at_the_next_look(
    client: TestClient, publish: Any, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 60)
    monkeypatch.setattr(module, "LOOK_EVERY", 0)
    publish()
    client.get("/runs/one/decode?z=0,0,0")
    newer = publish(seed=1)
    assert client.get("/runs/one/decode?z=0,0,0").headers["x-weights"] == newer
    shutil.rmtree(runs.run_path("one"))
    assert client.get("/runs/one/decode?z=0,0,0").status_code == 404
    assert threads == ["decoding"] * 3


def test_several_codes_and_colour_come_as_images_in_order(client: TestClient, publish: Any, tmp_path: Path) -> None:
    publish(shape=(3, 8, 8), latent_dim=2)
    z = torch.tensor([[0.0, 0.0], [1.5, -0.5], [-2.0, 1.0]])
    text = ",".join(f"{value:g}" for value in z.flatten())
    got = np.frombuffer(client.get(f"/runs/one/decode?z={text}").content, np.uint8).reshape(3, 8, 8, 3) / 255
    expected = model_in(tmp_path).decode(z).mean.permute(0, 2, 3, 1).numpy()
    assert np.abs(got - expected).max() <= 0.5 / 255 + 1e-6
    assert np.abs(got[0] - got[1]).max() > 0.01


def test_bits_are_decoded_as_the_model_does_in_the_page_and_here(
    client: TestClient, publish: Any, tmp_path: Path
) -> None:
    sha = publish(latent="bernoulli")
    z = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]])
    expected = model_in(tmp_path).decode(z).mean.permute(0, 2, 3, 1).numpy()
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    packed = client.get(f"/runs/one/decoder/{sha}").content
    assert np.abs(mean_pixels(packed, z.numpy()) - expected).max() < 1e-2
    got = np.frombuffer(client.get("/runs/one/decode?z=0,0,0,1,0,1").content, np.uint8).reshape(2, 8, 8, 1) / 255
    assert np.abs(got - expected).max() <= 0.5 / 255 + 1e-6


def test_a_seed_gives_a_draw_and_the_same_one_again(client: TestClient, publish: Any) -> None:
    publish()
    first, again, other = (client.get(f"/runs/one/decode?z=0,0,0&seed={seed}").content for seed in (1, 1, 2))
    assert first == again != other
    assert set(first) == {0, 255}  # a Bernoulli's draws


@pytest.mark.parametrize(
    "query",
    ["", "z=", "z=1", "z=1,2", "z=1,2,3,4", "z=a,b,c", "z=nan,0,0", "z=inf,0,0", "z=1e40,0,0", "z=1,2,3&seed=x",
     "z=1,2,3&seed=-1", "z=1,2,3&seed=1e3", "z=" + ",".join(["0"] * 3 * 257)],
)  # fmt: skip
def test_what_is_no_code_is_refused_with_a_sentence(client: TestClient, publish: Any, query: str) -> None:
    publish()
    answer = client.get(f"/runs/one/decode?{query}")
    assert answer.status_code == 400
    assert answer.text.startswith(("z:", "seed:"))


@pytest.mark.parametrize("what", ["decoder", "decoder/" + "0" * 64, "decode?z=0,0,0"])
def test_runs_that_are_not_there_or_have_no_weights_yet(client: TestClient, tmp_path: Path, what: str) -> None:
    runs.create_run(Config(), DIGITS, "young", tmp_path)
    for name, sentence in [("young", "no weights yet"), ("nobody", "no run named"), ("..", ""), ("%2e%2e", "")]:
        answer = client.get(f"/runs/{name}/{what}")
        assert answer.status_code == 404
        assert sentence in answer.text


def test_damaged_weights_are_a_sentence_and_not_a_wrong_image(client: TestClient, publish: Any, tmp_path: Path) -> None:
    sha = publish()
    file = tmp_path / "one" / runs.WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    for what in (f"decoder/{sha}", "decode?z=0,0,0"):
        answer = client.get(f"/runs/one/{what}")
        assert answer.status_code == 404
        assert "damaged" in answer.text
    publish()  # the very same weights, whole again
    assert client.get(f"/runs/one/decoder/{sha}").status_code == 200


def test_while_a_save_goes_on_nobody_gets_old_weights_under_the_new_name(
    client: TestClient, publish: Any, tmp_path: Path
) -> None:
    """The manifest names the new file before it is there."""
    sha = publish()
    manifest = tmp_path / "one" / "manifest.json"
    files = json.loads(manifest.read_text())
    files["files"][runs.WEIGHTS] = [sha, "f" * 64]
    manifest.write_text(json.dumps(files))
    assert client.get("/runs/one/decoder").json()["sha"] == sha
    assert client.get(f"/runs/one/decoder/{sha}").status_code == 200
    assert client.get(f"/runs/one/decoder/{'f' * 64}").status_code == 404
    with pytest.raises(RunError, match="other weights"):
        cache.model_kept(tmp_path / "one", "f" * 64)


def test_numbers_and_seeds() -> None:
    assert read_numbers("0.5,-1.2,3") == [0.5, -1.2, 3.0]
    assert read_seed(None) is None
    assert read_seed("12") == 12
    with pytest.raises(ValueError, match="finite"):
        read_numbers("1,-inf")


def test_viewers_hear_of_newly_published_weights(client: TestClient, publish: Any) -> None:
    from ui.live import live as live_module

    first = publish()
    live = TestClient(Starlette(routes=live_module.routes))
    try:
        with live.websocket_connect("/live") as socket:
            socket.send_json({"watch": "one", "offset": 0, "file": None})
            assert next_weights(socket) == first
            second = publish(seed=1)
            assert next_weights(socket) == second != first
    finally:
        live_module._watchers.clear()


def next_weights(socket: Any) -> str:
    """The weights of the next status; other messages are dropped."""
    for _ in range(20):
        message = json.loads(socket.receive().get("text") or "{}")
        if "status" in message:
            return message["weights"]
    raise AssertionError("20 messages without a status")
