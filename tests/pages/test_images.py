"""The page for one's own images, and what the form makes of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import RememberingEngine
from tests.vae.datasets.own.pictures_made import quiet, two_classes, write
from ui.own import shelf
from ui.runs import owners
from vae import runs
from vae.config import Config
from vae.datasets import describe, load_dataset, own_datasets
from vae.datasets.own.entries import at
from vae.datasets.own.prepare import prepare, suggested
from vae.datasets.own.report import survey


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def make(folder: Path, name: str, root: Path, owner: str = "") -> None:
    found = at(folder)
    report, _ = survey(found, quiet)
    owners.record_owner(prepare(found, report, name, suggested(report), root, quiet), owner)


def words(app: AppTest) -> str:
    """All that the page says."""
    return " ".join(str(block.proto.body) for block in app.get("html"))


def settle(app: AppTest) -> AppTest:
    """Until the work in the thread has ended and the page has said so."""
    for _ in range(100):
        draft = app.session_state.get("own-draft")
        work = draft and (draft.make or draft.look)
        if not work or not work.running:
            break
        work.wait(1)
    return app.run()


def test_a_path_becomes_a_report_and_a_dataset_that_the_form_trains_on(
    app: AppTest, data: Path, tmp_path: Path, engine: RememberingEngine
) -> None:
    folder = two_classes(tmp_path / "pets", 12)
    write(folder, "dog/broken.png", b"no")
    app.switch_page("../pages/images.py").run()
    assert "Nothing leaves this computer" in words(app)
    app.text_input(key="own-path").set_value(str(folder)).run()
    app.button(key="own-look").click().run()
    settle(app)
    assert not app.exception
    assert "24 can be used" in words(app)
    assert "2: cat 12, dog 12" in words(app)
    assert "er-pixels" in words(app)
    key = app.session_state["own-draft"].look.result.key
    app.number_input(key=f"own-height-{key}").set_value(16).run()
    app.number_input(key=f"own-width-{key}").set_value(20).run()
    app.text_input(key=f"own-name-{key}").set_value("Not a name").run()
    app.button(key="own-use").click().run()
    assert "expected up to 40 small letters" in words(app)
    app.text_input(key=f"own-name-{key}").set_value("pets-2").run()
    app.button(key="own-use").click().run()
    settle(app)
    assert own_datasets() == ["pets-2"]
    assert load_dataset("pets-2").shape == (3, 16, 20)
    assert app.session_state["train-dataset"] == "pets-2"


def test_the_form_lists_them_and_trains_on_them(
    app: AppTest, data: Path, tmp_path: Path, engine: RememberingEngine
) -> None:
    make(two_classes(tmp_path / "pets", 12), "pets", data)
    app.switch_page("../pages/train.py").run()
    app.button_group(key="train-dataset").set_value("pets").run()
    assert "24 images, 30 × 40 × 3, colour." in words(app)
    app.button(key="start").click().run()
    assert not app.exception
    path = engine.submitted[-1][0]
    config, about = runs.read_config(path)
    assert (config.dataset, about["name"], about["path"]) == ("pets", "pets", None)


def test_another_visitors_images_are_neither_seen_nor_deleted(
    app: AppTest, data: Path, tmp_path: Path, browser_of: Callable[[str], str], sit: Callable[[bool], None]
) -> None:
    folder = two_classes(tmp_path / "pets", 12)
    mine, theirs = browser_of("me"), browser_of("you")
    make(folder, "mine", data, mine)
    make(folder, "theirs", data, theirs)
    make(folder, "everybodys", data)
    browser_of("me")
    sit(False)
    assert shelf.visible() == ["everybodys", "mine"]
    assert [shelf.may(name) for name in ("mine", "theirs", "everybodys")] == [True, False, False]
    app.switch_page("../pages/images.py").run()
    assert "mine" in words(app)
    assert "theirs" not in words(app)
    assert "whoever runs it can see them" in words(app)
    assert {button.key for button in app.button} >= {"use-mine", "delete-mine", "use-everybodys"}
    assert not {"delete-theirs", "delete-everybodys", "use-theirs"} & {button.key for button in app.button}
    assert not [field for field in app.text_input if field.key == "own-path"]
    assert "read for other visitors only where its owner allows it" in words(app)
    app.button(key="delete-mine").click().run()
    app.button(key="own-delete-confirm").click().run()
    assert own_datasets() == ["everybodys", "theirs"]


def test_a_folder_that_is_not_allowed_is_not_read(
    app: AppTest, data: Path, tmp_path: Path, sit: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = two_classes(tmp_path / "pets", 12)
    sit(False)
    monkeypatch.setenv("ELBO_ROOM_IMAGES", os.pathsep.join([str(tmp_path / "open")]))
    app.switch_page("../pages/images.py").run()
    app.text_input(key="own-path").set_value(str(folder)).run()
    app.button(key="own-look").click().run()
    assert f"from elsewhere only {tmp_path / 'open'}" in words(app)
    assert app.session_state["own-draft"].look is None


def test_settings_of_a_run_whose_images_are_gone_say_so(
    app: AppTest, data: Path, tmp_path: Path, runs_folder: Path
) -> None:
    make(two_classes(tmp_path / "pets", 12), "pets", data)
    settings: dict[str, Any] = {"likelihood": "gaussian", "C": "fit", "epochs": 3, "batch_size": 8, "lr": 1e-3}
    path = runs.create_run(Config(dataset="pets", **settings), describe("pets").to_json(), "one")
    assert runs.runs_on("pets") == ["one"]
    app.switch_page("../pages/train.py")
    app.query_params["from"] = path.name
    app.run()
    assert app.session_state["train-dataset"] == "pets"
    from vae.datasets.own import stored

    stored.remove("pets", data)
    app.session_state["copied"] = None
    app.run()
    assert not app.exception
    assert app.session_state["train-dataset"] == "digits"
    assert "dataset" in words(app)
