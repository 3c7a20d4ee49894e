"""An hour of a growing history, in minutes: `python benchmarks/soak.py` (about six; --minutes, --rate).

A run appends many records a second, so that an hour's worth at 20 a second (72,000) comes in a fraction of the time.
One Chromium tab shows it all along; a protocol client comes and leaves every second. Every few seconds: the tab's heap
after a collection, its DOM nodes and event listeners, and resident memory of tab and server. What the tab must keep of
a record is known (columns of doubles, shared/history.js; an array that grows has up to twice its length): all other
growth in the second half of the time is a leak. Prints a table, writes benchmarks/results/soak.json.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
from websockets.asyncio.client import connect  # noqa: E402

from benchmarks.machine import machine  # noqa: E402
from benchmarks.replayed_run import ReplayedRun  # noqa: E402
from benchmarks.viewers import serve  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "soak.json"
EXPLAINED = {  # bytes for a record, at most
    "heap": 16,  # some markers; its columns are array buffers, outside of the heap
    "tab": 2 * 8 * (7 + 6),  # training, C and held-out columns, twice as long as they need to be
    "server": 0,  # it keeps the last MB of lines and no more
}
SLACK = {
    "heap": 3e6,
    "tab": 30e6,
    "server": 25e6,
}  # bytes that a collector or an allocator may hold at one time and not another
SAMPLES = 40
HOUR = 72_000  # records at 20 a second


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--rate", type=float, default=400.0, help="records a second")
    parser.add_argument("--quick", action="store_true", help="half a minute; writes no file")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.minutes = 0.5
    with tempfile.TemporaryDirectory() as temporary, serve(Path(temporary)) as server:
        run = ReplayedRun(Path(temporary), arguments.rate)
        run.append(100)
        with run.growing(), Visitors(server.port, run.path.name):
            samples = watch(server.port, server.process.pid, run, 60 * arguments.minutes)
    found = judge(samples)
    report(samples, found)
    if not arguments.quick:
        content = {"measured": time.strftime("%Y-%m-%d"), "machine": machine(), "rate": arguments.rate}
        RESULTS.write_text(json.dumps({**content, "found": found, "samples": samples}, indent=1) + "\n")
        print(f"wrote {RESULTS.relative_to(REPOSITORY)}")
    return 0 if all(told["explained"] for told in found.values()) else 1


class Visitors:
    """A protocol client that joins the run from its start, takes some of it and leaves, again and again."""

    def __init__(self, port: int, run: str) -> None:
        self.address, self.run = f"ws://localhost:{port}/live", run
        self.leave = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._come()), daemon=True)

    async def _come(self) -> None:
        while not self.leave.is_set():
            async with connect(self.address, max_size=None, open_timeout=60) as socket:
                await socket.send(json.dumps({"watch": self.run, "offset": 0, "file": None}))
                for _ in range(5):
                    await socket.recv()
            await asyncio.sleep(1)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        self.thread.join(30)


def watch(port: int, server: int, run: ReplayedRun, seconds: float) -> list[dict[str, Any]]:
    """Samples of a tab and the server over the time."""
    from playwright.sync_api import sync_playwright

    samples: list[dict[str, Any]] = []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://localhost:{port}/train?run={run.path.name}")
        page.locator(".st-key-charts canvas").first.wait_for(timeout=120_000)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            page.wait_for_timeout(1000 * seconds / SAMPLES)
            devtools.send("HeapProfiler.collectGarbage")
            metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
            samples.append(
                {
                    "seconds": time.monotonic() - began,
                    "records": run.records,
                    "heap": metrics["JSHeapUsedSize"],
                    "nodes": metrics["Nodes"],
                    "listeners": metrics["JSEventListeners"],
                    "tab": max(resident(pid) for pid in renderers()),
                    "server": resident(server),
                }
            )
        browser.close()
    if errors:
        raise SystemExit(f"the page met errors: {errors[:3]}")
    return samples


def renderers() -> list[int]:
    """The processes of Chromium below this one that draw pages."""
    children: dict[int, list[int]] = collections.defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children[int((entry / "stat").read_text().rpartition(")")[2].split()[1])].append(int(entry.name))
            except OSError:
                continue
    found, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        waiting += children[pid]
        try:
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def resident(pid: int) -> int:
    """Returns bytes of memory of a process; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def judge(samples: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns for each kind of memory the growth over the second half in bytes, the bytes a record, and whether the
    records explain it; for nodes and listeners, whether their number stays."""
    half = samples[len(samples) // 2 :]
    records = np.array([sample["records"] for sample in half], float)
    found: dict[str, dict[str, Any]] = {}
    for kind, each in EXPLAINED.items():
        slope = float(np.polyfit(records, [sample[kind] for sample in half], 1)[0])
        grown = float(slope * (records[-1] - records[0]))
        allowed = each * (records[-1] - records[0]) + SLACK[kind]
        found[kind] = {
            "grown": grown,
            "bytes_per_record": slope,
            "an_hour": slope * HOUR,
            "explained": bool(grown <= allowed),
        }
    for kind in ("nodes", "listeners"):
        values = [sample[kind] for sample in half]
        found[kind] = {"first": values[0], "last": values[-1], "explained": values[-1] <= 1.1 * max(values[:3]) + 20}
    return found


def report(samples: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> None:
    print(f"\n{machine()['processor']}, load {os.getloadavg()[0]:.1f}; {samples[-1]['records']:,} records")
    print(f"{'seconds':>8}{'records':>10}{'heap MB':>9}{'tab MB':>8}{'server MB':>11}{'nodes':>8}{'listeners':>11}")
    for sample in samples[:: max(1, len(samples) // 12)]:
        sizes = f"{sample['heap'] / 1e6:9.1f}{sample['tab'] / 1e6:8.0f}{sample['server'] / 1e6:11.0f}"
        print(
            f"{sample['seconds']:8.0f}{sample['records']:10,}{sizes}{sample['nodes']:8,.0f}{sample['listeners']:11,.0f}"
        )
    for kind, told in found.items():
        words = ", ".join(f"{name} {value:,.1f}" for name, value in told.items() if name != "explained")
        print(f"{kind}: {words}: {'explained' if told['explained'] else 'NOT EXPLAINED'}")


if __name__ == "__main__":
    sys.exit(main())
