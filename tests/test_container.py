"""The container: what the image holds is enough to start the app, and the health check that it names is answered.

The image itself is built where Docker is at hand, by `docker build .`; here the same files, start command and health
check run with the packages of this environment.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STEPS = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
PATIENCE = 120.0  # seconds


def instruction(name: str) -> str:
    found = re.findall(rf"^{name} (.+)$", STEPS, re.MULTILINE)
    assert len(found) == 1, name
    return str(found[0])


def context(folder: Path) -> None:
    """Copies what `.dockerignore` lets into the image."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    for pattern in (line[1:] for line in lines if line.startswith("!")):
        kept = [path for path in (ROOT / pattern).parent.iterdir() if fnmatch.fnmatch(path.name, Path(pattern).name)]
        assert kept, pattern
        for path in kept:
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy(path, target)


def test_it_runs_as_nobody_special_and_installs_what_users_install() -> None:
    assert instruction("USER") == "room"
    assert STEPS.index("\nUSER ") < STEPS.index("\nCMD ")
    for file in instruction("COPY requirements.txt").split()[:-1]:
        assert (ROOT / file).is_file()
    packages = re.findall(r"^torch(?:vision)?[<>=].*$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert len(packages) == 2  # the two lines that the image takes from PyTorch's own index


@pytest.mark.parametrize(("below", "path"), [(None, ""), ("", ""), ("/elbo/", "/elbo"), ("a/b", "/a/b")])
def test_the_health_check_asks_below_the_base_path(
    below: str | None, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda address, timeout: asked.append(address))
    monkeypatch.delenv("STREAMLIT_SERVER_BASE_URL_PATH", raising=False)
    if below is not None:
        monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", below)
    exec(json.loads(re.sub(r"^.*?CMD ", "", instruction("HEALTHCHECK")))[-1], {})
    assert asked == [f"http://127.0.0.1:8501{path}/_stcore/health"]


@pytest.mark.slow
def test_what_it_holds_starts_and_its_health_check_is_answered(tmp_path: Path) -> None:
    context(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = dict(pair.split("=", 1) for pair in instruction("ENV").split())
    settings |= {"ELBO_ROOM_RUNS": str(tmp_path / "runs"), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1"}
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **settings, "STREAMLIT_SERVER_PORT": str(port), "PATH": search, "PYTHONPATH": ""}
    check = json.loads(re.sub(r"^.*?CMD ", "", instruction("HEALTHCHECK")).replace("8501", str(port)))
    with open(tmp_path / "log", "wb") as log:
        started = subprocess.Popen(
            json.loads(instruction("CMD")),
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        limit = time.monotonic() + PATIENCE
        while subprocess.run(check, env=environment, capture_output=True, check=False).returncode:
            assert started.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < limit, (tmp_path / "log").read_text()
            time.sleep(0.2)
        demos = {path.name for path in (ROOT / "checkpoints").glob("demo-*")}
        assert {path.name for path in (tmp_path / "runs").glob("demo-*")} == demos
    finally:
        os.killpg(started.pid, signal.SIGINT)
        started.wait(PATIENCE)
