"""Thirty people at one application on one machine: `python benchmarks/thirty.py` (about five minutes).

Two runs train at once, as fast as they can. In turns, nobody and thirty protocol clients are there: each watches both
trainings over /live, moves sliders on the server route (the other half of them through a run that trains) and opens
maps. Then thirty Streamlit sessions, in Streamlit's own protocol, have Train, Home and Explore run again every few
seconds. At last 45 clients wait for the codes of a run that nobody has computed, while others ask for static files,
pictures and previews.

Promised on two cores: answers to a slider in less than 50 ms at the median and 300 ms at the 95th percentile, no error,
training slowed by no more than a tenth; reruns in less than 300 ms at the 95th percentile; and who waits for codes
holds up nobody. The clients run on the same machine: what they themselves take is told beside what they cost. Prints a
table, writes benchmarks/results/thirty.json; --quick is a look whether it works, and writes no file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.machine import machine  # noqa: E402
from benchmarks.people import Http, Log, Session, Watcher, present  # noqa: E402
from benchmarks.viewers import SETTLE, Server, cpu_seconds, serve, training  # noqa: E402
from ui.modules import VERSION  # noqa: E402
from vae import runs  # noqa: E402
from vae.config import Config  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "thirty.json"
PROMISED = {"median": 0.05, "p95": 0.3, "rerun p95": 0.3, "kept": 0.9}
TRAINED = [Config(dataset="digits"), Config(dataset="digits", likelihood="bernoulli", hidden=(400,), latent_dim=10)]
DEMO = "demo-mnist-10d"  # its 60,000 training images have no codes yet
PAGES = [("train", "run={run}"), ("", ""), ("explore", f"run={DEMO}")]
ANSWERS_EVERY = 0.05  # seconds between two questions of those who do not wait for codes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--waiting", type=int, default=45)
    parser.add_argument("--rounds", type=int, default=3, help="turns of nobody and everybody")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each turn with protocol clients")
    parser.add_argument("--alone", type=float, default=12.0, help="seconds of each turn without")
    parser.add_argument("--sessions", type=float, default=45.0, help="seconds with Streamlit sessions")
    parser.add_argument("--quick", action="store_true", help="a few seconds with five people")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.people, arguments.waiting, arguments.rounds = 5, 10, 1
        arguments.seconds, arguments.alone, arguments.sessions = 6.0, 4.0, 10.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(REPOSITORY / "checkpoints" / DEMO, folder / DEMO)
        with serve(folder) as server, contextlib.ExitStack() as trainings:
            paths = [trainings.enter_context(training(config, 1, folder, len(TRAINED))) for config in TRAINED]
            found = asyncio.run(measure(server, paths, arguments))
    found = {"measured": time.strftime("%Y-%m-%d"), "machine": machine(), **found}
    kept_promises = report(found)
    if arguments.quick:
        return 1 if found["errors"] else 0
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(f"wrote {RESULTS.relative_to(REPOSITORY)}")
    return 0 if kept_promises else 1


class Meter:
    """Steps and CPU seconds of the trainings, CPU seconds of the server and of the clients, over a stretch of time."""

    def __init__(self, server: Server, paths: list[Path]) -> None:
        self.server, self.paths = server, paths
        self.before = self._read()

    def _read(self) -> dict[str, Any]:
        statuses = [runs.read_status(path) for path in self.paths]
        for path, status in zip(self.paths, statuses, strict=True):
            if status.state != "running":
                raise SystemExit(f"{path.name} does not train: {status.state}, {status.message}")
        return {
            "time": time.monotonic(),
            "steps": [status.step for status in statuses],
            "heartbeats": [status.heartbeat for status in statuses],
            "workers": sum(cpu_seconds(status.pid) for status in statuses),
            "server": cpu_seconds(self.server.process.pid),
            "clients": time.process_time(),
        }

    def read(self) -> dict[str, float]:
        """Returns steps a second of both runs together, steps a second of their CPU, cores that server and clients
        kept busy."""
        old, new = self.before, self._read()
        seconds = new["time"] - old["time"]
        steps = [b - a for a, b in zip(old["steps"], new["steps"], strict=True)]
        spans = [b - a for a, b in zip(old["heartbeats"], new["heartbeats"], strict=True)]
        return {
            "steps_per_second": sum(n / span for n, span in zip(steps, spans, strict=True)),
            "steps_per_cpu_second": sum(steps) / (new["workers"] - old["workers"]),
            "server_cores": (new["server"] - old["server"]) / seconds,
            "clients_cores": (new["clients"] - old["clients"]) / seconds,
        }


async def measure(server: Server, paths: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    """The three parts, one after the other."""
    names, port = [path.name for path in paths], server.port
    await warm(port, names)
    log, alone, crowded, lag = Log(), [], [], Log()
    explored = [DEMO, names[0]]
    watchers = [Watcher(port, log, names, explored[i % 2], i).both for i in range(arguments.people)]
    for number in range(arguments.rounds):
        for with_people in (False, True) if number % 2 == 0 else (True, False):
            if with_people:
                async with present([*watchers, lambda: loop_lag(lag)], log):
                    await asyncio.sleep(SETTLE)
                    crowded.append(await look(server, paths, arguments.seconds))
            else:
                await asyncio.sleep(SETTLE)
                alone.append(await look(server, paths, arguments.alone))
        told = alone[-1]["steps_per_second"], crowded[-1]["steps_per_second"]
        print(f"round {number + 1}: {told[0]:,.0f} -> {told[1]:,.0f} steps/s, {len(log.errors)} errors", flush=True)
    tabs = Log()
    pages = [PAGES[i % len(PAGES)] for i in range(arguments.people)]
    sessions = [
        Session(port, tabs, page, query.format(run=names[i % 2]), i).stay for i, (page, query) in enumerate(pages)
    ]
    async with present(sessions, tabs):
        await asyncio.sleep(SETTLE)
        with_sessions = await look(server, paths, arguments.sessions)
    held_up = await waiting(port, arguments.waiting, log)
    return {
        "people": arguments.people,
        "waiting": arguments.waiting,
        "seconds": arguments.seconds * arguments.rounds,
        "alone": alone,
        "crowded": crowded,
        "sessions": with_sessions,
        "kept": ratios(alone, crowded, "steps_per_second"),
        "kept_per_cpu": ratios(alone, crowded, "steps_per_cpu_second"),
        "answers": {kind: summary(seconds) for kind, seconds in log.seconds.items()},
        "loop_lag": summary(lag.seconds["lag"]),
        "reruns": summary([s for kind, many in tabs.seconds.items() if "first" not in kind for s in many]),
        "reruns_by_page": {kind: summary(seconds) for kind, seconds in sorted(tabs.seconds.items())},
        "held_up": held_up,
        "errors": len(log.errors) + len(tabs.errors),
        "first_errors": [*log.errors, *tabs.errors][:10],
    }


async def warm(port: int, names: list[str]) -> None:
    """The first answer of a kind imports what it needs: nobody's time."""
    http, log = Http(port), Log()
    for name in (DEMO, *names):
        guest = Watcher(port, log, [], name, 0)
        await guest.open_map()
        guest.http.close()
    for page, query in PAGES:
        session = Session(port, log, page, query.format(run=names[0]), 0)
        async with present([session.stay], log):
            while not log.seconds[f"first {page or 'home'}"]:
                await asyncio.sleep(0.1)
    http.close()


async def look(server: Server, paths: list[Path], seconds: float) -> dict[str, float]:
    meter = Meter(server, paths)
    await asyncio.sleep(seconds)
    return meter.read()


async def loop_lag(log: Log) -> None:
    """How late this process itself is: that is in every time it takes."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.05)
        log.seconds["lag"].append(time.perf_counter() - began - 0.05)


async def waiting(port: int, count: int, log: Log) -> dict[str, Any]:
    """Many ask for codes that take long; how long others wait meanwhile, and how long they do without."""
    codes = Log()
    asking = Http(port)
    sha = json.loads((await asking.get(f"/runs/{DEMO}/decoder"))[1])["sha"]
    asking.close()
    addresses = {
        "static": f"/modules/{VERSION}/shared/style.css",
        "decode": f"/runs/{DEMO}/decode?z={','.join(['0.1'] * 10)}",
        "preview": f"/runs/{DEMO}/preview",
        "health": "/_stcore/health",
    }

    async def ask(until: Any, into: Log) -> None:
        http = Http(port)
        while not until():
            for kind, address in addresses.items():
                with into.timed(kind):
                    status, body = await http.get(address)
                if status != 200:
                    log.errors.append(f"{address}: {status} {body[:100]!r}")
            await asyncio.sleep(ANSWERS_EVERY)
        http.close()

    async def wait(number: int) -> None:
        http = Http(port)
        with codes.timed("codes"):
            status, body = await http.get(f"/runs/{DEMO}/{('codes', 'plane')[number % 2]}/{sha}?part=train")
        if status != 200:
            log.errors.append(f"codes: {status} {body[:100]!r}")
        http.close()

    before, during = Log(), Log()
    end = time.monotonic() + 3
    await ask(lambda: time.monotonic() > end, before)
    guests = [asyncio.create_task(wait(number)) for number in range(count)]
    await ask(lambda: all(guest.done() for guest in guests), during)
    await asyncio.gather(*guests)
    return {
        "codes": summary(codes.seconds["codes"]),
        "before": {kind: summary(seconds) for kind, seconds in before.seconds.items()},
        "during": {kind: summary(seconds) for kind, seconds in during.seconds.items()},
    }


def ratios(before: list[dict[str, float]], after: list[dict[str, float]], name: str) -> list[float]:
    return [b[name] / a[name] for a, b in zip(before, after, strict=True)]


def summary(seconds: list[float]) -> dict[str, float]:
    """Returns count, median, 95th percentile and largest of some times; NaN is no JSON, so an empty list gives a count
    alone."""
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
    return {"count": len(ordered), "median": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def report(found: dict[str, Any]) -> bool:
    """Prints what was found; returns whether the promises are kept."""
    print(f"\n{found['machine']['processor']}, {os.cpu_count()} cores, load {found['machine']['load']:.1f}")
    rows = [(kind, told) for kind, told in found["answers"].items()]
    rows += [(f"rerun: {kind}", told) for kind, told in found["reruns_by_page"].items()]
    rows += [("all reruns", found["reruns"]), ("this process's own lag", found["loop_lag"])]
    for when in ("before", "during"):
        rows += [(f"{kind}, {when} the wait", told) for kind, told in found["held_up"][when].items()]
    rows.append((f"codes, {found['waiting']} at once", found["held_up"]["codes"]))
    print(f"{'':32}{'count':>8}{'median ms':>11}{'p95 ms':>9}{'max ms':>9}")
    for name, told in rows:
        if told["count"]:
            times = "".join(f"{1e3 * told[key]:{wide}.1f}" for key, wide in (("median", 11), ("p95", 9), ("max", 9)))
            print(f"{name:32}{told['count']:8,}{times}")
    kept, per_cpu = statistics.median(found["kept"]), statistics.median(found["kept_per_cpu"])
    cores = [statistics.median(turn[key] for turn in found["crowded"]) for key in ("server_cores", "clients_cores")]
    spread = f"{min(found['kept']):.2f}-{max(found['kept']):.2f}"
    print(f"training keeps {kept:.3f} of its speed ({spread}), {per_cpu:.3f} a CPU second;")
    print(f"server {cores[0]:.2f} cores, clients {cores[1]:.2f}; {found['errors']} errors")
    for error in found["first_errors"]:
        print(f"  {error}")
    decode, reruns = found["answers"].get("decode", {}), found["reruns"]
    return (
        not found["errors"]
        and decode.get("median", math.inf) < PROMISED["median"]
        and decode.get("p95", math.inf) < PROMISED["p95"]
        and reruns.get("p95", math.inf) < PROMISED["rerun p95"]
        and kept >= PROMISED["kept"]
    )


if __name__ == "__main__":
    sys.exit(main())
