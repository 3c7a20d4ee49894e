"""Pages run by AppTest, with runs in a temporary folder and an engine that only remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ui import server
from ui.room import identity
from ui.runs import owners
from vae import runs
from vae.config import Config
from vae.engines.base import State
from vae.engines.states import log_tail
from vae.runs.start import Request

ROOT = Path(__file__).resolve().parents[2]
DIGITS = {
    "name": "digits", "shape": [1, 8, 8], "support": "unit", "scale": 16, "train": 1437, "test": 360, "classes": None,
}  # fmt: skip


class RememberingEngine:
    def __init__(self) -> None:
        self.submitted: list[tuple[Path, str]] = []
        self.stopped: list[Path] = []
        self.queue: list[Path] = []
        self.requests: list[Request] = []
        self.sentences: dict[Path, str] = {}
        self.words: dict[Path, str] = {}

    def submit(self, path: Path, owner: str = "", request: Request | None = None) -> None:
        self.submitted.append((path, owner))
        self.requests.append(request or Request())

    def state(self, path: Path) -> State:
        return State(words=self.words.get(path, ""), problem=self.sentences.get(path, ""))

    def log_tail(self, path: Path) -> str:
        return log_tail(path)

    def stop(self, path: Path) -> None:
        self.stopped.append(path)

    def queued(self) -> list[Path]:
        return self.queue


@pytest.fixture
def runs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path / "runs"))
    identity.signing_key.cache_clear()
    return tmp_path / "runs"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> RememberingEngine:
    fake = RememberingEngine()
    monkeypatch.setattr(server, "engine", lambda name=None: fake)
    return fake


@pytest.fixture
def app(
    runs_folder: Path, engine: RememberingEngine, browser_of: Callable[[str], str], sit: Callable[[bool], None]
) -> AppTest:
    """The app before its first script run: cold, in a browser on this machine that keeps no cookies."""
    browser_of("")
    sit(True)
    return AppTest.from_file(str(ROOT / "ui" / "frame.py"), default_timeout=120)


@pytest.fixture
def make_run(runs_folder: Path) -> Callable[..., Path]:
    """An ended run with a history but no weights."""

    def make(
        name: str,
        state: str = "stopped",
        message: str = "",
        history: list[dict[str, Any]] | None = None,
        **settings: Any,
    ) -> Path:
        completed = {"likelihood": "gaussian", "C": "fit", "epochs": 10, "batch_size": 128, "lr": 1e-3}
        config = Config(**completed | settings)
        path = runs.create_run(config, DIGITS, name, runs_folder)
        measured = {"distortion": -12.5, "rate": 4.25, "elbo": 8.25}
        record = {"step": 112, "epoch": 10.0, "C": 36.25, "train": measured, "test": measured}
        for line in [record] if history is None else history:
            runs.append_history(path, line)
        runs.write_status(path, runs.Status(state=state, step=112, total_steps=113, message=message))
        return path

    return make


@pytest.fixture
def browser_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Become the browser with this id; answers its owner id."""

    def become(visitor: str) -> str:
        monkeypatch.setattr(owners, "visitor_id", lambda cookies: visitor)
        return identity.owner_id(visitor)

    return become


@pytest.fixture
def sit(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Sit at the server's own machine, or elsewhere in its network."""
    return lambda here: monkeypatch.setattr(owners, "at_this_machine", lambda: here)
