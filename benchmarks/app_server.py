"""The application as a visitor finds it: `streamlit run app.py` on a free port, for whatever drives a browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60  # seconds


@contextmanager
def serving(runs: Path, demos: bool = False) -> Iterator[str]:
    """The address of a server that answers, with its runs in the folder `runs`; `demos`: the demo runs copied there."""
    for run in (ROOT / "checkpoints").glob("demo-*") if demos else ():
        shutil.copytree(run, runs / run.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(
        [*command, "--server.headless", "true"],
        cwd=ROOT,
        env={**os.environ, "ELBO_ROOM_RUNS": str(runs)},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_healthy(address)
        yield address
    finally:
        server.terminate()
        server.wait(10)


def _wait_until_healthy(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"the server did not answer within {PATIENCE} s")
