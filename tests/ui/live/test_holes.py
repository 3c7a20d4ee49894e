"""What a map is painted by: the scores and draws that the finding `holes` keeps, and where the draws lie."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.ui.live.test_map import unpack
from tests.vae.made_up import RESULTS, keep, with_holes
from ui.live import cache
from ui.live.cache import weights_sha
from ui.live.holes import MOST, hole_routes, keeps_holes
from ui.map.figures import HOLES, map_figure
from ui.map.view import MapView, read_view
from vae.diagnosis.results import read_result_arrays
from vae.runs import load_run
from vae.space.encodings import codes_of
from vae.space.fit_process import fit, read_projection, request_fit

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    ignore = shutil.ignore_patterns("projections", "diagnosis")
    return Path(shutil.copytree(ROOT / "checkpoints/demo-digits-2d", tmp_path / "one", ignore=ignore))


@pytest.fixture
def client(run: Path) -> Iterator[TestClient]:
    yield TestClient(Starlette(routes=hole_routes))
    cache.forget()


def test_scores_and_draws_come_as_they_are_kept(client: TestClient, run: Path) -> None:
    sha = weights_sha(run)
    assert not keeps_holes(run)
    assert client.get(f"/runs/one/holes/{sha}").status_code == 404
    folder = keep(run, (with_holes(2),))
    assert keeps_holes(run)
    header, pairs = unpack(client.get(f"/runs/one/holes/{sha}").content)
    assert header == {"n": 360, "m": 400, "k": 2}
    values, kept = pairs.ravel(), read_result_arrays(folder, "holes")
    np.testing.assert_array_equal(values[:360], kept["score"])
    np.testing.assert_array_equal(values[360:1160].reshape(400, 2), kept["prior"])
    np.testing.assert_array_equal(values[1160:], kept["prior_score"])


def test_draws_lie_where_the_map_places_them(client: TestClient, run: Path) -> None:
    keep(run, (with_holes(2, m=MOST + 7),))
    sha = weights_sha(run)
    address = f"/runs/one/holes/{sha}?method=tsne"
    assert "not finished" in client.get(address).text
    folder = request_fit(run, "tsne", sha, codes_of(load_run(run)).loc)
    (folder / "stop").touch()
    assert fit(folder).state == "stopped"
    header, places = unpack(client.get(address).content)
    assert header == {"m": MOST}
    prior = read_result_arrays(run / "diagnosis" / sha[:8], "holes")["prior"]
    np.testing.assert_allclose(places, read_projection(folder).transform(prior[:MOST]), rtol=1e-4, atol=1e-4)
    assert client.get(f"/runs/one/holes/{sha}?method=../x").status_code == 400


def test_what_does_not_fit_the_run_is_refused_in_a_sentence(client: TestClient, run: Path) -> None:
    sha = weights_sha(run)
    keep(run, (with_holes(3),))
    answer = client.get(f"/runs/one/holes/{sha}")
    assert (answer.status_code, "does not fit a run with 2 latent dimensions" in answer.text) == (409, True)
    keep(run, (RESULTS[2],))
    file = run / "diagnosis" / sha[:8] / "holes.npz"
    file.write_bytes(b"PK\3\4 and no more")
    assert client.get(f"/runs/one/holes/{sha}").status_code == 409
    np.savez(file, score=np.ones(360))
    assert "holds no 'prior'" in client.get(f"/runs/one/holes/{sha}").text
    assert client.get(f"/runs/one/holes/{'0' * 64}").status_code == 404
    assert client.get(f"/runs/..%2fone/holes/{sha}").status_code == 404


def test_the_map_takes_the_colour_only_where_it_is_kept(run: Path) -> None:
    assert read_view({"colour": "hole"}, 2) == (MapView("plane", 0, 1), ["colour"])
    assert read_view({"colour": "hole"}, 2, holes=True) == (MapView("plane", 0, 1, "hole"), [])
    keep(run, (with_holes(2, n=300),))
    (trace,) = map_figure(run, MapView("plane", colour="hole"), "dark").data
    np.testing.assert_array_equal(trace.marker.color, [1.0] * 300 + [0.0] * 60)  # 60 that nobody looked at
    assert (trace.marker.cmin, trace.marker.cmax) == (-1, 1)
    assert [colour for _, colour in trace.marker.colorscale] == list(HOLES["dark"])
    cache.forget()


def test_colours_are_those_of_the_page() -> None:
    module = (ROOT / "ui/static/map/holes.js").read_text()
    palette = (ROOT / "ui/static/shared/palette.css").read_text()
    for tone, colours in HOLES.items():
        assert f"{tone}: {json.dumps(list(colours))}" in module
        assert f"--er-prior: {colours[0]};" in palette
        assert f"--er-posterior: {colours[2]};" in palette
