"""The Train page of a run of somebody's own loop offers what that loop can take, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

import vae
from tests.pages.test_train import cold, html
from vae import runs

TERMS = {"distortion": np.full(4, 9.0), "rate": np.ones((4, 2))}
NEVER = ("Copy settings", "Continue", "Train on")


def labels(app: AppTest) -> set[str]:
    return {button.label for button in app.button}


@pytest.mark.parametrize("likelihood", ["bernoulli", None])
def test_while_it_trains(app: AppTest, runs_folder: Path, engine: Any, likelihood: str | None) -> None:
    with vae.log("mine", likelihood=likelihood) as log:
        log.step(**TERMS)
        page = cold(app, run="mine")
        assert not page.exception
        assert {"Pause", "Step", "Stop", "New run"} <= labels(page)
        assert not labels(page) & set(NEVER)
        assert "your own model" in html(page)
        assert ("likelihood not told" in html(page)) == (likelihood is None)
        assert [slider.label for slider in page.select_slider] == ["Learning rate"]
        assert not page.selectbox
        assert not page.toggle  # nothing is known of log p(x) without a model
        page.button(key="pause").click().run()
        assert runs.read_knobs(runs_folder / "mine").paused
        runs.change_knobs(runs_folder / "mine", stop=True)
        assert "your loop ends when it looks at log.stopped" in html(cold(app, run="mine"))


@pytest.mark.parametrize("how", ["finished", "stopped", "failed"])
def test_at_its_end(app: AppTest, runs_folder: Path, engine: Any, how: str) -> None:
    log = vae.log("mine", likelihood="bernoulli")
    log.step(**TERMS)
    log.close({"finished": None, "stopped": KeyboardInterrupt(), "failed": ValueError("no more")}[how])
    assert runs.read_status(runs_folder / "mine").state == how
    page = cold(app, run="mine")
    assert not page.exception
    assert not labels(page) & {*NEVER, "Pause", "Stop", "Step"}
    said = {"finished": "come to its end", "stopped": "Your loop has ended", "failed": "your script’s own output"}
    assert said[how].replace("’", "&#x27;") in html(page)


def test_its_settings_are_not_copied(app: AppTest, runs_folder: Path, engine: Any) -> None:
    vae.log("mine", likelihood="bernoulli").close()
    page = cold(app, **{"from": "mine"})
    assert not page.exception
    assert "is a model of your own: it has no settings to copy" in html(page)
