"""A page reads every file of its run at most once a rerun, and asks the other runs for their configs alone."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ui.map import fits
from ui.runs import owners
from vae import runs

DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"
opened: list[Path] = []
watched: list[Path] = []  # the folder while reads are counted


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and watched and str(arguments[0]).startswith(str(watched[0])):
        opened.append(Path(str(arguments[0])).relative_to(watched[0]))


sys.addaudithook(_note)  # for good: Python takes none back


@pytest.fixture
def folder(runs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(fits, "warm", lambda: None)
    for name in ("one", "other"):
        shutil.copytree(DEMOS / "demo-digits-2d", runs_folder / name)
    yield runs_folder
    watched.clear()
    opened.clear()


def reads(app: AppTest, page: str, folder: Path) -> Counter[str]:
    """How often a rerun of an open page opens each file of the runs."""
    app.switch_page(f"../pages/{page}.py")
    app.query_params["run"] = "one"
    app.run()
    app.run()
    watched.append(folder)
    app.run()
    watched.clear()
    assert not app.exception
    return Counter(str(path) for path in opened if path.name not in ("lock", ".signing-key"))


@pytest.mark.parametrize("page", ["train", "explore", "map"])
def test_a_file_is_read_once_a_rerun(app: AppTest, folder: Path, page: str) -> None:
    found = reads(app, page, folder)
    sums = {name: found.pop(f"{name}/manifest.json", 0) for name in ("one", "other")}
    assert sums["one"] == 1 + (page == "train")  # is the config as it was at the last rerun; a demo?
    once = ["one/config.json", "one/history.jsonl", "one/knobs.json", "one/status.json"]
    assert found == Counter(once if page == "train" else [*once, "other/config.json"])


def test_a_run_of_ones_own_asks_for_its_owner_once(app: AppTest, folder: Path) -> None:
    manifest = folder / "one/manifest.json"
    manifest.write_text(manifest.read_text().replace('"shipped": true', '"shipped": false'))
    owners.record_owner(folder / "one", "somebody")
    assert not runs.is_shipped(folder / "one")
    assert reads(app, "train", folder)["one/owner.json"] == 1
