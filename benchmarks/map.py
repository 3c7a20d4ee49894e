"""The Map page in a real Chromium: `python benchmarks/map.py`.

For 10,000, 60,000 and 1,000,000 synthetic codes that stand in for the route's answer: the time from the arrival of
the data to the first picture, redraws per second while the map is panned, and pictures per second that hovering
decodes (28x28, the demo's network), each driven once a frame from within the page and by the mouse, with the machine's
load. Promised on two cores: 60,000 points drawn within 1 s of their arrival, 50 redraws/s and 50 hover decodes/s. With
--tsne the seconds of the t-SNE of the run's held-out images, from the click. Prints the rows, writes
benchmarks/results/map.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from machine import machine
from playwright.sync_api import Locator, Page, Route, sync_playwright

from vae.browser.framing import frame

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results" / "map.json"
RUN = "demo-mnist-10d"
SIZES = (10_000, 60_000, 1_000_000)
SECONDS = 4.0  # of each movement


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The application on a free port, with one run."""
    shutil.copytree(
        REPOSITORY / "checkpoints" / RUN, folder / "runs" / RUN, ignore=shutil.ignore_patterns("projections")
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(REPOSITORY / "app.py"), "--server.headless", "true"]
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--server.port", str(port)],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "ELBO_ROOM_RUNS": str(folder / "runs")},
        )
    try:
        for _ in range(300):
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2),
            ):
                break
            time.sleep(0.2)
        time.sleep(5)  # it warms up in the background
        yield f"http://localhost:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def synthetic(n: int, k: int = 10) -> bytes:
    """Codes of ten groups as the route sends them, without the log-variances."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, n)
    centres = generator.normal(size=(10, k)).astype(np.float32)
    loc = centres[labels] + 0.5 * generator.normal(size=(n, k)).astype(np.float32)
    header = {
        "n": n, "k": k, "height": 28, "width": 28, "channels": 1, "classes": list("0123456789"), "labels": True,
        "label_bytes": 1, "log_variance": False, "rate_per_dim": None, "parts": ["test"],
        "source": f"{n:,} synthetic codes",
    }  # fmt: skip
    nats = generator.normal(20, 4, n).astype("<f4").tobytes()
    labelled = labels.astype("u1").tobytes()
    return frame(header, loc.astype("<f4").tobytes(), nats, nats, labelled, b"\0" * (-n % 4))


def substitute(page: Page, n: int) -> None:
    """Answer the codes' and images' routes with synthetic ones."""
    codes = synthetic(n)
    picture = bytes(784 * 1000)
    page.route("**/runs/*/codes/**", lambda route: fulfil(route, codes))
    page.route("**/runs/*/images/**", lambda route: fulfil(route, picture))


def fulfil(route: Route, body: bytes) -> None:
    route.fulfill(body=body, content_type="application/octet-stream")


ARRIVAL = """() => { const given = performance.getEntriesByType("resource").filter((e) => /\\/codes\\//.test(e.name));
return given.length ? given[given.length - 1].responseEnd : null; }"""


def open_map(page: Page, url: str, method: str) -> Locator:
    page.goto(f"{url}/map?run={RUN}&method={method}&i=0&j=1")
    stage = page.locator(".stage")
    stage.wait_for(timeout=120_000)
    page.wait_for_function("stage => stage.stats.first > 0", arg=stage.element_handle(), timeout=120_000)
    return stage


def rate(stage: Locator, page: Page, what: str, held: bool) -> tuple[float, float]:
    """How often per second `what` happens while the mouse moves in circles, and how many moves it was made to take:
    the tool waits for the page after each, so a page that keeps up with all of them shows equal numbers."""
    box = stage.bounding_box()
    assert box
    x, y, radius = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"] / 5
    page.mouse.move(x + radius, y)
    if held:
        page.mouse.down()
    before, began, step = stage.evaluate(f"stage => stage.stats.{what}"), time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        step += 1
        page.mouse.move(x + radius * math.cos(step / 20), y + radius * math.sin(step / 20))
    seconds = time.perf_counter() - began
    after = stage.evaluate(f"stage => stage.stats.{what}")
    if held:
        page.mouse.up()
    return round((after - before) / seconds, 1), round(step / seconds, 1)


DRIVE = """([stage, held, seconds, what]) => new Promise((done) => {
  const { left, top, width, height } = stage.getBoundingClientRect();
  const at = (middle, turn, step) => middle + (width / 5) * turn(step / 20);
  const send = (type, step) => stage.dispatchEvent(new PointerEvent(type, {
    bubbles: true, pointerId: 7, pointerType: "mouse", button: 0,
    clientX: at(left + width / 2, Math.cos, step), clientY: at(top + height / 2, Math.sin, step),
  }));
  stage.setPointerCapture = () => {};
  let step = 0;
  if (held) send("pointerdown", 0);
  const before = stage.stats[what], began = performance.now();
  const frame = () => {
    send("pointermove", ++step);
    if (performance.now() - began < 1000 * seconds) return requestAnimationFrame(frame);
    if (held) send("pointerup", step);
    done((stage.stats[what] - before) / (performance.now() - began) * 1000);
  };
  requestAnimationFrame(frame);
})"""


def driven(stage: Locator, page: Page, what: str, held: bool) -> float:
    """The same, driven once a frame from within the page: without the cost of the tool that moves the mouse."""
    return round(page.evaluate(DRIVE, [stage.element_handle(), held, SECONDS, what]), 1)


def measure(page: Page, url: str, n: int) -> dict[str, Any]:
    substitute(page, n)
    stage = open_map(page, url, "dims")
    first = stage.evaluate("stage => stage.stats.first")
    arrived = page.evaluate(ARRIVAL)
    page.wait_for_timeout(2500)
    load = os.getloadavg()[0]
    redraws, pans = rate(stage, page, "redraws", True)
    decodes, moves = rate(stage, page, "decodes", False)
    result = {
        "points": stage.get_attribute("aria-label"),
        "first_picture_after_data_s": round((first - arrived) / 1000, 3),
        "redraws_per_s": driven(stage, page, "redraws", True),
        "redraws_per_s_by_mouse": redraws,
        "mouse_moves_per_s_while_panning": pans,
        "hover_decodes_per_s": driven(stage, page, "decodes", False),
        "hover_decodes_per_s_by_mouse": decodes,
        "mouse_moves_per_s_while_hovering": moves,
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    page.unroute_all()
    return result


def tsne(page: Page, url: str) -> dict[str, Any]:
    """Seconds from the click to the PCA start, the first optimised frame and the end."""
    open_map(page, url, "pca")
    page.wait_for_timeout(8000)  # as long as somebody looks at the PCA; a process gets ready meanwhile
    load, began = os.getloadavg()[0], time.perf_counter()
    page.get_by_role("button", name="t-SNE", exact=True).click()
    line = page.locator(".fit > span")
    seen: dict[str, float] = {}
    while "end_s" not in seen and time.perf_counter() - began < 120:
        text = line.inner_text()
        for name, word in (("start_s", "t-SNE"), ("first_frame_s", "converges: step"), ("end_s", "computed in")):
            if word in text:
                seen.setdefault(name, round(time.perf_counter() - began, 2))
        time.sleep(0.02)
    return {
        **seen,
        "text": line.inner_text(),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--tsne", action="store_true", help="also the t-SNE of the run's held-out images")
    arguments = parser.parse_args()
    rows: dict[str, Any] = {"machine": machine(), "frame": "1280 x 1000, device pixel ratio 1, no GPU", "maps": []}
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as url, sync_playwright() as playwright:
        flags = ["--disable-background-networking", "--no-sandbox"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        rows["browser"] = browser.version
        for n in arguments.sizes:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            rows["maps"].append(measure(page, url, n))
            print(json.dumps(rows["maps"][-1]), flush=True)
            page.close()
        if arguments.tsne:
            rows["tsne"] = tsne(browser.new_page(viewport={"width": 1280, "height": 1000}), url)
            print(json.dumps(rows["tsne"]), flush=True)
        browser.close()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
