"""A real Ray cluster in a temporary folder: a head that computes nothing, and two machines' worth of workers."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

from tests.vae.engines.slurm_cluster import free_ports, until


def why_not() -> str:
    """Returns why no cluster can be started here; "" where it can."""
    return "" if importlib.util.find_spec("ray") else "ray is not installed here: requirements-ray.txt"


class Cluster:
    """`address` is its dashboard's; `token` what it asks for, "" for nothing."""

    def __init__(self, folder: Path, token: str) -> None:
        self.token = token
        self.nodes: list[subprocess.Popen[bytes]] = []
        self.out = folder.with_name(folder.name + ".out")
        port, dashboard, client = free_ports(3)
        self.gcs, self.address = f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}"
        self.head_words = [
            "--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=true", "--num-cpus=0",
            f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", f"--temp-dir={folder}",
        ]  # fmt: skip

    def begin(self) -> None:
        self.insist(1, *self.head_words)
        for count in (2, 3):
            (port,) = free_ports(1)
            words = (f"--address={self.gcs}", "--num-cpus=2", "--node-ip-address=127.0.0.1")
            self.insist(count, *words, f"--dashboard-agent-listen-port={port}")

    def insist(self, count: int, *words: str) -> None:
        """Starts a machine; one that Ray gives up after half a minute, as it does on a crowded computer, once more."""
        for _ in range(3):
            self.start(*words)
            until(lambda: self.machines() >= count or self.nodes[-1].poll() is not None, 180)
            if self.nodes[-1].poll() is None:
                return
            self.nodes.pop()
        raise AssertionError(self.out.read_text()[-2000:])

    def machines(self) -> int:
        """How many are up, the head with them."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"{self.address}/nodes?view=summary", headers=headers)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
                nodes = json.load(answer)["data"]["summary"]
        except (OSError, HTTPException):
            return 0
        return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)

    def add_machine(self) -> None:
        (port,) = free_ports(1)
        words = (f"--address={self.gcs}", "--num-cpus=2", "--node-ip-address=127.0.0.1")
        self.start(*words, f"--dashboard-agent-listen-port={port}")

    def start(self, *words: str) -> None:
        environment = {**os.environ, "RAY_AUTH_MODE": "token" if self.token else "disabled",
                       "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1",
                       "RAY_JOB_STOP_WAIT_TIME_S": "10"}  # fmt: skip
        environment.pop("PYTHONWARNINGS", None)
        out = open(self.out, "ab")  # noqa: SIM115  it is the daemon's
        ray = "from ray.scripts.scripts import main; main()"
        words = ("start", "--block", "--object-store-memory=80000000", "--disable-usage-stats", *words)
        self.nodes.append(
            subprocess.Popen([sys.executable, "-c", ray, *words], env=environment, stdout=out, stderr=out,
                             start_new_session=True)
        )  # fmt: skip
        out.close()

    def lose_machine(self, number: int) -> None:
        """One of the machines goes at once: its daemon is killed, and what it started ends with it."""
        node = self.nodes.pop(number + 1)
        children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
        for pid in (*children, str(node.pid)):
            os.kill(int(pid), signal.SIGKILL)
        node.wait()

    def close(self) -> None:
        for node in reversed(self.nodes):
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(node.pid, signal.SIGKILL)
            node.wait()


@contextlib.contextmanager
def cluster(folder: Path, authenticated: bool = True) -> Iterator[Cluster]:
    made = Cluster(folder, secrets.token_hex(32) if authenticated else "")
    try:
        made.begin()
        yield made
    finally:
        made.close()
