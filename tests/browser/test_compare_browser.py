"""The Compare page under a hand and a keyboard: two runs that are one model in other coordinates, a little apart."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect
from safetensors.torch import load, save

from tests.browser.conftest import box_of, digits_row, rested
from tests.browser.test_explore_browser import pixels, search, slider, value
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"

DIGEST = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  return data.reduce((sum, byte, at) => (31 * sum + byte * (at % 251)) % 2 ** 32, 7).toString(16);
}"""


@pytest.fixture
def pair(server: Any) -> None:
    """The digits run as A; as B the same with z0 and z1 exchanged, one of them turned round, and weaker contrast."""
    shutil.copytree(DEMO, server.runs / "a")
    path = Path(shutil.copytree(DEMO, server.runs / "b"))
    weights = load(runs.read_checked(path, runs.WEIGHTS))
    last = max(name for name in weights if name.startswith("encoder.") and name.endswith("weight"))[:-7]
    first = min(name for name in weights if name.startswith("decoder.") and name.endswith("weight"))[:-7]
    final = max(name for name in weights if name.startswith("decoder.") and name.endswith("weight"))
    order, sign = torch.tensor([1, 0, 3, 2]), torch.tensor([-1.0, 1, 1, 1])
    weights[f"{last}.weight"] = weights[f"{last}.weight"][order] * sign[:, None]
    weights[f"{last}.bias"] = weights[f"{last}.bias"][order] * sign
    weights[f"{first}.weight"] = weights[f"{first}.weight"][:, [1, 0]] * sign[:2]
    weights[final] = 0.8 * weights[final]
    runs.save_checked(path, {runs.WEIGHTS: save({name: tensor.contiguous() for name, tensor in weights.items()})})


def compare(page: Page, url: str, query: str = "run=a&other=b") -> Page:
    page.goto(f"{url}/compare?{query}")
    expect(page.locator(".terms table")).to_be_visible(timeout=90_000)
    expect(page.locator(".maps .stage").first).to_be_visible()
    expect(page.locator(".step .place").first).to_contain_text("decoded in this page")
    rested(page)
    return page


def means(page: Page) -> list[list[int]]:
    """What both large pictures show."""
    canvases = page.locator(".step .mean")
    return [pixels(canvases.nth(side)) for side in (0, 1)]


def drawn(page: Page, side: int) -> str:
    """What the points of a map look like, in few signs."""
    return page.locator(".maps .stage").nth(side).locator("canvas.points").evaluate(DIGEST)


def drag(page: Page, places: list[tuple[float, float]]) -> None:
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def inside(stage: Locator, *shares: tuple[float, float]) -> list[tuple[float, float]]:
    """Places at shares of a map's width and height, on the screen."""
    stage.scroll_into_view_if_needed()
    box = box_of(stage)
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]


def difference(one: list[int], other: list[int]) -> float:
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_two_runs_in_step_and_under_one_lasso(
    window: Any, server: Any, pair: None, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = compare(window.page(), server.url)
    expect(page.locator(".lead")).to_contain_text(re.compile(r"B’s ELBO is [\d.]+ ± [\d.]+ nats lower \(worse\)"))
    expect(page.locator("tr.rate td").nth(2)).to_have_text("0.00")  # the encoders are one and the same
    expect(page.locator(".matches li").first).to_contain_text(re.compile("z[01] of A−?z[01] of B1.00"))
    expect(page.locator(".notes")).to_contain_text("a code moved by 0.00")
    expect(page.locator(".five canvas")).to_have_count(5)

    # one slider moves both pictures
    before = settled(page, lambda: means(page))
    ((x, y),) = inside(slider(page, 0), (0.5, 0.5))
    drag(page, [(x, y), (x + 60, y)])
    after = settled(page, lambda: means(page))
    assert min(difference(a, b) for a, b in zip(before, after, strict=True)) > 1
    aligned = difference(*after)
    eventually(lambda: re.search("[?&]z=", search(page)))
    moved = value(page, 0)

    # the same numbers are another place of B
    page.get_by_role("radio", name="the same numbers").check()
    numbers = settled(page, lambda: means(page))
    assert numbers[0] == after[0]
    assert difference(*numbers) > aligned + 1
    eventually(lambda: "meaning=numbers" in search(page))

    # what is drawn around on A stands out on B
    page.get_by_label("Colour by").select_option("kept")
    lit = settled(page, lambda: drawn(page, 1))
    page.get_by_role("button", name="Lasso").click()
    drag(page, inside(page.locator(".maps .stage").first, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
    expect(page.locator(".selection .er-title")).to_contain_text(re.compile(r"Selection: \d+ images"))
    expect(page.locator(".moved")).to_contain_text("They moved by 0.00")
    expect(page.locator(".moved")).to_contain_text("100.00 % stayed (all: 100 %)")
    eventually(lambda: drawn(page, 1) != lit)
    page.locator(".selection .tile").nth(1).click()  # the first may be the one in use
    eventually(lambda: re.search("[?&]image=[1-9]", search(page)) and "z=" not in search(page))
    expect(page.locator(".chosen").first).to_contain_text(re.compile("row [\\d,]+ of digits"))

    # the keyboard does it too
    thumb = slider(page, 1)
    thumb.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowRight")
    eventually(lambda: re.search("[?&]z=", search(page)))
    second = page.locator(".maps .stage").nth(1)
    second.focus()
    page.keyboard.press("Escape")
    expect(page.locator(".moved")).to_be_empty()
    page.keyboard.press(" ")
    for key in ["ArrowRight"] * 9 + ["ArrowDown"] * 9 + [" "]:
        page.keyboard.press(key)
    expect(page.locator(".moved")).to_contain_text("moved by")

    # and the address brings it back, on a phone in the dark
    settled(page, lambda: search(page))
    shown, kept = [value(page, 0), value(page, 1)], search(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    compare(page, server.url, kept.removeprefix("?"))
    eventually(lambda: [value(page, 0), value(page, 1)] == pytest.approx(shown, abs=1e-3))
    assert shown[0] != pytest.approx(moved)  # the other image has another code
    expect(page.get_by_label("Colour by")).to_have_value("kept")
    expect(page.get_by_role("radio", name="the same numbers")).to_be_checked()
    assert page.locator(".maps").evaluate("maps => maps.closest('.er').dataset.tone") == "dark"
    for place in ("document.documentElement", "document.querySelector('[data-testid=stMain]')"):
        assert page.evaluate(f"{place}.scrollWidth <= {place}.clientWidth")
    for part, called in ((".pictures", "a-b-image-"), (".maps", "a-b-maps.png")):
        with page.expect_download() as saved:
            page.locator(part).get_by_role("button", name="Save PNG").click()
        assert saved.value.suggested_filename.startswith(called)
        with Image.open(saved.value.path()) as picture:
            assert picture.convert("L").getextrema()[0] < picture.convert("L").getextrema()[1]


def test_a_comparison_is_stopped_and_begun_anew(window: Any, server: Any, pair: None) -> None:
    page = window.page()
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route)
        if len(held) > 1:
            route.fallback()

    page.route("**/comparison/**", hold_the_first)
    page.goto(f"{server.url}/compare?run=a&other=b&image=4")
    expect(page.locator(".line")).to_contain_text("Comparing", timeout=90_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".line")).to_contain_text("Stopped before the comparison was there.")
    held[0].fallback()  # what comes too late changes nothing
    page.get_by_role("button", name="Compare anew").click()
    expect(page.locator(".terms table")).to_be_visible()
    expect(page.locator(".chosen").first).to_contain_text(f"row {digits_row(4)} of digits")
