"""Where new runs train: nothing to choose from, an engine that is there, and one that is set up and is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from ui.runs.engine_choice import choose_engine

    st.text(choose_engine("engine"))


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page with these settings, on a machine with Slurm's sbatch or without."""

    def show(sbatch: bool = True, **settings: Any) -> AppTest:
        folder, file = tmp_path / "bin", tmp_path / "engines.json"
        folder.mkdir()
        if sbatch:
            (folder / "sbatch").write_text("#!/bin/sh\n")
            (folder / "sbatch").chmod(0o755)
        file.write_text(json.dumps(settings))
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setenv("ELBO_ROOM_ENGINES", str(file))
        monkeypatch.delenv("ELBO_ROOM_ENGINE", raising=False)
        test = AppTest.from_function(page, default_timeout=120).run()
        assert not test.exception
        return test

    return show


def test_with_one_engine_there_is_nothing_to_choose(shown: Any) -> None:
    test = shown(sbatch=False)
    assert len(test.selectbox) == 0
    assert test.text[0].value == "local"


def test_of_an_engine_that_nobody_has_set_up_nothing_is_said(shown: Any) -> None:
    test = shown()
    assert test.selectbox[0].options == ["this machine", "Slurm"]
    assert "Not here" not in words(test)
    test.selectbox[0].set_value("slurm").run()
    assert test.text[0].value == "slurm"


def test_one_that_is_set_up_and_not_there_is_told(shown: Any) -> None:
    assert "Not here: ray: address: expected" in words(shown(ray={"address": "nowhere"}))


def test_the_settings_say_which_is_chosen_first(shown: Any) -> None:
    assert shown(engine="slurm").text[0].value == "slurm"


def words(test: AppTest) -> str:
    return " ".join(str(one.value) for kind in ("markdown", "caption", "html") for one in test.get(kind))
