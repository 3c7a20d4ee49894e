"""The application as a person meets it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NUMBER = r"(−?[\d,.]+)"


def start(page: Page, url: str, **settings: str) -> str:
    """Start a run on digits from the form; its name."""
    page.goto(f"{url}/train")
    button = page.get_by_role("button", name="Start training")
    expect(button).to_be_enabled(timeout=60_000)
    if settings:
        page.get_by_text("More settings").click()
    for label, value in settings.items():
        field = page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
    button.click()
    page.wait_for_url(re.compile(r"run="))
    return page.url.rsplit("run=", 1)[1]


def curves(page: Page) -> dict[str, float]:
    """The newest values by the charts' own words."""
    words = page.get_by_label(re.compile("^Training curves of .* at step")).get_attribute("aria-label") or ""
    found = re.search(rf"at step {NUMBER}: distortion {NUMBER} nats, rate {NUMBER} nats.* C {NUMBER}\.$", words)
    assert found, words
    values = (float(text.replace(",", "").replace("−", "-")) for text in found.groups())
    return dict(zip(("step", "distortion", "rate", "C"), values, strict=True))


def step_shown(page: Page) -> int:
    text = page.get_by_text(re.compile(r"^step [\d,]+$")).first.inner_text()
    return int(text.removeprefix("step ").replace(",", ""))


def state(page: Page, word: str) -> None:
    expect(page.locator(".status .state").first).to_have_text(word, timeout=30_000)


def markers(page: Page) -> int:
    """Dotted vertical lines in the distortion's chart: columns of pixels that are painted and empty by turns."""
    return page.locator(".panel.distortion canvas").evaluate(
        """canvas => {
          const { width, height } = canvas;
          const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const data = copy.getImageData(0, 0, width, height).data;
          let found = 0, last = -9;
          for (let x = 0; x < width; x++) {
            let turns = 0, before = false;
            for (let y = 0; y < height; y++) {
              const painted = data[4 * (y * width + x) + 3] > 40;
              turns += painted !== before; before = painted;
            }
            if (turns > 24) { found += x - last > 4; last = x; }
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
    name = start(page, server.url, **{"C at the start": "10", "Name (optional)": "first"})
    assert name == "first"

    state(page, "training")
    eventually(lambda: curves(page)["step"] > 0)
    early = curves(page)
    eventually(lambda: curves(page)["step"] >= early["step"] + 60, 60)
    late = curves(page)
    assert early["C"] == late["C"] == 10
    assert late["distortion"] < early["distortion"] - 1
    assert late["rate"] > early["rate"] + 0.5
    expect(page.get_by_role("img", name=re.compile("reconstruction", re.IGNORECASE))).to_be_visible()

    assert markers(page) == 0
    slider = page.get_by_role("slider", name="Reconstruction weight C")
    slider.focus()
    slider.press("PageUp")
    slider.press("PageUp")
    eventually(lambda: float(slider.get_attribute("aria-valuenow") or 0) > 12)
    path = server.runs / name
    eventually(lambda: (runs.read_knobs(path).C or 0) > 12)
    eventually(lambda: markers(page) == 1)
    expect(page.get_by_role("button", name="Undo C, back to 10")).to_be_enabled()

    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    stands = step_shown(page)
    time.sleep(1.0)
    assert step_shown(page) == stands
    page.get_by_role("button", name="Step", exact=True).click()
    eventually(lambda: step_shown(page) == stands + 1)
    time.sleep(0.5)
    assert step_shown(page) == stands + 1

    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")
    expect(page.get_by_role("button", name="Continue")).to_be_enabled()
    page.reload()
    state(page, "stopped")
    expect(page.get_by_role("heading", name="first")).to_be_visible()
    assert step_shown(page) == stands + 1
    page.get_by_role("button", name="Continue").click()
    eventually(lambda: step_shown(page) > stands + 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")


def test_a_cold_deep_link_shows_the_run_inside_the_frame(server: Any, window: Any) -> None:
    page = window.page()
    page.goto(f"{server.url}/train?run=no-such-run")
    expect(page.get_by_text("There is no run named “no-such-run”")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("link", name="Home")).to_be_visible()  # the frame ran
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_another_tab_shows_the_same_run_and_another_browser_cannot_steer_it(
    server: Any, window: Any, chromium: Browser
) -> None:
    page = window.page()
    name = start(page, server.url)
    state(page, "training")
    second = window.page()
    second.goto(f"{server.url}/train?run={name}")
    state(second, "training")
    expect(second.get_by_role("button", name="Pause")).to_be_enabled()
    stranger = chromium.new_context().new_page()
    stranger.goto(f"{server.url}/train?run={name}")
    expect(stranger.get_by_text("Another browser started this run")).to_be_visible(timeout=30_000)
    expect(stranger.get_by_role("button", name="Stop", exact=True)).to_be_disabled()
    stranger.goto(server.url)
    expect(stranger.get_by_role("link", name="Open")).to_be_visible()
    expect(stranger.get_by_role("button", name="More")).to_have_count(0)
    stranger.context.close()
    second.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")
    expect(page.get_by_role("button", name="Continue")).to_be_visible()  # the first tab's page follows


def test_the_gallery_follows_renames_deletes_and_undoes(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    start(page, server.url, Epochs="2")
    state(page, "finished")
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
    page.get_by_role("link", name="Open").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="a-better-name")).to_be_visible()


def test_hostile_names_stay_text_and_fetch_nothing(server: Any, window: Any) -> None:
    path = server.runs / "www.evil.example"
    evil = "![x](http://evil.example/a.png) <img src=http://evil.example/b.png> <script>alert(1)</script>"
    path.mkdir(parents=True)
    config = {"dataset": "digits", "likelihood": "gaussian", "C": "fit"}
    data = {
        "name": evil,
        "shape": [1, 8, 8],
        "support": "unit",
        "scale": 16,
        "train": 1437,
        "test": 360,
        "classes": None,
    }
    (path / "config.json").write_text(json.dumps({"format": 1, "created": 0, "config": config, "data": data}))
    runs.write_status(path, runs.Status(state="failed", message=evil))
    page = window.page()
    page.goto(server.url)
    expect(page.get_by_text(evil)).to_be_visible(timeout=60_000)
    assert page.locator("a[href*='evil']:not([href*='run='])").count() == 0
    page.goto(f"{server.url}/train?run=www.evil.example")
    expect(page.get_by_role("heading", name="www.evil.example")).to_be_visible()
    expect(page.get_by_text(evil).first).to_be_visible()


def test_ten_tabs_at_once_stay_alive(server: Any, window: Any) -> None:
    page = window.page()
    name = start(page, server.url)
    tabs = [window.page() for _ in range(9)]
    for number, tab in enumerate(tabs):
        tab.goto(f"{server.url}/train?run={name}" if number % 3 else server.url, wait_until="commit")
    for number, tab in enumerate(tabs):
        if number % 3:
            state(tab, "training")
        else:
            expect(tab.get_by_role("link", name="Open")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")


def test_ctrl_c_with_five_tabs_on_a_live_run_ends_everything(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    name = start(page, server.url)
    state(page, "training")
    tabs = [window.page() for _ in range(4)]
    for tab in tabs:
        tab.goto(f"{server.url}/train?run={name}")
    for tab in tabs:
        state(tab, "training")
    assert server.workers()
    assert window.complaints == []
    window.watching = False  # from here on the pages complain that the server is gone
    seconds = server.interrupt()
    assert seconds < 5
    eventually(lambda: not server.workers(), 5)
    status = runs.read_status(Path(server.runs) / name)
    assert status.state == "interrupted"
    assert status.step > 0
