"""The application as a person meets it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, pass_time, rested
from tests.browser.train_page import curves, records, start, state, step_shown, turned
from tests.browser.watched import Watched, context_of, page_of
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"


def markers(page: Page) -> int:
    """Dotted vertical lines in the distortion's chart: columns right of the axis' labels that are painted and empty by
    turns from top to bottom. A line has a dot every 4.5 pixels, two turns each; the grid and the curves are far from
    half as many."""
    return page.locator(".panel.distortion canvas").evaluate(
        """canvas => {
          const { width, height, clientWidth } = canvas;
          const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const data = copy.getImageData(0, 0, width, height).data;
          const pixel = width / clientWidth, gutter = 52 * pixel, many = height / (4.5 * pixel);
          let found = 0, last = -9;
          for (let x = Math.ceil(gutter) + 1; x < width; x++) {
            let turns = 0, before = false;
            for (let y = 0; y < height; y++) {
              const painted = data[4 * (y * width + x) + 3] > 40;
              turns += painted !== before; before = painted;
            }
            if (turns > many) { found += x - last > 4; last = x; }
          }
          return found;
        }"""
    )


def test_a_newcomer_trains_turns_C_pauses_steps_stops_and_comes_back(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    page.goto(server.url)
    expect(page).to_have_title("ELBO Room")
    page.get_by_role("button", name="Train your first VAE").click()
    name = start(page, server, 20, **{"C at the start": "10", "Name (optional)": "first"})
    assert name == "first"
    path = server.runs / name

    state(page, "training")
    eventually(lambda: curves(page)["step"] >= 200, 120)
    shown = curves(page)
    first, *others = records(path)  # what was learned is the history's to say: the page shows it from somewhere on
    (record,) = [record for record in others if record["step"] == shown["step"]]
    for quantity in ("distortion", "rate"):
        assert shown[quantity] == pytest.approx(record["train"][quantity], abs=0.051)  # as it is rounded
    assert shown["C"] == pytest.approx(10)
    assert {round(record["C"], 4) for record in (first, *others)} == {10}
    assert record["train"]["distortion"] < first["train"]["distortion"] - 10
    assert record["train"]["rate"] > first["train"]["rate"] + 1
    expect(page.get_by_role("img", name=re.compile("below each its reconstruction"))).to_be_visible()

    eventually(lambda: markers(page) == 0)
    slider = page.get_by_role("slider", name="Reconstruction weight C")
    slider.press("PageUp")
    eventually(lambda: [C for _, C in turned(path, "C")] == [31.6])
    eventually(lambda: slider.get_attribute("aria-valuenow") == "31.6")
    eventually(lambda: markers(page) == 1)
    expect(page.get_by_role("button", name="Undo C, back to 10")).to_be_enabled()

    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    stands = runs.read_status(path).step
    eventually(lambda: step_shown(page) == stands)
    page.get_by_role("button", name="Step", exact=True).click()
    eventually(lambda: step_shown(page) == stands + 1)
    eventually(lambda: turned(path, "step") == [(stands + 1, 1)])  # no other step since the pause

    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")
    assert runs.read_status(path).step == stands + 1  # nor since that one
    expect(page.get_by_role("button", name="Continue")).to_be_enabled()
    page.reload()
    state(page, "stopped")
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    eventually(lambda: step_shown(page) == stands + 1)
    page.get_by_role("button", name="Continue").click()
    eventually(lambda: step_shown(page) > stands + 1, 120)
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")


def test_a_cold_deep_link_shows_the_run_inside_the_frame(server: Any, window: Any) -> None:
    page = window.page()
    page.goto(f"{server.url}/train?run=no-such-run")
    expect(page.get_by_text("There is no run named “no-such-run”")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("link", name="Home")).to_be_visible()  # the frame ran
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(("name", "shown"), [("Map", ".stage"), ("Explore", "canvas.mean")])
def test_back_leads_home_from_a_page_that_chose_its_run_itself(server: Any, window: Any, name: str, shown: str) -> None:
    for moment, run in enumerate(("older", "newest")):
        shutil.copytree(DEMO, server.runs / run)
        os.utime(server.runs / run / "config.json", (moment, moment))
    page = window.page()
    page.goto(server.url)
    title = page.get_by_text("watch its two terms trade places")
    expect(title).to_be_visible()
    rested(page)
    entries = page.evaluate("history.length")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.locator(shown)).to_be_visible()
    expect(page).to_have_url(f"{server.url}/{name.lower()}?run=newest")
    rested(page)
    assert page.evaluate("history.length") == entries + 1
    page.go_back()
    for _ in range(2):  # and it stays
        expect(page).to_have_url(f"{server.url}/")
        expect(title).to_be_visible()
        expect(page.locator(shown)).to_have_count(0)
        pass_time(page, 1000)
        rested(page)


def test_another_tab_shows_the_same_run_and_another_browser_cannot_steer_it(
    server: Any, window: Any, chromium: Browser
) -> None:
    page = window.page()
    name = start(page, server, 10)
    state(page, "training")
    second = window.page(page)
    second.goto(f"{server.url}/train?run={name}")
    state(second, "training")
    expect(second.get_by_role("button", name="Pause")).to_be_enabled()
    with context_of(chromium) as elsewhere:
        stranger = page_of(elsewhere)
        stranger.goto(f"{server.url}/train?run={name}")
        expect(stranger.get_by_text("Another browser started this run")).to_be_visible()
        expect(stranger.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
        stranger.goto(server.url)
        expect(stranger.get_by_role("link", name="Open")).to_be_visible()
        stranger.get_by_role("button", name="More").click()
        expect(stranger.get_by_role("menuitem")).to_have_text(["Take away"])
    second.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")
    expect(page.get_by_role("button", name="Continue")).to_be_visible()  # the first tab's page follows


def test_the_gallery_follows_renames_deletes_and_undoes(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    name = start(page, server, 1000, Epochs="2")
    state(page, "finished")
    eventually(lambda: not runs.is_locked(server.runs / name))  # its process has ended, too
    page.get_by_role("link", name="Home").click()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("New name").fill("a better name")
    page.get_by_label("New name").press("Tab")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_text("a-better-name")).to_be_visible()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_text("Deleted a-better-name")).to_be_visible()
    assert not (server.runs / "a-better-name").exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Deleted a-better-name")).to_have_count(0)
    page.get_by_role("link", name="Open").press("Enter")
    expect(page.get_by_role("heading", name="a-better-name")).to_be_visible()


def test_seven_tabs_at_once_stay_alive_and_ctrl_c_ends_everything(
    tmp_path: Path, chromium: Browser, eventually: Callable[..., None]
) -> None:
    """A browser opens six connections to a host at most: what held one open would be missed in the seventh tab."""
    server = Server(tmp_path, ELBO_ROOM_SPARES="1")
    window = Watched(context_of(chromium), f"localhost:{server.port}")
    try:
        _seven_tabs(server, window, eventually)
    finally:
        window.context.close()
        server.close()


def _seven_tabs(server: Server, window: Watched, eventually: Callable[..., None]) -> None:
    page = window.page()
    name = start(page, server, 10)
    tabs = [window.page(page) for _ in range(6)]
    for number, tab in enumerate(tabs):
        tab.goto(f"{server.url}/train?run={name}" if number % 3 else server.url, wait_until="commit")
    for number, tab in enumerate(tabs):
        if number % 3:
            state(tab, "training")
        else:
            expect(tab.get_by_role("link", name="Open")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    eventually(lambda: step_shown(page) > 0)
    assert server.workers()
    eventually(lambda: server.workers("vae.diagnosis"))  # a spare one
    assert window.complaints == []
    window.watching = False  # from here on the pages complain that the server is gone
    server.interrupt()  # the pages stay open: if they held it up, they would do so without end
    eventually(lambda: not server.workers() and not server.workers("vae.diagnosis"))
    status = runs.read_status(Path(server.runs) / name)
    assert status.state == "interrupted"
    assert status.step > 0
