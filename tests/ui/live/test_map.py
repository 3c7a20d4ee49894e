"""What the Map page fetches, and the processes behind it."""

from __future__ import annotations

import io
import json
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.vae.space import held_fit
from ui.live import cache
from ui.live.cache import weights_sha
from ui.live.map import map_routes
from ui.live.processes import Processes
from ui.map import fits
from ui.runs import owners
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.model.latent import DiagonalNormal, FullNormal
from vae.model.latents import LATENTS
from vae.model.vae import build_model
from vae.runs import load_run
from vae.space.encodings import codes_of
from vae.space.fit_process import fit, folder_of, read_fit, request_fit
from vae.space.projections import Pca
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    ignore = shutil.ignore_patterns("projections")
    shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "one", ignore=ignore)
    return tmp_path / "one"


@pytest.fixture
def client(run: Path) -> Iterator[TestClient]:
    yield TestClient(Starlette(routes=map_routes))
    cache.forget()


@pytest.fixture
def no_fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """A holder of this test's own, emptied after it."""
    holder = Processes()
    monkeypatch.setattr(fits, "_holder", lambda: holder)
    monkeypatch.setattr(owners, "current_owner", lambda: "ada")
    monkeypatch.setattr(owners, "at_this_machine", lambda: False)
    monkeypatch.setattr(fits, "PATIENCE", 120.0)
    yield holder
    fits.stop_all()


def unpack(data: bytes) -> tuple[dict[str, Any], np.ndarray]:
    (length,) = struct.unpack_from("<I", data)
    return json.loads(data[4 : 4 + length]), np.frombuffer(data, "<f4", offset=4 + length).reshape(-1, 2)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_the_plane_is_the_pca_of_the_codes(client: TestClient, run: Path) -> None:
    answer = client.get(f"/runs/one/plane/{weights_sha(run)}")
    assert "immutable" in answer.headers["cache-control"]
    pca = Pca()
    pca.fit(codes_of(load_run(run)).loc)
    np.testing.assert_allclose(answer.json()["components"], pca.components)
    np.testing.assert_allclose(answer.json()["mean"], pca.mean)
    assert sum(answer.json()["explained"]) == pytest.approx(1)


def test_a_layout_is_absent_then_there_and_sent_once(client: TestClient, run: Path) -> None:
    sha = weights_sha(run)
    address = f"/runs/one/layout/{sha}?method=tsne"
    header, places = unpack(client.get(address).content)
    assert (header["state"], header["places"], len(places)) == ("absent", False, 0)
    folder = request_fit(run, "tsne", sha, codes_of(load_run(run)).loc)
    (folder / "stop").touch()
    fit(folder)
    header, places = unpack(client.get(address).content)
    assert (header["state"], header["n"], len(places)) == ("stopped", 360, 360)
    again, none = unpack(client.get(f"{address}&seen={header['tag']}").content)
    assert (again["state"], again["places"], len(none)) == ("stopped", False, 0)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/runs/none/plane/{sha}", 404),
        ("/runs/one/plane/" + "0" * 64, 404),
        ("/runs/one/plane/{sha}?part=x", 400),
        ("/runs/one/layout/{sha}?method=../..", 400),
        ("/runs/one/layout/{sha}", 400),
        ("/runs/one/layout/..%2f..?method=tsne", 404),
        ("/runs/one/layout/x?method=tsne", 404),
    ],
)
def test_wrong_questions_get_a_sentence(client: TestClient, run: Path, address: str, status: int) -> None:
    assert client.get(address.format(sha=weights_sha(run))).status_code == status


def test_an_image_of_the_data_lands_on_its_own_code(client: TestClient, run: Path) -> None:
    codes = codes_of(load_run(run))
    for index in (0, 7, 100):
        answer = client.post(f"/runs/one/encode/{weights_sha(run)}", content=png(codes.images[index, 0])).json()
        np.testing.assert_allclose(answer["z"], codes.loc[index], atol=0.05)
        assert answer["rate"] == pytest.approx(float(codes.rate[index]), rel=0.02)
        np.testing.assert_allclose(answer["image"], codes.images[index].ravel(), atol=1)
        assert len(answer["log_variance"]) == 2
        assert answer["place"] is None
        assert answer["note"] == ""


def test_what_had_to_be_decided_about_a_picture_is_said(client: TestClient, run: Path) -> None:
    images = codes_of(load_run(run)).images[7, 0]
    address = f"/runs/one/encode/{weights_sha(run)}"
    plain = client.post(address, content=png(images)).json()
    deep = client.post(address, content=png((images.astype(np.float64) / 255 * 4095).astype(np.uint16))).json()
    assert deep["note"] == "Its 16 bits hold 12-bit values: white is 4,095."
    np.testing.assert_allclose(deep["z"], plain["z"], atol=0.05)
    ink = png(np.stack([np.full_like(images, 255), images], 2))  # white, as opaque as the digit is bright
    clear = client.post(address, content=ink).json()
    assert clear["note"] == "What is transparent in it counts as black."
    np.testing.assert_allclose(clear["z"], plain["z"], atol=0.05)


@pytest.mark.parametrize("latent", LATENTS)
def test_the_spread_of_one_posterior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, latent: str) -> None:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    config, _ = complete(Config(latent=latent, latent_dim=3, hidden=(12,)), info := describe("digits"))
    path = runs.create_run(config, info.to_json(), "one", tmp_path)
    model = build_model(config, info.shape)
    runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "1"})})
    client, codes = TestClient(Starlette(routes=map_routes)), codes_of(load_run(path))
    with torch.no_grad():
        qz_x = load_run(path).model.encode(codes.x(7))  # as stored, sixteenths: not the bytes that are shown
    assert not np.array_equal(codes.x(7)[0] * 255, codes.images[7])
    address = f"/runs/one/posterior/{weights_sha(path)}"
    spread = client.get(f"{address}?index=7").json()
    arrived = client.post(address.replace("posterior", "encode"), content=png(codes.images[7, 0])).json()
    for found in (spread, arrived):
        assert (found["log_variance"] is not None) == isinstance(qz_x, DiagonalNormal)
        assert (found["covariance"] is not None) == isinstance(qz_x, FullNormal)
    if isinstance(qz_x, DiagonalNormal):
        np.testing.assert_allclose(spread["log_variance"], qz_x.log_variance[0], atol=1e-5)
    if isinstance(qz_x, FullNormal):
        np.testing.assert_allclose(np.reshape(spread["covariance"], (3, 3)), qz_x.covariance[0], atol=1e-5)
    if LATENTS[latent].support == "binary":
        assert all(0 < value < 1 for value in arrived["z"])  # probabilities
    for wrong in ("", "?index=-1", "?index=360", "?index=x"):
        assert client.get(address + wrong).status_code == 400
    cache.forget()


def test_real_numbers_are_computed_from_the_stored_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values from 20 to 60: the spread of one posterior, and the same picture as a PNG from black to white."""
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    grey = np.random.default_rng(0).integers(0, 256, (60, 8, 8))
    grey[:, 0, 0], grey[:, 0, 1] = 0, 255  # the limits of every part
    np.savez(tmp_path / "d.npz", images=(20 + 40 * grey / 255).astype(np.float32), support="real")
    info = describe(tmp_path / "d.npz")
    config, _ = complete(Config(dataset=str(tmp_path / "d.npz"), latent_dim=3, hidden=(12,)), info)
    path = runs.create_run(config, info.to_json(), "one", tmp_path)
    model = build_model(config, info.shape)
    model.standardise(40.0, 50.0)
    runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "1"})})
    client, dataset = TestClient(Starlette(routes=map_routes)), load_run(path).dataset()
    with torch.no_grad():
        qz_x = model.encode(dataset.to_float(dataset.test[7:8]))
    address = f"/runs/one/posterior/{weights_sha(path)}"
    spread = client.get(f"{address}?index=7").json()
    np.testing.assert_allclose(spread["log_variance"], qz_x.log_variance[0], atol=1e-5)
    picture = png(codes_of(load_run(path)).images[7, 0])
    arrived = client.post(address.replace("posterior", "encode"), content=picture).json()
    np.testing.assert_allclose(arrived["z"], qz_x.mean[0], atol=1e-4)
    np.testing.assert_allclose(arrived["log_variance"], qz_x.log_variance[0], atol=1e-4)
    cache.forget()


def test_a_drawing_anywhere_lands_where_the_centred_one_does(client: TestClient, run: Path) -> None:
    canvas = np.zeros((336, 336), np.uint8)
    canvas[40:200, 30:60] = 255
    moved = np.roll(canvas, (90, 150), (0, 1))
    address = f"/runs/one/encode/{weights_sha(run)}?drawn=1"
    first, second = (client.post(address, content=png(pixels)).json() for pixels in (canvas, moved))
    np.testing.assert_allclose(first["z"], second["z"], atol=1e-5)
    codes = codes_of(load_run(run))
    nearest = np.linalg.norm(codes.loc - np.array(first["z"]), axis=1).argsort()[:7]
    assert 1 in codes.labels[nearest]  # a stroke is a one, also to the model


def test_on_a_fitted_map_it_lands_by_transform(client: TestClient, run: Path) -> None:
    sha = weights_sha(run)
    codes = codes_of(load_run(run))
    folder = request_fit(run, "tsne", sha, codes.loc)
    fit(folder)
    places = unpack(client.get(f"/runs/one/layout/{sha}?method=tsne").content)[1]
    answer = client.post(f"/runs/one/encode/{sha}?method=tsne", content=png(codes.images[5, 0])).json()
    assert np.linalg.norm(np.array(answer["place"]) - places[5]) < 0.1 * np.ptp(places)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "empty"),
        (b"GIF89a", 415, "not a PNG or a JPEG"),
        (b"no picture at all", 415, "not a PNG or a JPEG"),
        (png(np.zeros((30, 30), np.uint8))[:45], 422, "cannot be read"),
        (png(np.zeros((4001, 4000), np.uint8)), 422, "too many"),
        (b"\0" * 4_000_001, 413, "too large"),
    ],
    ids=["empty", "gif", "text", "cut off", "pixels", "bytes"],
)
def test_what_is_no_picture_is_refused(client: TestClient, run: Path, body: bytes, status: int, words: str) -> None:
    answer = client.post(f"/runs/one/encode/{weights_sha(run)}", content=body)
    assert (answer.status_code, words in answer.text) == (status, True)


def wait_for(run: Path, states: tuple[str, ...], seconds: float = 180.0) -> str:
    folder = folder_of(run, "tsne", weights_sha(run))
    limit = time.monotonic() + seconds
    while (state := read_fit(folder).state) not in states:
        assert time.monotonic() < limit, f"still {state}: {(folder / 'log.txt').read_text()}"
        time.sleep(0.02)
    return state


@pytest.mark.slow
def test_a_fit_is_started_once_and_can_be_stopped(
    run: Path, client: TestClient, no_fits: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = fits.COMMAND
    monkeypatch.setattr(fits, "COMMAND", held_fit.COMMAND)
    with pytest.MonkeyPatch.context() as other:
        other.setenv("ELBO_ROOM_SPARES", "0")
        fits.warm()
        assert no_fits.spare is None
    fits.warm()
    assert no_fits.spare is not None
    assert fits.start_fit(run, "tsne") == ""
    assert no_fits.spare is None  # it works now
    assert fits.start_fit(run, "tsne") == ""
    assert len(no_fits.workers) == 1
    wait_for(run, ("fitting",))
    with pytest.MonkeyPatch.context() as other:
        other.setattr(owners, "current_owner", lambda: "bob")
        fits.end_fit(run, "tsne")  # who did not ask for it, and may not change the run
        assert not (folder_of(run, "tsne", weights_sha(run)) / "stop").exists()
    fits.end_fit(run, "tsne")
    assert wait_for(run, ("stopped", "finished")) == "stopped"
    end = time.monotonic() + 120
    while no_fits.living():  # it tells before it ends
        assert time.monotonic() < end
        time.sleep(0.05)
    monkeypatch.setattr(fits, "COMMAND", command)
    assert fits.start_fit(run, "tsne") == ""
    assert wait_for(run, ("finished",)) == "finished"
    assert read_fit(folder_of(run, "tsne", weights_sha(run))).n == 360


@pytest.mark.slow
def test_two_at_a_time_and_none_outlives_the_server(
    run: Path, client: TestClient, no_fits: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fits, "COMMAND", held_fit.COMMAND)
    for name in ("two", "three"):
        shutil.copytree(run, run.with_name(name))
    assert fits.start_fit(run, "tsne") == ""
    assert fits.start_fit(run.with_name("two"), "tsne") == ""
    assert "already" in fits.start_fit(run.with_name("three"), "tsne")
    workers = list(no_fits.workers.values())
    fits.stop_all()
    assert all(worker.exit_code() is not None for worker in workers)


def test_a_fit_that_cannot_be_says_why(
    run: Path, client: TestClient, no_fits: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "nothing"))
    bare = tmp_path / "bare"
    shutil.copytree(DEMOS / "demo-mnist-10d", bare, ignore=shutil.ignore_patterns("heldout.npz", "projections"))
    assert "ELBO_ROOM_DATA" in fits.start_fit(bare, "tsne")
    assert "training images" in fits.start_fit(bare, "tsne", "train")
    (run / "projections").write_text("in the way")
    assert "cannot be stored" in fits.start_fit(run, "tsne")
