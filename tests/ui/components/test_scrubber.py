"""The scrubber's Python side: what it sends to the page, and which stops cannot be held together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui.components.scrubber import Stop, scrubber
from vae import runs
from vae.errors import ConfigError, RunNotFound

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    for name in ("one", "two"):
        shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / name)
    return tmp_path


def sweep() -> None:
    from ui.components.scrubber import Stop, scrubber
    from vae.runs import run_path

    held = [Stop(run_path(name), None, f"C = {C:g}") for name, C in (("one", 1), ("two", 10))]
    scrubber(held, title="Scrub C, z held", image=3, z="0.5_-1", key="scrub-C")


def sent(app: AppTest) -> dict[str, Any]:
    assert not app.exception
    found = [json.loads(e.proto.json) for e in app.main if hasattr(getattr(e, "proto", None), "component_name")]
    assert len(found) == 1
    return dict(found[0])


def test_the_runs_of_a_sweep_are_sent_in_order_with_what_is_held(folder: Path) -> None:
    app = AppTest.from_function(sweep, default_timeout=120)
    app.query_params.update({"at": "one", "other": "kept"})
    data = sent(app.run())
    sha = runs.content_hash(folder / "one", runs.WEIGHTS)
    assert [(stop["run"], stop["key"], stop["label"], stop["short"], stop["sha"]) for stop in data["stops"]] == [
        ("one", "one", "C = 1", "C = 1", sha),
        ("two", "two", "C = 10", "C = 10", sha),
    ]
    assert data["shape"] == {"k": 2, "height": 8, "width": 8, "channels": 1}
    assert (data["support"], data["held"], data["start"]) == ("real", {"image": 3, "z": "0.5_-1"}, {"at": "one"})
    assert data["follow"] is None


def test_stops_that_have_no_common_z_are_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="expected at least one"):
        scrubber([], title="")
    config = json.loads((folder / "two/config.json").read_text())
    config["config"]["latent_dim"] = 3
    (folder / "two/config.json").write_text(json.dumps(config))
    runs.save_checked(folder / "two", {"config.json": (folder / "two/config.json").read_bytes()})
    with pytest.raises(ConfigError, match=r"must be alike; got 2 dimensions \(normal\).*; 3 dimensions"):
        scrubber([Stop(folder / name, None, name) for name in ("one", "two")], title="")
    with pytest.raises(RunNotFound, match="keeps no moment of step 7; the nearest is that of step"):
        Stop(folder / "one", 7, "step 7").to_json()
