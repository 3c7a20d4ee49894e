"""From pointer to pixels, on the Explore page and in an exported one: `python benchmarks/pointer.py`.

A real Chromium drags a slider over the page that the application serves, with its own input events 120 times a second,
and presses arrow keys; then the same in the page that `python -m vae export` writes, opened from the disk without a
network (`--pages explore`, `--pages exported`: one of them; the file keeps what it says of the other). Models of
several sizes, randomly initialised (speed does not depend on what a model has learned), with 1,600 held-out images of
noise for the neighbours. Told apart per model:

    pictures/s       decoded images that were put on the large canvas, per second of dragging; a browser draws no more
                     than its frame rate allows, 60 here
    pointer, key     milliseconds from the event's own time stamp to the first task after the frame that shows it:
                     median and 95th percentile
    messages         requests and websocket frames that the page sent while the pointer was down; promised: none

Promised on two cores: 50 pictures/s at 28x28, 30 at 64x64x3. The load of the machine stands beside each number.
Prints a table, writes benchmarks/results/pointer.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np  # noqa: E402
from playwright.async_api import CDPSession, Page, async_playwright  # noqa: E402

from benchmarks.machine import machine  # noqa: E402
from benchmarks.viewers import Server  # noqa: E402
from vae import runs  # noqa: E402
from vae.config import Config  # noqa: E402
from vae.exports.export import unheard  # noqa: E402
from vae.exports.offline_page import write_page  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "pointer.json"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
IMAGES = 8000  # a fifth is held out
PAGES = ("explore", "exported")
EVERY = 1 / 120  # seconds between two pointer events, as from a fast mouse
MODELS: dict[str, tuple[tuple[int, int, int], str, float]] = {  # shape, network, promised pictures/s
    "28x28 mlp": ((1, 28, 28), "mlp", 50),
    "28x28 conv": ((1, 28, 28), "conv", 50),
    "64x64 conv": ((1, 64, 64), "conv", 30),
    "64x64x3 conv": ((3, 64, 64), "conv", 30),
    "64x64x3 resconv": ((3, 64, 64), "resconv", 30),
}

WATCH = """
() => {
  const seen = (window.seen = { puts: [], delays: [], last: null });
  const after = new MessageChannel();
  const waiting = [];
  after.port1.onmessage = () => {
    const now = performance.now();
    for (const start of waiting.splice(0)) seen.delays.push(now - start);
  };
  for (const kind of ["pointermove", "keydown"])
    window.addEventListener(kind, (event) => { seen.last = event.timeStamp; }, { capture: true });
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    put.apply(this, given);
    if (!this.canvas.classList.contains("mean")) return;
    seen.puts.push(performance.now());
    if (seen.last === null) return;
    waiting.push(seen.last);
    seen.last = null;
    after.port2.postMessage(0);  // delivered once the frame that is being made is out
  };
}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="drags of each model")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each drag")
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=list(PAGES))
    parser.add_argument("--quick", action="store_true", help="one model, one short drag; writes no file")
    arguments = parser.parse_args()
    names = list(MODELS)
    if arguments.quick:
        arguments.rounds, arguments.seconds, names = 1, 1.0, names[:1]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            make_run(Path(folder), name)
        rows = asyncio.run(measure_all(Path(folder), names, arguments))
    report(rows, arguments)
    return int(any(row["messages"] or row["pictures_per_second"] < row["promised"] for row in rows))


def make_run(folder: Path, name: str) -> None:
    """A finished run with random weights on images of noise."""
    from safetensors.torch import save

    from vae.datasets import describe
    from vae.model.vae import build_model
    from vae.training.defaults import complete

    shape, network, _ = MODELS[name]
    data = folder / f"noise-{'x'.join(map(str, shape))}.npz"
    if not data.exists():
        pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, *shape[1:], shape[0]), np.uint8)
        np.savez(data, images=pixels[..., 0] if shape[0] == 1 else pixels)
    asked = Config(dataset=str(data), network=network, latent_dim=10, likelihood="gaussian", epochs=1, device="cpu")
    config, _ = complete(asked, describe(str(data)))
    config = dataclasses.replace(config, threads=1)
    path = runs.create_run(config, describe(str(data)).to_json(), run_name(name), folder)
    model = build_model(config, shape)
    runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "0"})})
    runs.write_status(path, runs.Status(state="finished"))


def run_name(name: str) -> str:
    return name.replace(" ", "-")


@contextlib.contextmanager
def serving(folder: Path) -> Any:
    server = Server(folder)
    try:
        server.wait()
        time.sleep(5)  # it warms up in the background
        yield server
    finally:
        server.close()


async def measure_all(folder: Path, names: list[str], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    installed = next((path for path in map(shutil.which, NAMES) if path), None)
    flags = ["--disable-background-networking", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    rows = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=installed, args=flags)
        for which in arguments.pages:
            with addresses(which, folder) as address:
                for name in names:
                    context = await browser.new_context(
                        viewport={"width": 1280, "height": 900}, offline=which == "exported"
                    )
                    row = await measure(await context.new_page(), address(name), which, name, arguments)
                    rows.append({**row, "browser": browser.version})
                    print(line(row), flush=True)
                    await context.close()
        await browser.close()
    return rows


@contextlib.contextmanager
def addresses(which: str, folder: Path) -> Iterator[Callable[[str], str]]:
    """Where the page of a model is: on a server of its own, or in a file that is written now."""
    if which == "explore":
        with serving(folder) as server:
            yield lambda name: f"http://localhost:{server.port}/explore?run={run_name(name)}"
        return

    def written(name: str) -> str:
        file = folder / f"{run_name(name)}.html"
        write_page(runs.load_run(folder / run_name(name)), "", file, unheard)
        return file.as_uri()

    yield written


async def measure(page: Page, address: str, which: str, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    counter = Counter(page)
    start = time.perf_counter()
    await page.goto(address)
    await page.locator("canvas.mean:visible").wait_for(timeout=120_000)
    first = time.perf_counter() - start
    if which == "explore":
        await page.locator(".strip .tile").first.wait_for(timeout=120_000)
    await page.wait_for_timeout(1500)
    await page.evaluate(WATCH)
    devtools = await page.context.new_cdp_session(page)
    slider = page.locator(".slider:visible").first
    await slider.scroll_into_view_if_needed()
    drags, keys, loads, messages, after = [], [], [], 0, 0
    for _ in range(arguments.rounds):
        loads.append(os.getloadavg()[0])
        drags.append(await drag(page, devtools, slider, arguments.seconds, counter))
        messages += drags[-1]["messages"]
        before = counter.count
        await page.wait_for_timeout(1500)  # the release
        after += counter.count - before
        keys += await press(page, slider, arguments.seconds)
        await page.wait_for_timeout(800)
    if not (after if which == "explore" else counter.count):
        raise SystemExit("no message came after a release, or no request for the file: the counter does not count")
    pointer = [delay for one in drags for delay in one["delays"]]
    return {
        "page": which,
        "model": name,
        "place": await page.locator(".place:visible").first.inner_text(),
        "pictures_per_second": round(statistics.median(one["pictures_per_second"] for one in drags), 1),
        "promised": MODELS[name][2],
        "pointer_ms": percentiles(pointer),
        "key_ms": percentiles(keys),
        "messages": messages,
        "messages_after_releases": after,
        "first_picture_s": round(first, 2),
        "load": [round(load, 1) for load in loads],
        "measured": time.strftime("%Y-%m-%d"),
    }


class Counter:
    """Everything that the page sends: requests, and frames on its websockets."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        page.on("request", lambda request: self._add(not request.url.startswith(("data:", "blob:"))))
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: self._add(True)))

    def _add(self, counts: bool) -> None:
        self.count += counts


async def drag(page: Page, devtools: CDPSession, slider: Any, seconds: float, counter: Counter) -> dict[str, Any]:
    """There and back along the slider, as long as `seconds`."""
    box = await slider.bounding_box()
    y, left, wide = box["y"] + box["height"] / 2, box["x"] + 4, box["width"] - 8

    async def mouse(kind: str, x: float) -> None:
        down = int(kind != "mouseReleased")
        given = {"type": kind, "x": x, "y": y, "button": "left", "buttons": down, "clickCount": 1}
        await devtools.send("Input.dispatchMouseEvent", given)

    await page.mouse.move(left, y)
    await mouse("mousePressed", left)
    await page.wait_for_timeout(400)
    await page.evaluate("() => { seen.puts = []; seen.delays = []; seen.last = null; }")
    before, start, sent = counter.count, time.perf_counter(), []
    while (now := time.perf_counter() - start) < seconds:
        share = abs((now / 0.9) % 2 - 1)  # 0.9 s each way
        sent.append(asyncio.ensure_future(mouse("mouseMoved", left + wide * share)))
        await asyncio.sleep(EVERY)
    await asyncio.gather(*sent)
    seen = await page.evaluate("() => seen")
    messages = counter.count - before
    await mouse("mouseReleased", left + wide / 2)
    puts = seen["puts"]
    rate = 1000 * (len(puts) - 1) / (puts[-1] - puts[0])
    return {"pictures_per_second": rate, "delays": seen["delays"], "messages": messages}


async def press(page: Page, slider: Any, seconds: float) -> list[float]:
    """Arrow keys, one after the other; the delay of each."""
    await slider.focus()
    await page.evaluate("() => { seen.delays = []; seen.last = null; }")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        await page.keyboard.press("ArrowLeft")
        await asyncio.sleep(0.06)
    return list(await page.evaluate("() => seen.delays"))


def percentiles(delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
        "n": len(ordered),
    }


def line(row: dict[str, Any]) -> str:
    pointer, key = row["pointer_ms"], row["key_ms"]
    return (
        f"{row['page']:8} {row['model']:15} {row['pictures_per_second']:5.1f} pictures/s "
        f"(promised {row['promised']:g})   "
        f"pointer to pixels {pointer['median']:5.1f} ms (95 %: {pointer['p95']:.1f})   "
        f"key {key['median']:5.1f} ms   messages {row['messages']}   "
        f"first picture {row['first_picture_s']:.1f} s   load {max(row['load']):.1f} on {os.cpu_count()} cores"
    )


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """The file keeps the rows of a page that was not measured now."""
    if arguments.quick:
        return
    kept = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    result = {
        "what": "pointer to pixels on the Explore page and in an exported one, decoded in the page",
        "machine": machine(),
        "rounds": arguments.rounds,
        "seconds_each": arguments.seconds,
        "rows": sorted(
            [row for row in kept if row["page"] not in arguments.pages] + rows, key=lambda row: PAGES.index(row["page"])
        ),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
