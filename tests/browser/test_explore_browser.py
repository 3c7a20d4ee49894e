"""The Explore page under a hand, a keyboard, a network that fails, and a run that trains."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Traffic, box_of, digits_row, pass_time, rested
from tests.browser.proxy import Proxy
from tests.browser.watched import context_of, page_of
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"


@pytest.fixture
def trained(server: Any) -> Path:
    """A trained run with two latent dimensions on digits, which come with the app."""
    return Path(shutil.copytree(DEMO, server.runs / "digits"))


def explore(page: Page, url: str, query: str = "run=digits") -> Page:
    page.goto(f"{url}/explore?{query}")
    shown(page)
    return page


def shown(page: Page) -> None:
    """The image is decoded, the images to start from are there, and nothing moves any more."""
    expect(page.locator("canvas.mean")).to_be_visible(timeout=90_000)
    expect(page.locator(".place")).to_contain_text(re.compile("decoded (in this page|by the server)"), timeout=90_000)
    expect(page.locator(".strip .tile").first).to_be_visible(timeout=90_000)
    rested(page)


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


def z_of(page: Page) -> list[float]:
    """Both values as the address has them, which leaves out zeros at the end."""
    found = re.search(r"[?&]z=([^&]*)", search(page))
    assert found
    return [*map(float, found[1].split("_")), 0][:2]


class Hand:
    """Holds one slider with the mouse button down."""

    def __init__(self, page: Page, dimension: int) -> None:
        self.page = page
        box = box_of(slider(page, dimension))
        self.left, self.y, self.width = box["x"], box["y"] + box["height"] / 2, box["width"]
        self.to(0.5, steps=1)
        page.mouse.down()

    def to(self, share: float, steps: int = 8) -> None:
        self.page.mouse.move(self.left + share * self.width, self.y, steps=steps)

    def release(self) -> None:
        self.page.mouse.up()


def test_a_drag_moves_the_image_sends_nothing_and_a_link_brings_it_back(
    server: Any,
    window: Any,
    trained: Path,
    eventually: Callable[..., None],
    settled: Callable[..., Any],
    followed: Callable[..., Any],
) -> None:
    page = window.page()
    traffic = Traffic(page)
    explore(page, server.url)
    eventually(traffic.rests)
    before = len(traffic.sent)
    hand, seen = Hand(page, 0), [settled(page, lambda: mean(page))]
    for share in (0.2, 0.4, 0.7, 0.9):
        hand.to(share)
        seen.append(followed(page, lambda: mean(page), seen[-1]))
    assert len({tuple(image) for image in seen[1:]}) == 4

    def paced() -> bool:
        """A pace is told once pictures followed each other closely."""
        for share in (0.8, 0.9):
            hand.to(share, steps=20)
        words = page.locator(".place").inner_text()
        return bool(re.match(r"decoded in this page · \d+ pictures/s · weights of step", words))

    eventually(paced)
    assert traffic.sent[before:] == []
    hand.release()
    eventually(
        lambda: z_of(page) == pytest.approx([value(page, 0), value(page, 1)], abs=1e-3) and traffic.sent[before:]
    )
    eventually(traffic.rests)
    assert page.evaluate("history.length") == 2  # one view, one entry
    link, image, position = search(page), settled(page, lambda: mean(page)), value(page, 0)
    assert position > 1

    other = window.page(page)
    explore(other, server.url, link.removeprefix("?"))
    eventually(lambda: value(other, 0) == position)
    eventually(lambda: mean(other) == image)
    page.reload()
    shown(page)
    eventually(lambda: mean(page) == image)


def test_it_goes_on_decoding_with_the_network_off_and_with_the_server_stopped(
    relay: Proxy, window: Any, trained: Path, eventually: Callable[..., None], followed: Callable[..., Any]
) -> None:
    page = window.page()
    traffic = Traffic(page)
    explore(page, relay.url)
    eventually(traffic.rests)
    window.watching = False  # from here on Streamlit complains that the server is gone
    hand, images = Hand(page, 1), [mean(page)]

    def drag(share: float) -> None:
        hand.to(share)
        images.append(followed(page, lambda: mean(page), images[-1]))

    drag(0.3)
    window.context.set_offline(True)
    drag(0.6)
    window.context.set_offline(False)
    relay.close()
    for share in (0.8, 0.1):
        drag(share)
    assert len({tuple(image) for image in images[1:]}) == 4
    hand.release()
    eventually(lambda: "z=" in search(page))  # the link is right without a server, too


def test_everything_is_done_from_the_keyboard(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = explore(window.page(), server.url)
    first = page.locator(".slider").first
    first.focus()
    ring = "el => getComputedStyle(el.querySelector('.thumb')).outlineStyle"
    page.keyboard.press("ArrowRight")
    eventually(lambda: first.evaluate(ring) == "solid")
    dimension = int((first.get_attribute("aria-label") or "")[1])

    def stands_at(expected: float) -> None:
        eventually(lambda: value(page, dimension) == pytest.approx(expected, abs=0.001))

    stands_at(0.05)
    for key, expected in [("Shift+ArrowRight", 0.5), ("PageUp", 1.0), ("ArrowLeft", 0.95)]:
        page.keyboard.press(key)
        stands_at(expected)
    eventually(lambda: "0.95" in search(page))
    for _ in range(10):  # faster than pictures are drawn
        page.keyboard.press("ArrowDown")
    stands_at(0.45)
    eventually(lambda: "0.45" in search(page))  # a step that can be taken back
    page.keyboard.press("End")
    stands_at(3.09)
    eventually(lambda: "3.09" in search(page))
    page.keyboard.press("Control+z")
    stands_at(0.45)
    page.keyboard.press("Backspace")
    eventually(lambda: value(page, dimension) == 0)
    page.keyboard.press("Space")  # play
    eventually(lambda: abs(value(page, dimension)) > 0.3)
    page.keyboard.press("Space")
    stands = settled(page, lambda: value(page, dimension))
    pass_time(page, 300)
    assert value(page, dimension) == stands

    reached = set()
    page.get_by_role("button", name="Reset all").focus()
    for _ in range(30):
        reached.add(page.evaluate("() => { let e = document.activeElement; while (e.shadowRoot) e = e.shadowRoot.activeElement; return e.getAttribute('aria-label') || e.textContent; }"))  # fmt: skip  # noqa: E501
        page.keyboard.press("Tab")
    wanted = {"Prior mean", "Prior draw", "Seed of the draw", "▶ Cycle", "Dimension to cycle through", "Random", "Next"}
    assert wanted <= reached
    assert any(re.match(r"row [\d,]+ of digits, label \d", name) for name in reached)


def test_starts_ranges_and_resets(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = explore(window.page(), server.url)
    expect(page.locator(".scale")).to_have_text("−3.093.09")  # once: all sliders have the same
    expect(slider(page, 0).locator(".end").first).to_be_hidden()
    page.locator(".strip .tile").nth(2).click()
    eventually(lambda: z_of(page) == pytest.approx([value(page, 0), value(page, 1)], abs=1e-3))
    at = [value(page, i) for i in (0, 1)]
    nearest = rf"row {digits_row(2)} of digits, label \d, distance 0\.00 in z"
    expect(page.locator(".side")).to_contain_text(re.compile(nearest))
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
    eventually(lambda: [value(page, i) for i in (0, 1)] != at)
    drawn = settled(page, lambda: [value(page, i) for i in (0, 1)])
    page.get_by_role("button", name="Prior mean").click()
    eventually(lambda: [value(page, i) for i in (0, 1)] == [0, 0])
    page.get_by_label("Seed of the draw").fill("7")
    page.keyboard.press("Enter")
    eventually(lambda: [value(page, i) for i in (0, 1)] == drawn)
    hand = Hand(page, 0)
    hand.to(0.95)
    hand.release()
    eventually(lambda: value(page, 0) != drawn[0])
    slider(page, 0).dblclick(position={"x": 30, "y": 16})
    eventually(lambda: value(page, 0) == drawn[0])
    before = settled(page, lambda: pixels(page.locator(".beside canvas").first))
    page.get_by_role("button", name="another").click()
    eventually(lambda: pixels(page.locator(".beside canvas").first) != before)


def test_a_snapshot_of_a_run_that_trains_swaps_in_and_the_sliders_stay(
    server: Any, window: Any, trained: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    from safetensors.torch import load, save

    page = explore(window.page(), server.url, "run=digits&z=0.5_-1")
    expect(page.locator(".place")).to_contain_text("weights of step 3,368")
    before = settled(page, lambda: mean(page))
    weights = load(runs.read_checked(trained, runs.WEIGHTS))
    weights["decoder.0.bias"] += 0.3
    runs.save_checked(trained, {runs.WEIGHTS: save(weights, metadata={"step": "4000"})})
    expect(page.locator(".place")).to_contain_text("weights of step 4,000")
    eventually(lambda: mean(page) != before)
    assert settled(page, lambda: [value(page, 0), value(page, 1)]) == [0.5, -1]


def test_what_the_page_cannot_run_is_decoded_by_the_server_with_a_word(
    server: Any,
    window: Any,
    trained: Path,
    eventually: Callable[..., None],
    settled: Callable[..., Any],
    followed: Callable[..., Any],
) -> None:
    page = window.page()
    explore(page, server.url)
    here = settled(page, lambda: mean(page))
    assert any(here[::4])

    def refuse(route: Route) -> None:
        route.fulfill(status=409, headers={"X-Decode": "server"}, body="the page has no form of this layer")

    window.context.route("**/runs/digits/decoder/*", refuse)
    window.watching = False  # the browser writes a line for each 409
    other = explore(window.page(), server.url)
    expect(other.locator(".place")).to_contain_text("decoded by the server")
    expect(other.locator(".large .problem")).to_have_text("the page has no form of this layer")
    eventually(lambda: max(abs(a - b) for a, b in zip(mean(other), here, strict=True)) <= 3)
    hand = Hand(other, 0)
    before = settled(other, lambda: mean(other))
    hand.to(0.8)
    followed(other, lambda: mean(other), before)
    hand.release()


def test_on_a_phone_nothing_runs_off_and_the_image_stays_in_sight(
    server: Any, chromium: Any, trained: Path, eventually: Callable[..., None]
) -> None:
    motion: Any = {"reduced_motion": "no-preference"}  # pictures ease here, and only here
    with context_of(chromium, viewport={"width": 390, "height": 844}, has_touch=True, **motion) as context:
        page = explore(page_of(context), server.url)
        inside = "() => document.querySelector('[data-testid=stMain]').scrollWidth <= innerWidth"
        eventually(lambda: page.evaluate(inside))
        page.locator(".side canvas").last.scroll_into_view_if_needed()

        def in_sight() -> bool:
            box = page.locator("canvas.mean").bounding_box()
            assert box
            return box["y"] >= 40 and box["y"] + box["height"] < 700

        eventually(in_sight)


SELECT_ALL = """() => {
  window.dragged = 0;
  document.addEventListener("dragstart", () => (window.dragged += 1), true);
  getSelection().selectAllChildren(document.body);
}"""


@pytest.mark.parametrize("where", ["explore", "train"])
def test_a_selected_page_does_not_turn_the_drag_of_a_slider_into_another(
    server: Any, window: Any, trained: Path, where: str, eventually: Callable[..., None]
) -> None:
    page = window.page()
    page.goto(f"{server.url}/{where}?run=digits")
    found = page.get_by_role("slider", name=re.compile("^z0|^Reconstruction weight C"))
    expect(found).to_be_visible(timeout=90_000)
    rested(page)
    found.scroll_into_view_if_needed()
    page.evaluate(SELECT_ALL)
    page.keyboard.press("Control+a")
    box = box_of(found)
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    page.mouse.down()
    for share in (0.6, 0.7, 0.9):
        page.mouse.move(box["x"] + share * box["width"], height, steps=5)
    assert page.evaluate("window.dragged") == 0
    page.mouse.up()
    if where == "explore":
        eventually(lambda: value(page, 0) > 1)


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
    expect(page.get_by_text("There is no run named “nobody”")).to_be_visible()
    page.goto(f"{server.url}/explore")
    expect(page.get_by_text("Nothing to explore yet")).to_be_visible()
    page.get_by_role("link", name="Train a first run").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()
