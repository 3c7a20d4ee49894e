"""Compare, through time: what it shows of a run with moments, and what it says of one without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.vae.engines.scripted_runs import make_quick, new_run, scripted_run
from ui.live import cache
from vae import runs
from vae.runs.moments import INDEX, list_moments

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        return scripted_run(root)


@pytest.fixture
def run(made: Path, runs_folder: Path) -> Iterator[Path]:
    yield Path(shutil.copytree(made, runs_folder / "run"))
    cache.forget()


def opened(app: AppTest, **address: str) -> AppTest:
    app.switch_page(str(ROOT / "pages/compare.py"))
    for name, value in {"run": "run", "mode": "time", **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def scrubbers(app: AppTest) -> list[dict[str, Any]]:
    protos = [getattr(element, "proto", None) for element in app.main]
    return [json.loads(p.json) for p in protos if "scrub" in getattr(p, "component_name", "")]


def words(app: AppTest) -> str:
    return " ".join([*(str(block.value) for block in app.markdown), *(str(e.proto) for e in app.get("html"))])


def test_a_run_is_shown_at_all_its_moments(app: AppTest, run: Path) -> None:
    (data,) = scrubbers(opened(app, at="24", image="5", z="1_-0.5", what="else"))
    assert [(stop["key"], stop["sha"]) for stop in data["stops"]] == [
        (str(moment.step), moment.sha256) for moment in list_moments(run)
    ]
    assert data["start"] == {"at": "24", "image": "5", "z": "1_-0.5"}
    assert (data["run"], data["follow"]) == ("run", None)
    assert "does not know (what)" in words(app)


def test_while_it_trains_new_moments_are_followed(app: AppTest, run: Path) -> None:
    index = json.loads((run / INDEX).read_text())
    (run / INDEX).write_text(json.dumps({**index, "moments": index["moments"][:4]}))
    with runs.acquire(run):
        runs.write_status(run, runs.Status("running", step=40))
        (data,) = scrubbers(opened(app))
    assert data["follow"] == "run"
    assert [stop["why"] for stop in data["stops"]][-2:] == ["log", "newest"]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("shipped", "ships without moments"),
        ("old", "before runs kept moments"),
        ("damaged", "moments/index.json cannot be read"),
        ("one", "one moment only"),
    ],
)
def test_a_run_without_moments_says_why_and_what_to_do(app: AppTest, run: Path, kind: str, sentence: str) -> None:
    if kind == "shipped":
        shutil.rmtree(run / "moments")
        runs.mark_as_shipped(run)
    elif kind == "old":
        shutil.rmtree(run / "moments")
    elif kind == "damaged":
        (run / INDEX).write_text('{"moments": [{}]}')
    else:
        index = json.loads((run / INDEX).read_text())
        (run / INDEX).write_text(json.dumps({**index, "moments": index["moments"][-1:]}))
    opened(app)
    assert scrubbers(app) == []
    assert sentence in words(app)


def test_a_run_that_waits_is_not_told_that_it_is_old(runs_folder: Path) -> None:
    from vae.runs.moments import why_none

    assert why_none(new_run(runs_folder, "new")) == ""
