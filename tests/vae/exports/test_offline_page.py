"""The page without a server, read back: its numbers are the run's, nothing in it points outside, texts stay texts."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from tests.vae.exports.offline_file import OfflineFile
from vae import runs
from vae.browser import decoder_export
from vae.config import Config
from vae.datasets import describe
from vae.errors import ConfigError, DecoderUnsupported, RunError
from vae.exports import offline_data, offline_page
from vae.exports.export import Stopped, unheard
from vae.exports.offline_page import write_page
from vae.model.vae import build_model
from vae.space.encodings import Codes, codes_of
from vae.space.fit_process import project, read_frame
from vae.space.packed_codes import pack_codes
from vae.space.projections import Pca
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"
HOSTILE = "<img src=x onerror=alert(1)></script><!--\u2028\"'&lt;"


def read(run: runs.Run, folder: Path) -> OfflineFile:
    file = folder / "page.html"
    write_page(run, "", file, unheard)
    return OfflineFile(file.read_text("utf-8"))


def untrained(folder: Path, **settings: Any) -> runs.Run:
    """A run on digits with its first weights and no history."""
    info = describe("digits")
    config, _ = complete(Config(**{"dataset": "digits", "hidden": (12,), **settings}), info)
    path = runs.create_run(config, info.to_json(), "untrained", folder)
    weights = save(build_model(config, info.shape).state_dict(), metadata={"step": "1"})
    runs.save_checked(path, {runs.WEIGHTS: weights})
    return runs.load_run(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[runs.Run, OfflineFile, Codes]:
    """The two-dimensional demo under a hostile name, with hostile labels; its page; all of its codes."""
    folder = tmp_path_factory.mktemp("offline")
    path = Path(shutil.copytree(DEMOS / "demo-digits-2d", folder / HOSTILE.replace("/", "")))
    run = runs.load_run(path)
    run.data |= {"name": HOSTILE, "classes": [HOSTILE, *(str(digit) for digit in range(1, 10))]}
    return run, read(run, folder), codes_of(run)


def test_its_numbers_are_the_runs(made: Any) -> None:
    _, page, codes = made
    header, arrays = page.codes()
    assert header["n"] == len(codes) == 360
    assert header["rate_per_dim"] == pytest.approx(codes.rate_per_dim.tolist())
    for name in ("loc", "log_variance", "rate", "distortion"):
        values = getattr(codes, name).reshape(360, -1)
        step = (values.max(0) - values.min(0)) / 65535
        assert (np.abs(arrays[name] - values) <= 0.51 * step + 1e-6).all()
    assert (arrays["labels"] == codes.labels).all()
    assert (page.images() == codes.images).all()
    elbo = -(codes.distortion + codes.rate).astype(float)
    assert page.texts[page.texts.index("ELBO", 6) + 1 :][:3] == [
        f"{elbo.mean():.2f}", f"± {elbo.std() / 360**0.5:.2g}", "nats"
    ]  # fmt: skip
    active = page.texts.index("Active units")
    assert page.texts[active + 1 : active + 3] == ["2", "of 2"]


def test_the_decoder_the_plane_and_the_history_are_those_of_the_routes(made: Any) -> None:
    run, page, codes = made
    sha = runs.content_hash(run.path, runs.WEIGHTS)
    assert page.blocks["decoder"] == decoder_export.pack_decoder(run.model, sha, codes.limits)
    assert page.page["newest"] == {"sha": sha, "step": 3368, "k": 2, "height": 8, "width": 8, "channels": 1}
    pca = Pca()
    pca.fit(codes.loc)
    assert np.allclose(page.page["planes"]["pca"]["components"], pca.arrays()["components"])
    lines = json.loads(page.blocks["history"])
    records = [line for line in run.history if line.get("train")]
    told = [line for line in lines if "train" in line]
    assert [line["step"] for line in told] == [record["step"] for record in records]
    for line, record in zip(told, records, strict=True):
        assert line["C"] == record["C"]
        assert all(record[part][name] == value for part in ("train", "test") if part in line
                   for name, value in line[part].items())  # fmt: skip
    assert page.blocks["decoder/kernel.wasm"] == (offline_page.STATIC / "decoder/kernel.wasm").read_bytes()


def test_what_it_says_of_its_rounding_is_measured(made: Any) -> None:
    _, page, codes = made
    _, arrays = page.codes()
    said = next(text for text in page.texts if text.startswith("Codes: 16 bit"))
    error = np.abs(arrays["loc"].astype(np.float32) - codes.loc.astype(float)).max()
    assert f"means exact to {error:.1g}," in said
    assert codes.encoded is not None
    shown = page.images().astype(float) / 255 * (codes.limits[1] - codes.limits[0]) + codes.limits[0]
    off = np.abs(codes.encoded.numpy() / codes.scale - shown).max() / (codes.limits[1] - codes.limits[0])
    assert any(
        text.endswith(f"of 8 bit a value, off by at most {off:.2g} of the range that the model saw.")
        for text in page.texts
    )


def test_nothing_in_it_points_outside(made: Any) -> None:
    _, page, _ = made
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,")), (tag, attributes)
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    for script in page.scripts:
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert len(page.scripts) == 2
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
    assert "http" not in policy
    modules = page.modules
    for name, code in modules.items():
        assert "import.meta" not in code, name
        assert not re.search(r"\bfetch\(new URL|document\.baseURI|new WebSocket", code), name
        assert set(re.findall(r"https?://[\w./]+", code)) <= {"http://www.w3.org/2000/svg"}, name
        wanted = re.findall(r'^(?:import|export) [\w*\s{},$]+ from "([^"]+)";', code, re.M)
        assert set(wanted) <= set(modules), name
        assert len(re.findall(r"^import\b", code, re.M)) == sum(code.count(f'from "{way}";') for way in set(wanted)), (
            name
        )
        styles = re.findall(r'"(\w+/\w+\.css)"', code)
        assert set(styles) <= set(page.blocks)


def test_the_texts_of_a_user_stay_texts(made: Any) -> None:
    run, page, _ = made
    assert page.texts[0] == f"{run.name} · ELBO Room"
    assert page.texts.count(run.name) == 1  # its heading
    assert any(text.startswith(f"{HOSTILE}, 8 × 8") for text in page.texts)
    assert page.codes()[0]["classes"][0] == HOSTILE
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "iframe", "object", "svg"})
    assert [name for _, a in page.tags for name in a if name.startswith("on")] == []


def test_the_demo_of_mnist_fits_in_8_MB(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "none"))  # its data are not on this machine
    file = tmp_path / "mnist.html"
    heard: list[float] = []
    write_page(runs.load_run(DEMOS / "demo-mnist-10d"), "", file, lambda share, words: heard.append(share))
    assert file.stat().st_size < 3_000_000
    page = OfflineFile(file.read_text("utf-8"))
    assert page.codes()[0]["source"] == "2,000 held-out images of mnist that came along"
    assert [method["name"] for method in page.page["methods"]] == ["pca", "dims"]
    assert heard == sorted(heard)
    assert heard[0] == 0 < heard[-1] < 1


@pytest.mark.parametrize(
    ("settings", "methods"),
    [
        ({"latent": "full-normal", "latent_dim": 3}, ["pca", "dims"]),
        ({"latent": "bernoulli", "latent_dim": 4, "likelihood": "bernoulli", "binarize": "threshold"}, ["pca", "dims"]),
        ({"latent_dim": 1}, ["line"]),
    ],
)
def test_every_kind_of_latent_has_its_page(settings: dict[str, Any], methods: list[str], tmp_path: Path) -> None:
    run = untrained(tmp_path, **settings)
    page = read(run, tmp_path)
    assert [method["name"] for method in page.page["methods"]] == methods
    assert page.page["support"] == run.model.latent.support
    assert "This run has kept no records of a training." in page.texts
    assert ("covariances" in page.blocks) == (run.config.latent == "full-normal")
    if "covariances" in page.blocks:
        lower = np.frombuffer(page.blocks["covariances"], "<f2").astype(float).reshape(-1, 6)
        L = np.zeros((3, 3))
        L[np.tril_indices(3)] = lower[7]
        with torch.no_grad():
            covariance = run.model.encode(codes_of(run, limit=8).x(7)).covariance[0]
        assert np.abs(L @ L.T - covariance.numpy()).max() < 2e-3


def test_a_kept_map_comes_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = untrained(tmp_path, latent_dim=3)
    folder, _, _ = project(run.path, "tsne")
    monkeypatch.setattr(offline_data, "MOST_IMAGES", 100)
    page = read(run, tmp_path)
    assert "tsne" in [method["name"] for method in page.page["methods"]]
    header, arrays = page.codes()
    assert header["source"] == "100 of the 360 held-out images of digits"
    rows = offline_data.choose_rows(codes_of(run))
    assert len(rows) == 100
    assert page.blocks["layout-tsne"].endswith(read_frame(folder).places[rows].astype("<f4").tobytes())
    assert (page.images() == codes_of(run).images[rows]).all()
    assert arrays["loc"].shape == (100, 3)


def test_a_decoder_that_no_page_runs_is_left_out_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> bytes:
        raise DecoderUnsupported("decoder layer 3: the page has no form of this layer")

    monkeypatch.setattr(offline_page, "pack_decoder", refuse)
    page = read(untrained(tmp_path, latent_dim=2), tmp_path)
    assert "decoder" not in page.blocks
    assert [a["data-component"] for _, a in page.tags if "data-component" in a] == ["map"]
    assert sum("no form of this layer" in text for text in page.texts) == 2


def test_work_that_is_stopped_leaves_no_file(tmp_path: Path) -> None:
    run = untrained(tmp_path, latent_dim=2)
    shares: list[float] = []
    write_page(run, "", tmp_path / "whole.html", lambda share, _: shares.append(share))
    for stop in range(len(shares)):
        left = iter(range(stop))

        def progress(share: float, words: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise Stopped

        with pytest.raises(Stopped):
            write_page(run, "", tmp_path / "part.html", progress)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["whole.html"]


def test_without_the_application_it_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"html: the page is made of the application's browser modules, and .*page\.js"
    ):
        write_page(runs.load_run(DEMOS / "demo-digits-2d"), "", tmp_path / "x.html", unheard, static=tmp_path)


def test_a_long_history_is_thinned_and_keeps_every_change() -> None:
    history: list[dict[str, Any]] = []
    for step in range(9_001):
        test = {"rate": 0.5} if step % 10 == 0 else None
        train = {"rate": float(step), "rate_per_dim": [1.0]}
        history.append({"step": step, "epoch": 0.0, "C": 1.0, "train": train, "test": test})
        if step % 1000 == 0:
            history.append({"step": step, "knob": "C", "value": step})
    text, kept, recorded = offline_data.thin_history(history)
    lines = json.loads(text)
    assert (kept, recorded) == (len([line for line in lines if "train" in line]), 9_001)
    assert kept <= offline_data.MOST_RECORDS + 1
    assert sum("knob" in line for line in lines) == 10
    assert sum("test" in line for line in lines) == 901
    assert lines[-1]["step"] == 9_000
    assert "rate_per_dim" in [line for line in lines if "train" in line][-1]["train"]
    assert "rate_per_dim" not in lines[0]["train"]
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)


def test_codes_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    codes = codes_of(untrained(tmp_path, latent_dim=2), limit=5)
    rate = codes.rate.copy()
    rate[2] = np.nan
    with pytest.raises(RunError, match="not all finite"):
        offline_data.quantise(pack_codes(dataclasses.replace(codes, rate=rate)))
