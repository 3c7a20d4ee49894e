"""The application from the command line: started where it lives, or told where to get it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vae import runs
from vae.__main__ import main
from vae.runs import application

ROOT = Path(__file__).resolve().parents[3]


class Server:
    """Stands in for the process of the server; Ctrl-C comes once while it is waited for."""

    started: tuple[list[str], Path]

    def __init__(self, command: list[str], cwd: Path) -> None:
        type(self).started, self.interrupted = (command, cwd), False

    def wait(self) -> int:
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return -15


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `pip install .` leaves it: the package far from the project's folder, the current folder empty."""
    monkeypatch.setattr(application, "__file__", str(tmp_path / "site-packages" / "vae" / "application.py"))
    monkeypatch.delenv("ELBO_ROOM_RUNS", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_the_application_starts_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Server)
    monkeypatch.setattr(application.signal, "signal", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    assert main(["app", "--server.port", "8502", "--theme.base=dark"]) == 143
    options = ["--server.port", "8502", "--theme.base=dark"]
    assert Server.started == ([sys.executable, "-m", "streamlit", "run", "app.py", *options], ROOT)


def test_far_from_its_folder_it_is_told_where_to_look(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (installed / "app.py").touch()  # of some other project
    assert main(["app"]) == 2
    told = capsys.readouterr().err
    assert "the application is not part of the installed package; change into a clone" in told
    assert told.count("\n") == 1


def test_without_streamlit_it_is_told_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "streamlit" else find(name))
    assert main(["app"]) == 2
    assert "pip install -e .[app]" in capsys.readouterr().err


def test_runs_lie_in_the_project_or_in_the_current_folder(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runs.runs_root() == installed / "checkpoints"
    monkeypatch.chdir(ROOT)  # an installed core in a clone: the application's runs
    assert runs.runs_root() == ROOT / "checkpoints"


@pytest.mark.parametrize("script", ["elbo-room", "elbo-room.exe", "__main__.py"])
def test_help_names_the_command_that_was_called(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/bin/{script}"])
    with pytest.raises(SystemExit) as ended:
        main(["train", "--nonsense"])
    assert ended.value.code == 2
    name = "python -m vae" if script == "__main__.py" else "elbo-room"
    assert capsys.readouterr().err == f"unrecognized arguments: --nonsense; `{name} --help` lists the options\n"
