"""A newcomer's additions: one class or function and one line in a registry each, and everything else picks them up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from torch import nn

from tests.newcomers import ADDED, Blank, SharedNormalLatent, StudentT, TwoAxes, Unrolled, registered
from tests.pages.conftest import app, browser_of, engine, runs_folder, sit
from tests.pages.page_contract import page_opens
from tests.vae.browser.page_heads import page_agrees_with_torch
from tests.vae.contracts import (
    LATENT_CONTRACTS,
    LIKELIHOOD_CONTRACTS,
    density_is_its_references,
    stays_finite_in_float32,
)
from tests.vae.contracts_findings import finding_keeps_its_word, finding_says_what_it_is
from tests.vae.diagnosis.conftest import quick
from ui.components import map as map_component
from ui.live import cache
from ui.live.codes import codes_routes as code_addresses
from ui.live.decoder import decoder_routes, weights_sha
from ui.live.map import map_routes
from ui.map import fits
from ui.map.figures import map_figure
from ui.map.view import MapView
from ui.navigation import FOLDER
from vae.__main__ import main
from vae.arguments import parser
from vae.bound.estimators import choices
from vae.config import Config
from vae.model.networks import NETWORKS
from vae.model.vae import build_model
from vae.runs import load_run
from vae.space.fit_process import project
from vae.space.map_kinds import describe_methods

__all__ = ["app", "browser_of", "engine", "quick", "registered", "runs_folder", "sit"]
pytestmark = pytest.mark.usefixtures("registered")
SETTINGS = "--dataset stripes --likelihood student-t --latent shared-normal --latent-dim 3 --hidden 16 --epochs 2"


@pytest.fixture
def run(runs_folder: Path, one_thread: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """A run of the newcomers' likelihood, latent and dataset, trained by the command line."""
    words = ["train", *SETTINGS.split(), "--threads", "1", "--name", "mine", "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["state"] == "finished"
    assert np.isfinite([answer["elbo"], answer["distortion"], answer["rate"]]).all()
    yield runs_folder / "mine"
    cache.forget()


@pytest.fixture
def client(run: Path) -> TestClient:
    return TestClient(Starlette(routes=[*decoder_routes, *code_addresses, *map_routes]))


# ---- their contracts


@pytest.mark.parametrize("contract", LIKELIHOOD_CONTRACTS, ids=lambda contract: contract.__name__)
def test_a_correct_student_t_keeps_to_every_contract(contract: Callable[[Any], None]) -> None:
    contract(StudentT)


def test_a_correct_student_t_is_the_one_of_others_and_finite() -> None:
    density_is_its_references(
        StudentT, lambda _, outputs: torch.distributions.StudentT(3.0, outputs[:, 0], outputs[:, 1].exp())
    )
    for scale in (0.0, 1.0, 30.0, 1e4):
        stays_finite_in_float32(StudentT, scale)


@pytest.mark.parametrize("contract", LATENT_CONTRACTS, ids=lambda contract: contract.__name__)
def test_a_correct_latent_keeps_to_every_contract(contract: Callable[[Any], None]) -> None:
    contract(SharedNormalLatent)


@pytest.mark.parametrize("network", NETWORKS)
def test_two_parameters_a_pixel_start_at_the_mean_in_every_network(network: str) -> None:
    config = Config(network=network, likelihood="student-t", latent_dim=2)
    model, mean = build_model(config, (3, 8, 8)), torch.tensor([0.2, 0.5, 0.7]).reshape(3, 1, 1).expand(3, 8, 8)
    model.start_at(mean)
    last = [layer for layer in model.decoder if isinstance(layer, (nn.Linear, nn.ConvTranspose2d))][-1]
    with torch.no_grad():
        last.weight.zero_()
        px_z = model.decode(torch.zeros(1, 2))
    torch.testing.assert_close(px_z.mean[0], mean)
    assert px_z.log_scale.unique().numel() == 1  # type: ignore[attr-defined]


# ---- where they are picked up


def test_every_newcomer_stands_in_some_help() -> None:
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    told = {name: command.format_help() for name, command in commands.items()}  # type: ignore[union-attr]
    for _, name, _ in ADDED:
        assert any(name in help_text for help_text in told.values()), name


def test_the_form_offers_them_and_starts_them(app: AppTest, engine: Any) -> None:
    app.run().switch_page("../pages/train.py").run()
    assert "stripes" in app.button_group(key="train-dataset").options
    app.button_group(key="train-dataset").set_value("stripes").run()
    assert "student-t" in app.selectbox(key="train-likelihood").options
    assert "shared-normal" in app.selectbox(key="train-latent").options
    app.selectbox(key="train-likelihood").set_value("student-t")
    app.selectbox(key="train-latent").set_value("shared-normal")
    app.run().button(key="start").click().run()
    assert not app.exception
    (path,) = (path for path, _ in engine.submitted)
    config = load_run(path).config
    assert (config.dataset, config.likelihood, config.latent) == ("stripes", "student-t", "shared-normal")
    assert config.estimator == choices("shared-normal", "elbo")[0] == "pathwise"


def test_evaluate_measures_the_run_and_lists_the_metric(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for proposal in ("mixture", "refined", "q"):
        assert main(["evaluate", "mine", "--samples", "50", "--limit", "20", "--proposal", proposal, "--json"]) == 0
        values = json.loads(capsys.readouterr().out)
        assert values["iw_bound"] > values["elbo"]
        metric = values["metrics"]["largest_mean"]
        assert (metric["unit"], metric["about"]) == (ADDED[-1][2].unit, ADDED[-1][2].about)
        assert metric["value"] == values["largest_mean"] > 0
    assert main(["evaluate", "mine", "--samples", "10", "--limit", "5"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"largest mean: {metric['value']:.3f} prior standard deviations. How far out")


def test_diagnose_asks_the_newcomers_run_and_the_newcomers_finding(
    run: Path, quick: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A finding is there in JSON, lines and report; those that are there already know a new likelihood and latent."""
    report = tmp_path / "report.html"
    assert main(["diagnose", "mine", "--json", "--html", str(report)]) == 0
    answer = json.loads(capsys.readouterr().out)
    asked = {one["name"]: one for one in answer["findings"]}
    assert (asked["blank"]["found"], asked["blank"]["shown"]) == (False, "0 of 48")
    assert "No blank images" in report.read_text(encoding="utf-8")
    assert main(["diagnose", "mine"]) == 0
    assert "✓  No blank images: 0 of 48" in capsys.readouterr().out
    assert asked["collapsed"]["n"] == 48
    assert not [one for one in answer["not_told"] if "has a fault" in one["why"]]
    finding_says_what_it_is(Blank())
    assert finding_keeps_its_word(Blank(), load_run(run), tmp_path)


def test_the_page_has_the_student_t_decoded_by_the_server(run: Path, client: TestClient) -> None:
    assert page_agrees_with_torch(StudentT) == "server"
    sha = weights_sha(run)
    refused = client.get(f"/runs/mine/decoder/{sha}")
    assert (refused.status_code, refused.headers["X-Decode"]) == (409, "server")
    assert "student-t" in refused.text
    model = load_run(run).model
    z = torch.tensor([[0.3, -1.0, 2.0]])
    with torch.no_grad():
        mean = model.decode(z).mean
    answer = client.get("/runs/mine/decode?z=0.3,-1,2")
    shown = torch.tensor(list(answer.content)).reshape(1, 1, 8, 8)
    assert (shown - 255 * mean.clamp(0, 1)).abs().max() <= 0.5 + 1e-3
    assert client.get("/runs/mine/decode?z=0.3,-1,2&seed=1").content != answer.content


def test_explore_and_map_open_on_the_run(app: AppTest, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "warm", lambda: None)
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(map_component, "_map", lambda data, **_: (given.append(data), {})[1])
    for mode in ("sliders", "samples", "traversal", "interpolate", "attributes"):
        page_opens(app, FOLDER / "explore.py", run="mine", mode=mode)
    for name in ("mode", "z"):
        app.query_params.pop(name, None)
    page_opens(app, FOLDER / "map.py", run="mine", method="unrolled")
    offered = {method["name"]: method for method in given[-1]["methods"]}
    assert given[-1]["view"]["method"] == "unrolled"
    assert offered["two-axes"] == TwoAxes.descriptor()
    assert offered["unrolled"] == Unrolled.descriptor()


def test_the_map_has_the_places_of_both_projections(
    run: Path, client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    sha = weights_sha(run)
    plane = client.get(f"/runs/mine/plane/{sha}?method=two-axes").json()
    assert plane["method"] == "two-axes"
    assert np.allclose(np.sort(np.abs(plane["components"]), axis=None), [0, 0, 0, 0, 1, 1])
    assert client.get(f"/runs/mine/plane/{sha}?method=unrolled").status_code == 400
    folder, status, codes = project(run, "unrolled")
    assert (status.state, status.n, folder.name) == ("finished", 48, f"unrolled-{sha[:8]}")
    assert b'"finished"' in client.get(f"/runs/mine/layout/{sha}?method=unrolled").content
    for method, words in (("two-axes", "Two axes"), ("unrolled", "Unrolled")):
        assert words in map_figure(run, MapView(method)).layout.title.text
        assert main(["project", "mine", "--method", method, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["n"] == len(codes) == 48
    assert [method["kind"] for method in describe_methods(3) if method["name"] in ("two-axes", "unrolled")] == [
        "linear",
        "fitted",
    ]
