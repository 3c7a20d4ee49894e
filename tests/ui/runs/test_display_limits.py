"""The values between which real-valued images are shown, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ui.runs.display_limits import shown
from vae import runs
from vae.config import Config
from vae.datasets import DataInfo
from vae.training.defaults import complete


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-1.0, 1.0, "−1 to 1"),
        (3.26e-7, 4094.835, "0 to 4,095"),
        (-3e-9, 1.00007, "0 to 1"),
        (1000.0, 1000.52, "1,000 to 1,000.52"),
        (-2e-5, 3.14159e-5, "−2e−05 to 3.142e−05"),
    ],
)
def test_limits_are_told_to_a_thousandth_of_the_range(low: float, high: float, words: str) -> None:
    assert shown(low, high) == words


def page(name: str) -> None:
    from ui.runs.display_limits import limits_note
    from vae.runs import load_run

    limits_note(load_run(name))


@pytest.mark.parametrize("support", ["real", "unit"])
def test_only_runs_of_real_numbers_tell_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, support: str) -> None:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    info = DataInfo("x", (1, 4, 4), support, 1, 20, 10, limits=(-1.0, 3.0))  # type: ignore[arg-type]
    config, _ = complete(Config(dataset="x.npz"), info)
    name = runs.create_run(config, info.to_json(), "one", tmp_path).name
    app = AppTest.from_function(page, default_timeout=120, kwargs={"name": name}).run()
    assert not app.exception
    told = " ".join(element.proto.body for element in app.main if hasattr(element.proto, "body"))
    assert ("Shown: −1 to 3, from black to white" in told) == (support == "real")
