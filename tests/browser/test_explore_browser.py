"""The Explore page under a hand, a keyboard, a network that fails, and a run that trains."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"


@pytest.fixture
def trained(server: Any) -> Path:
    """A trained run with two latent dimensions on digits, which come with the app."""
    return Path(shutil.copytree(DEMO, server.runs / "digits"))


def explore(page: Page, url: str, query: str = "run=digits") -> Page:
    page.goto(f"{url}/explore?{query}")
    expect(page.locator("canvas.mean")).to_be_visible(timeout=90_000)
    expect(page.locator(".strip .tile").first).to_be_visible(timeout=90_000)
    return page


def pixels(canvas: Locator) -> list[int]:
    """What a canvas shows, RGBA."""
    return canvas.evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          return [...copy.getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )


def mean(page: Page) -> list[int]:
    return pixels(page.locator("canvas.mean"))


def slider(page: Page, dimension: int) -> Locator:
    return page.get_by_role("slider", name=re.compile(rf"^z{dimension}\b"))


def value(page: Page, dimension: int) -> float:
    return float(slider(page, dimension).get_attribute("aria-valuenow") or "nan")


def search(page: Page) -> str:
    return page.evaluate("location.search")


class Hand:
    """Holds one slider with the mouse button down."""

    def __init__(self, page: Page, dimension: int) -> None:
        self.page = page
        box = slider(page, dimension).bounding_box()
        assert box
        self.left, self.y, self.width = box["x"], box["y"] + box["height"] / 2, box["width"]
        self.to(0.5, steps=1)
        page.mouse.down()

    def to(self, share: float, steps: int = 8) -> None:
        self.page.mouse.move(self.left + share * self.width, self.y, steps=steps)
        self.page.wait_for_timeout(120)

    def release(self) -> None:
        self.page.mouse.up()


def test_a_drag_moves_the_image_sends_nothing_and_a_link_brings_it_back(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(socket.url)))
    page.on("request", lambda request: sent.append(request.url))
    explore(page, server.url)
    page.wait_for_timeout(1500)
    before = len(sent)
    hand, seen = Hand(page, 0), []
    for share in (0.2, 0.4, 0.7, 0.9):
        hand.to(share)
        seen.append(tuple(mean(page)))
    assert len(set(seen)) == 4
    assert sent[before:] == []
    expect(page.locator(".place")).to_have_text(re.compile(r"decoded in this page · \d+ pictures/s · weights of step"))
    hand.release()
    eventually(lambda: "z=" in search(page))
    eventually(lambda: len(sent) > before)  # the counter counts
    page.wait_for_timeout(800)
    assert page.evaluate("history.length") == 2  # one view, one entry
    link, image, position = search(page), mean(page), value(page, 0)
    assert position > 1

    other = window.page()
    explore(other, server.url, link.removeprefix("?"))
    assert value(other, 0) == position
    eventually(lambda: mean(other) == image)
    page.reload()
    expect(page.locator("canvas.mean")).to_be_visible(timeout=60_000)
    eventually(lambda: mean(page) == image)


def test_it_goes_on_decoding_with_the_network_off_and_with_the_server_stopped(
    server: Any, window: Any, trained: Path
) -> None:
    page = explore(window.page(), server.url)
    page.wait_for_timeout(1500)
    window.watching = False  # from here on Streamlit complains that the server is gone
    hand = Hand(page, 1)
    hand.to(0.3)
    shown = [tuple(mean(page))]
    window.context.set_offline(True)
    hand.to(0.6)
    shown.append(tuple(mean(page)))
    window.context.set_offline(False)
    server.interrupt()
    for share in (0.8, 0.1):
        hand.to(share)
        page.wait_for_timeout(500)
        shown.append(tuple(mean(page)))
    assert len(set(shown)) == 4
    hand.release()
    page.wait_for_timeout(500)
    assert "z=" in search(page)  # the link is right without a server, too


def test_everything_is_done_from_the_keyboard(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None]
) -> None:
    page = explore(window.page(), server.url)
    first = page.locator(".slider").first
    first.focus()
    ring = "el => getComputedStyle(el.querySelector('.thumb')).outlineStyle"
    page.keyboard.press("ArrowRight")
    assert first.evaluate(ring) == "solid"
    dimension = int((first.get_attribute("aria-label") or "")[1])

    def stands_at(expected: float) -> None:
        eventually(lambda: value(page, dimension) == pytest.approx(expected, abs=0.001), 5)

    stands_at(0.05)
    for key, expected in [("Shift+ArrowRight", 0.5), ("PageUp", 1.0), ("ArrowLeft", 0.95)]:
        page.keyboard.press(key)
        stands_at(expected)
    eventually(lambda: "0.95" in search(page))
    for _ in range(10):  # faster than pictures are drawn
        page.keyboard.press("ArrowDown")
    stands_at(0.45)
    page.wait_for_timeout(500)
    page.keyboard.press("End")
    stands_at(3.09)
    page.wait_for_timeout(500)
    page.keyboard.press("Control+z")
    stands_at(0.45)
    page.keyboard.press("Backspace")
    eventually(lambda: value(page, dimension) == 0)
    page.keyboard.press("Space")  # play
    eventually(lambda: abs(value(page, dimension)) > 0.3)
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    stands = value(page, dimension)
    page.wait_for_timeout(300)
    assert value(page, dimension) == stands

    reached = set()
    page.get_by_role("button", name="Reset all").focus()
    for _ in range(30):
        reached.add(page.evaluate("() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement; return e.getAttribute('aria-label') || e.textContent; }"))  # fmt: skip  # noqa: E501
        page.keyboard.press("Tab")
    wanted = {"Prior mean", "Prior draw", "Seed of the draw", "▶ Cycle", "Dimension to cycle through", "Random", "Next"}
    assert wanted <= reached
    assert any(name.startswith("Image #") for name in reached)


def test_starts_ranges_and_resets(server: Any, window: Any, trained: Path, eventually: Callable[..., None]) -> None:
    page = explore(window.page(), server.url)
    expect(page.locator(".scale")).to_have_text("−3.093.09")  # once: all sliders have the same
    expect(slider(page, 0).locator(".end").first).to_be_hidden()
    page.locator(".strip .tile").nth(2).click()
    eventually(lambda: "z=" in search(page))
    at = [value(page, i) for i in (0, 1)]
    expect(page.locator(".side")).to_contain_text(re.compile(r"#2, label \d, distance 0\.00 in z"))
    low = slider(page, 0).get_attribute("aria-valuemin")
    page.get_by_role("button", name="posterior", exact=True).click()
    eventually(lambda: slider(page, 0).get_attribute("aria-valuemin") != low)
    span = [float(slider(page, 0).get_attribute(f"aria-value{end}") or 0) for end in ("min", "max")]
    assert sum(span) / 2 == pytest.approx(at[0], abs=0.002)
    ends = slider(page, 0).locator(".end")
    expect(ends.first).to_be_visible()
    digits = 3 if span[1] - span[0] < 0.5 else 2
    expect(ends).to_have_text([f"{end:.{digits}f}".replace("-", "−") for end in span])
    assert span[1] - span[0] < 3  # narrower than the prior's 6.2
    page.get_by_role("button", name="Posterior sample").click()
    eventually(lambda: [value(page, i) for i in (0, 1)] != at)
    page.get_by_role("button", name="Posterior mean").click()
    eventually(lambda: [value(page, i) for i in (0, 1)] == at)

    for typed in ("-3", "abc", "1.5", "1e20"):
        page.get_by_label("Seed of the draw").fill(typed)
        page.keyboard.press("Enter")
        words = f"seed: expected a whole number from 0 to 999,999,999, not “{typed}”."
        expect(page.locator(".controls .problem")).to_have_text(words)
    page.get_by_label("Seed of the draw").fill("7")
    page.keyboard.press("Enter")
    expect(page.locator(".controls .problem")).to_be_empty()
    page.wait_for_timeout(800)
    drawn = [value(page, i) for i in (0, 1)]
    page.get_by_role("button", name="Prior mean").click()
    eventually(lambda: [value(page, i) for i in (0, 1)] == [0, 0])
    page.get_by_label("Seed of the draw").fill("7")
    page.keyboard.press("Enter")
    eventually(lambda: [value(page, i) for i in (0, 1)] == drawn)
    hand = Hand(page, 0)
    hand.to(0.95)
    hand.release()
    assert value(page, 0) != drawn[0]
    slider(page, 0).dblclick(position={"x": 30, "y": 16})
    eventually(lambda: value(page, 0) == drawn[0])
    before = pixels(page.locator(".beside canvas").first)
    page.get_by_role("button", name="another").click()
    eventually(lambda: pixels(page.locator(".beside canvas").first) != before)


def test_a_snapshot_of_a_run_that_trains_swaps_in_and_the_sliders_stay(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None]
) -> None:
    from safetensors.torch import load, save

    page = explore(window.page(), server.url, "run=digits&z=0.5_-1")
    expect(page.locator(".place")).to_contain_text("weights of step 3,368")
    before = mean(page)
    weights = load(runs.read_checked(trained, runs.WEIGHTS))
    weights["decoder.0.bias"] += 0.3
    runs.save_checked(trained, {runs.WEIGHTS: save(weights, metadata={"step": "4000"})})
    expect(page.locator(".place")).to_contain_text("weights of step 4,000", timeout=10_000)
    eventually(lambda: mean(page) != before)
    assert [value(page, 0), value(page, 1)] == [0.5, -1]


def test_what_the_page_cannot_run_is_decoded_by_the_server_with_a_word(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    explore(page, server.url)
    here = mean(page)

    def refuse(route: Route) -> None:
        route.fulfill(status=409, headers={"X-Decode": "server"}, body="the page has no form of this layer")

    window.context.route("**/runs/digits/decoder/*", refuse)
    window.watching = False  # the browser writes a line for each 409
    other = explore(window.page(), server.url)
    expect(other.locator(".place")).to_contain_text("decoded by the server")
    expect(other.locator(".large .problem")).to_have_text("the page has no form of this layer")
    eventually(lambda: max(abs(a - b) for a, b in zip(mean(other), here, strict=True)) <= 3)
    hand = Hand(other, 0)
    before = mean(other)
    hand.to(0.8)
    eventually(lambda: mean(other) != before)
    hand.release()


def test_on_a_phone_nothing_runs_off_and_the_image_stays_in_sight(server: Any, chromium: Any, trained: Path) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = explore(context.new_page(), server.url)
    inside = "() => document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth"
    assert page.evaluate(inside)
    page.locator(".side canvas").last.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    box = page.locator("canvas.mean").bounding_box()
    assert box
    assert box["y"] >= 40
    assert box["y"] + box["height"] < 700
    context.close()


SELECT_ALL = """() => {
  window.dragged = 0;
  document.addEventListener("dragstart", () => (window.dragged += 1), true);
  getSelection().selectAllChildren(document.body);
}"""


@pytest.mark.parametrize("where", ["explore", "train"])
def test_a_selected_page_does_not_turn_the_drag_of_a_slider_into_another(
    server: Any, window: Any, trained: Path, where: str
) -> None:
    page = window.page()
    page.goto(f"{server.url}/{where}?run=digits")
    found = page.get_by_role("slider", name=re.compile("^z0|^Reconstruction weight C"))
    expect(found).to_be_visible(timeout=90_000)
    found.scroll_into_view_if_needed()
    page.evaluate(SELECT_ALL)
    page.keyboard.press("Control+a")
    box = found.bounding_box()
    assert box
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    page.mouse.down()
    for share in (0.6, 0.7, 0.9):
        page.mouse.move(box["x"] + share * box["width"], height, steps=5)
    assert page.evaluate("window.dragged") == 0
    page.mouse.up()
    if where == "explore":
        assert value(page, 0) > 1


def test_charts_in_a_narrow_place_leave_their_formulas_out(server: Any, window: Any, trained: Path) -> None:
    page = window.page()
    page.goto(f"{server.url}/train?run=digits")
    formula = page.locator(".charts .formula").first
    expect(formula).to_be_visible(timeout=90_000)
    page.locator(".charts").evaluate("charts => (charts.parentElement.style.width = '400px')")
    expect(formula).to_be_hidden()


def test_an_unknown_run_and_an_empty_room_lead_on(server: Any, window: Any) -> None:
    page = window.page()
    page.goto(f"{server.url}/explore?run=nobody")
    expect(page.get_by_text("There is no run named “nobody”")).to_be_visible(timeout=60_000)
    page.goto(f"{server.url}/explore")
    expect(page.get_by_text("Nothing to explore yet")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Train a first run").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible(timeout=60_000)
