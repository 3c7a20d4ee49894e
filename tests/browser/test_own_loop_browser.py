"""examples/own_loop.py beside a real server: its loss follows C on the page, and it never notices the server's end."""

from __future__ import annotations

import math
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

from tests.browser.conftest import box_of, rested
from tests.browser.train_page import records, state, turned
from tests.browser.watched import PATIENCE
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


PAUSED = """
import runpy, sys, vae
from vae import runs
begin = vae.log
def paused(*given, **named):
    log = begin(*given, **named)
    runs.change_knobs(log.path, paused=True)
    return log
vae.__dict__["log"] = paused
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Loop:
    """The example in a process of its own, on digits; `lines` come as it prints them. It waits for a reader where its
    output is full."""

    def __init__(self, folder: Path, *options: str, before: tuple[str, ...] = ()) -> None:
        environment = {**os.environ, "ELBO_ROOM_RUNS": str(folder), "ELBO_ROOM_DATA": str(folder / "no-data")}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, *before, str(EXAMPLE), *options]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.path = folder / "own-loop"

    def lines(self) -> Iterator[str]:
        assert self.process.stdout is not None
        return map(str.strip, self.process.stdout)

    def jump(self) -> float:
        """How many times as large as the loss printed before one is, as soon as it is at least four times."""
        limit, before = time.monotonic() + PATIENCE, math.inf
        for line in self.lines():
            if found := re.search(r"loss ([\d.]+)", line):
                loss = float(found[1])
                if loss > 4 * before:
                    return loss / before
                before = loss
            assert time.monotonic() < limit, line
        raise AssertionError("the loop ended")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def until(fits: Callable[[], bool], seconds: float = PATIENCE) -> None:
    limit = time.monotonic() + seconds
    while not fits():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def loop(server: Any) -> Iterator[Loop]:
    """It waits, so that it has learned nothing before the page is there: what C makes of a loss depends on that."""
    made = Loop(server.runs, "--epochs", "100000", before=("-c", PAUSED))
    try:
        until(lambda: (made.path / "config.json").exists(), 2 * PATIENCE)  # it imports torch
        yield made
    finally:  # one that came too late would compute for hours
        made.end()


def drag_to(page: Page, share: float) -> None:
    """Drags the slider of C to a place of its track."""
    rested(page)
    slider = page.get_by_role("slider", name="Reconstruction weight C")
    slider.scroll_into_view_if_needed()
    box = box_of(slider)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()


def test_the_scripts_loss_follows_C_and_pause_step_and_stop_reach_it(server: Any, window: Any, loop: Loop) -> None:
    page = window.page()
    page.goto(f"{server.url}/train?run=own-loop")
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    state(page, "training")
    for gone in ("Copy settings", "Continue", "Train on"):
        expect(page.get_by_role("button", name=gone)).to_have_count(0)
    expect(page.get_by_text("Which half trains")).to_have_count(0)
    expect(page.get_by_role("switch", name="fit")).to_have_count(0)
    drag_to(page, 0.9)
    C = 0.01 * (100 / 0.01) ** 0.9
    assert loop.jump() < C  # the distortion, not the rate, weighs C times as much
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
    loop.process.wait(PATIENCE)
    expect(page.get_by_text("Your loop has ended; running its script again makes a new run.")).to_be_visible()
    expect(page.get_by_text(re.compile("^Stopped at step"))).to_be_visible()
    assert all(line["train"]["distortion"] > 0 for line in records(loop.path))


def test_its_result_is_bit_equal_beside_a_killed_server_and_without_a_log(server: Any, window: Any) -> None:
    page, window.watching = window.page(), False  # it will complain that its server is gone
    options = ("--epochs", "40")
    loop = Loop(server.runs, *options, before=("-c", PAUSED))  # it waits for the page
    until(lambda: (loop.path / "config.json").exists(), 2 * PATIENCE)
    page.goto(f"{server.url}/train?run=own-loop")
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    until(lambda: runs.read_status(loop.path).state in ("running", "finished"))
    server.process.kill()
    told = list(loop.lines())
    loop.process.wait(PATIENCE)
    silent = Loop(server.runs / "silent", *options, before=("-c", SILENT))
    untold = list(silent.lines())
    silent.process.wait(PATIENCE)
    assert told == untold
    assert told[-1].startswith("weights ")
    own = [float(line.split()[-2]) for line in told if "held-out" in line]
    shown = [-line["test"]["elbo"] for line in records(loop.path) if line["test"]]
    assert shown == pytest.approx(own, rel=1e-6)  # the page's held-out numbers are the script's own
    assert len(own) == 40
    assert runs.read_status(loop.path).state == "finished"
    loop.end()
    silent.end()
