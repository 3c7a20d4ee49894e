"""How much viewers slow training down: `python benchmarks/viewers.py`.

The application serves a folder of runs in which one run trains in a worker process, as in daily use. Phases without
and with viewers alternate (0 5 5 0 0 5 ...); the run's speed is the steps between two statuses over the time between
them. Viewers are protocol clients on the /live websocket, which receive and throw away all that a tab would draw; with
--browsers real Chromium tabs are measured too, and reported apart, for on the same machine they take the cores.
Promised: five protocol clients cost no more than a tenth. Prints a table, writes benchmarks/results/viewers.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from websockets.asyncio.client import connect  # noqa: E402

from benchmarks.machine import machine  # noqa: E402
from vae import runs  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.datasets import describe  # noqa: E402
from vae.engines.local import LocalEngine  # noqa: E402
from vae.training.defaults import complete  # noqa: E402

PROMISE = 0.9  # of the speed without viewers
VIEWERS = 5
BROWSER_ROUNDS = 3  # at most: five tabs take a while to open
SETTLE = 2.0  # seconds until a change of viewers has shown its effect
RESULTS = REPOSITORY / "benchmarks" / "results" / "viewers.json"
RUNS: dict[str, Config] = {
    "digits, defaults": Config(dataset="digits"),
    "MNIST, mlp 400, d = 20": Config(dataset="mnist", likelihood="bernoulli", hidden=(400,), latent_dim=20),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8, help="pairs of phases")
    parser.add_argument("--seconds", type=float, default=6.0, help="measured in each phase")
    parser.add_argument("--threads", type=int, nargs="+", default=[0], help="of the training process; 0: as it ships")
    parser.add_argument("--browsers", type=int, default=0, help="also measure so many Chromium tabs")
    parser.add_argument("--quick", action="store_true", help="digits, one round, two seconds; writes no file")
    arguments = parser.parse_args()
    names = list(RUNS)
    if arguments.quick:
        arguments.rounds, arguments.seconds, names = 1, 2.0, names[:1]
    rows = []
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as server:
        for name in names:
            for threads in arguments.threads:
                with training(RUNS[name], threads, Path(folder)) as path:
                    rows += measure(name, path, server, arguments)
    report(rows, arguments)
    slow = [row for row in rows if row["viewers"] == "protocol" and statistics.median(row["kept"]) < PROMISE]
    return 1 if slow and not arguments.quick else 0


class Server:
    """`streamlit run app.py` on a free port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless", "true"]
        self.log = open(folder / "server.log", "wb")  # noqa: SIM115  (closed in `close`)
        self.process = subprocess.Popen(
            [*command, "--server.port", str(self.port)],
            cwd=REPOSITORY,
            env={**os.environ, "ELBO_ROOM_RUNS": str(folder)},
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://localhost:{self.port}/_stcore/health", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise SystemExit(f"the server did not start; see {self.log.name}")

    def close(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        server.wait()
        time.sleep(5)  # it warms up in the background
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def training(config: Config, threads: int, folder: Path, slots: int = 1) -> Iterator[Path]:
    """A run in a worker process, with records as often as at its default length, that does not end by itself. `slots`:
    how many such runs the folder has at a time."""
    config, _ = complete(dataclasses.replace(config, threads=threads or None, device="cpu"), describe(config.dataset))
    config = dataclasses.replace(config, epochs=1_000_000)
    data = describe(config.dataset, binarize=config.binarize or "none")
    path = runs.create_run(config, data.to_json(), root=folder)
    with LocalEngine(slots=slots, spare=False) as engine:
        engine.submit(path)
        deadline = time.monotonic() + 300
        while runs.read_status(path).state != "running":
            if time.monotonic() > deadline or runs.read_status(path).state in runs.ENDED:
                raise SystemExit(f"the run did not start: {runs.read_status(path).message}")
            time.sleep(0.2)
        yield path


def measure(name: str, path: Path, server: Server, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for protocol clients and, if wanted, one for browsers."""
    rows = [
        phases(f"{name}: {VIEWERS} protocol clients", Clients(server.port, path.name, VIEWERS), path, server, arguments)
    ]
    rows[0]["viewers"] = "protocol"
    if arguments.browsers:
        with Tabs(server.port, path.name, arguments.browsers) as tabs:
            what = f"{name}: {arguments.browsers} browser tabs on the same machine"
            rows.append(phases(what, tabs, path, server, arguments) | {"viewers": "browser"})
    return [{"run": name, "threads": runs.read_config(path)[0].threads, **row} for row in rows]


def phases(
    what: str, viewers: Clients | Tabs, path: Path, server: Server, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Alternate without and with viewers; the speed of each phase and the share of it kept per pair of phases."""
    alone: list[Phase] = []
    watched: list[Phase] = []
    for number in range(arguments.rounds if isinstance(viewers, Clients) else min(arguments.rounds, BROWSER_ROUNDS)):
        for with_viewers in (False, True) if number % 2 == 0 else (True, False):
            with viewers.watching() if with_viewers else contextlib.nullcontext():
                time.sleep(SETTLE)
                (watched if with_viewers else alone).append(look(path, server, arguments.seconds))
        speeds = alone[-1].steps_per_second, watched[-1].steps_per_second
        print(f"{what}, round {number + 1}: {speeds[0]:,.1f} -> {speeds[1]:,.1f} steps/s", flush=True)
    return {
        "what": what,
        "alone": [dataclasses.asdict(phase) for phase in alone],
        "watched": [dataclasses.asdict(phase) for phase in watched],
        "kept": [b.steps_per_second / a.steps_per_second for a, b in zip(alone, watched, strict=True)],
        "kept_per_cpu": [b.steps_per_cpu_second / a.steps_per_cpu_second for a, b in zip(alone, watched, strict=True)],
        "messages_per_second": viewers.messages_per_second(),
    }


@dataclass
class Phase:
    steps_per_second: float
    steps_per_cpu_second: float  # of the worker's; NaN where /proc is missing
    server_cores: float  # that the server kept busy


def look(path: Path, server: Server, seconds: float) -> Phase:
    """Watch the run for some seconds: steps and times are those that its status tells."""
    first = runs.read_status(path)
    before = cpu_seconds(first.pid), cpu_seconds(server.process.pid)
    time.sleep(seconds)
    last = runs.read_status(path)
    worker, serving = (
        b - a for a, b in zip(before, (cpu_seconds(last.pid), cpu_seconds(server.process.pid)), strict=True)
    )
    if last.state != "running" or last.step <= first.step:
        raise SystemExit(f"the run stands still: {last.state}, {last.message}")
    steps = last.step - first.step
    return Phase(steps / (last.heartbeat - first.heartbeat), steps / worker, serving / seconds)


class Clients:
    """Protocol clients in a thread of their own."""

    def __init__(self, port: int, run: str, count: int) -> None:
        self.url, self.run, self.count = f"ws://localhost:{port}/live", run, count
        self.messages, self.seconds = 0, 0.0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        leave, began, before = threading.Event(), time.monotonic(), self.messages
        thread = threading.Thread(target=lambda: asyncio.run(self._watch(leave)), daemon=True)
        thread.start()
        try:
            yield
        finally:
            stayed = thread.is_alive()
            leave.set()
            thread.join(15)
            self.seconds += time.monotonic() - began
        if not stayed or self.messages - before < self.count:
            raise SystemExit(f"the clients were not served: {self.messages - before} messages")

    async def _watch(self, leave: threading.Event) -> None:
        """Receive until `leave` is set; ends early, and so fails the phase, when the server refuses."""
        clients = [asyncio.create_task(self._one()) for _ in range(self.count)]
        while not leave.is_set() and not any(client.done() for client in clients):
            await asyncio.sleep(0.1)
        for client in clients:
            client.cancel()
        await asyncio.wait(clients)

    async def _one(self) -> None:
        async with connect(self.url, max_size=None) as viewer:
            await viewer.send(json.dumps({"watch": self.run, "offset": 0, "file": None}))
            async for message in viewer:
                self.messages += 1
                if isinstance(message, str) and "error" in json.loads(message):
                    raise RuntimeError(message)

    def messages_per_second(self) -> float | None:
        """Received by one client, on average."""
        return self.messages / self.seconds / self.count if self.seconds else None


class Tabs:
    """Chromium tabs that show the run's page while somebody watches, and an empty one otherwise."""

    def __init__(self, port: int, run: str, count: int) -> None:
        self.url, self.count = f"http://localhost:{port}/train?run={run}", count

    def __enter__(self) -> Tabs:
        from playwright.sync_api import sync_playwright

        self.playwright = sync_playwright().start()
        flags = ["--disable-background-networking"]
        flags += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        self.browser = self.playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        self.pages = [self.browser.new_page() for _ in range(self.count)]
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.close()
        self.playwright.stop()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        for page in self.pages:
            page.goto(self.url)
        for page in self.pages:
            page.locator("canvas, .st-key-charts").first.wait_for(timeout=60_000)
        self.pages[-1].wait_for_timeout(3000)  # the page's first drawing is not what is measured
        try:
            yield
        finally:
            for page in self.pages:
                page.goto("about:blank")

    def messages_per_second(self) -> None:
        return None


def cpu_seconds(pid: int | None) -> float:
    """CPU seconds of a process so far; NaN where /proc is missing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return math.nan


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    print(f"\n{os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; medians of {arguments.rounds} pairs of phases")
    head = f"{'':62}{'threads':>8}{'steps/s':>9}{'watched':>9}{'kept (range)':>20}"
    print(f"{head}{'kept per CPU s':>16}{'server cores':>14}")
    for row in rows:
        speeds = [statistics.median(phase["steps_per_second"] for phase in row[key]) for key in ("alone", "watched")]
        kept = f"{statistics.median(row['kept']):.3f} ({min(row['kept']):.2f}-{max(row['kept']):.2f})"
        cores = statistics.median(phase["server_cores"] for phase in row["watched"])
        line = f"{row['what']:62}{row['threads']:8}{speeds[0]:9,.1f}{speeds[1]:9,.1f}{kept:>20}"
        print(f"{line}{statistics.median(row['kept_per_cpu']):16.3f}{cores:14.2f}")
    if arguments.quick:
        return
    settings = {"rounds": arguments.rounds, "seconds": arguments.seconds, "machine": machine()}
    content = {"measured": time.strftime("%Y-%m-%d"), **settings, "rows": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    sys.exit(main())
