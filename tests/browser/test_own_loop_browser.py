"""examples/own_loop.py beside a real server: its loss follows C on the page, and it never notices the server's end."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.train_page import records, state, turned
from vae import runs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/own_loop.py"
SILENT = """
import runpy, sys, vae
class Silent:
    C, stopped = 1.0, False
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def step(self, **terms): pass
    test = step
    def model(self, *networks): pass
vae.__dict__["log"] = lambda *given, **named: Silent()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Loop:
    """The example in a process of its own, on digits; `lines` come as it prints them, each with its time."""

    def __init__(self, folder: Path, *options: str, before: tuple[str, ...] = ()) -> None:
        environment = {**os.environ, "ELBO_ROOM_RUNS": str(folder), "ELBO_ROOM_DATA": str(folder / "no-data")}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, *before, str(EXAMPLE), *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.path = folder / "own-loop"

    def lines(self) -> Iterator[tuple[float, str]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield time.monotonic(), line.strip()

    def loss_when(self, fits: Callable[[float], bool], seconds: float = 60) -> float:
        """The time at which a loss came that fits."""
        for at, line in self.lines():
            found = re.search(r"loss ([\d.]+)", line)
            if found and fits(float(found[1])):
                return at
            assert time.monotonic() < self.limit(seconds), line
        raise AssertionError("the loop ended")

    def limit(self, seconds: float) -> float:
        self._limit = getattr(self, "_limit", None) or time.monotonic() + seconds
        return self._limit

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def until(fits: Callable[[], bool], seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while not fits():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def loop(server: Any) -> Iterator[Loop]:
    made = Loop(server.runs, "--epochs", "100000")
    until(lambda: (made.path / "history.jsonl").exists())
    yield made
    made.end()


def drag_to(page: Page, share: float) -> float:
    """Drags the slider of C to a place of its track; the time at which it was let go."""
    slider = page.get_by_role("slider", name="Reconstruction weight C")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    return time.monotonic()


def test_the_scripts_loss_follows_C_and_pause_step_and_stop_reach_it(server: Any, window: Any, loop: Loop) -> None:
    page = window.page()
    page.goto(f"{server.url}/train?run=own-loop")
    state(page, "training")
    page.wait_for_timeout(1000)
    for gone in ("Copy settings", "Continue", "Train on"):
        expect(page.get_by_role("button", name=gone)).to_have_count(0)
    expect(page.get_by_text("Which half trains")).to_have_count(0)
    expect(page.get_by_role("switch", name="fit")).to_have_count(0)
    released = drag_to(page, 0.9)
    C = 0.01 * (100 / 0.01) ** 0.9
    came = loop.loss_when(lambda loss: loss > 400)  # of some 20 nats, 40 times as many
    assert came - released < 0.5
    until(lambda: bool(turned(loop.path, "C")))
    assert turned(loop.path, "C")[-1][1] == pytest.approx(C, rel=0.02)

    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    held = runs.read_status(loop.path).step
    page.get_by_role("button", name="Step", exact=True).click()
    until(lambda: bool(turned(loop.path, "step")))
    assert turned(loop.path, "step") == [(held + 1, 1)]
    drag_to(page, 0.5)  # also while it waits
    until(lambda: turned(loop.path, "C")[-1][1] == 1)
    assert turned(loop.path, "C")[-1][0] == held + 1
    page.get_by_role("button", name="Resume").click()
    state(page, "training")
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")
    loop.process.wait(30)
    expect(page.get_by_text("Your loop has ended; running its script again makes a new run.")).to_be_visible()
    expect(page.get_by_text(re.compile("^Stopped at step"))).to_be_visible()
    assert all(line["train"]["distortion"] > 0 for line in records(loop.path))


def test_its_result_is_bit_equal_beside_a_killed_server_and_without_a_log(server: Any, window: Any) -> None:
    page, window.watching = window.page(), False  # it will complain that its server is gone
    options = ("--epochs", "40")
    loop = Loop(server.runs, *options)
    until(lambda: (loop.path / "config.json").exists())
    runs.change_knobs(loop.path, paused=True)  # it waits for the page
    page.goto(f"{server.url}/train?run=own-loop")
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    until(lambda: runs.read_status(loop.path).state == "running")
    server.process.kill()
    told = [line for _, line in loop.lines()]
    loop.process.wait(60)
    silent = Loop(server.runs / "silent", *options, before=("-c", SILENT))
    untold = [line for _, line in silent.lines()]
    silent.process.wait(60)
    assert told == untold
    assert told[-1].startswith("weights ")
    own = [float(line.split()[-2]) for line in told if "held-out" in line]
    shown = [-line["test"]["elbo"] for line in records(loop.path) if line["test"]]
    assert shown == pytest.approx(own, rel=1e-6)  # the page's held-out numbers are the script's own
    assert len(own) == 40
    assert runs.read_status(loop.path).state == "finished"
    loop.end()
    silent.end()
