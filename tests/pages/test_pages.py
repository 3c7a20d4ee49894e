"""Every page opens because its file is in `pages/`: with no run, with one, and none that raises gets through."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.page_contract import page_opens
from ui import navigation
from ui.binary.job import Job
from ui.diagnose import work as diagnoses
from ui.explore.modes import MODES
from ui.map import fits
from ui.suspects import work as suspects
from vae.space.projections import PROJECTIONS

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"
FILES = sorted(navigation.FOLDER.glob("*.py"))


@pytest.fixture(autouse=True)
def nothing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither processes nor a laboratory's work in threads: their pages have tests of their own."""
    monkeypatch.setattr(fits, "warm", lambda: None)
    monkeypatch.setattr(suspects, "start", lambda *_: "")
    monkeypatch.setattr(diagnoses, "start_diagnosis", lambda *_: "")
    monkeypatch.setattr(Job, "_go_through", lambda *_: None)


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newcomer's page: one file, and one line that names it."""
    file = tmp_path / "mine.py"
    monkeypatch.setitem(navigation.PAGES, str(file), ("Mine", "Learn"))
    return file


def test_every_file_is_in_the_navigation() -> None:
    assert sorted(navigation.PAGES) == [file.name for file in FILES]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_page_opens_cold(app: AppTest, file: Path) -> None:
    page_opens(app, file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_page_opens_with_a_run(app: AppTest, file: Path, runs_folder: Path) -> None:
    shutil.copytree(DEMO, runs_folder / "one", ignore=shutil.ignore_patterns("projections"))
    page_opens(app, file, run="one")


@pytest.mark.parametrize("method", PROJECTIONS)
def test_the_map_opens_on_every_projection(app: AppTest, runs_folder: Path, method: str) -> None:
    """Also on one whose package is missing here, which the page leaves out with a notice."""
    shutil.copytree(DEMO, runs_folder / "one", ignore=shutil.ignore_patterns("projections"))
    page_opens(app, navigation.FOLDER / "map.py", run="one", method=method)


@pytest.mark.parametrize("mode", MODES)
def test_explore_opens_in_every_mode(app: AppTest, runs_folder: Path, mode: str) -> None:
    shutil.copytree(DEMO, runs_folder / "one", ignore=shutil.ignore_patterns("projections"))
    page_opens(app, navigation.FOLDER / "explore.py", run="one", mode=mode)


def test_a_newcomers_page_opens(app: AppTest, added: Path) -> None:
    added.write_text('import streamlit as st\n\nst.title("Hello")\n')
    assert page_opens(app, added).title[0].value == "Hello"


@pytest.mark.parametrize("body", ["raise ValueError('broken')", "import streamlit as st\nst.title(1 / 0)", ""])
def test_a_page_that_raises_or_is_empty_is_found_out(app: AppTest, added: Path, body: str) -> None:
    added.write_text(body)
    with pytest.raises(AssertionError, match=r"mine\.py"):
        page_opens(app, added)
