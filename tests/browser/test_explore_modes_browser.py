"""The modes of the Explore page besides its sliders, as a person meets them."""

from __future__ import annotations

import io
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Traffic, box_of, digits_row, rested
from tests.browser.map_page import pixels as read_pixels
from tests.browser.proxy import Proxy
from tests.oracles.latent_geometry import attribute_direction
from vae.runs import load_run
from vae.space.encodings import codes_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"


def open_mode(server: Any, page: Page, mode: str, more: str = "") -> None:
    if not (server.runs / DEMO.name).exists():
        shutil.copytree(DEMO, server.runs / DEMO.name)
    page.goto(f"{server.url}/explore?run={DEMO.name}&mode={mode}{more}")
    expect(page.get_by_text(re.compile("^decoded in this page"))).to_be_visible(timeout=90_000)
    rested(page)


def pixels(canvas: Locator) -> np.ndarray:
    """Its values one after the other: red, green, blue, opacity, 0 to 255."""
    return read_pixels(canvas).ravel().astype(float)


def picture(cell: Locator) -> np.ndarray:
    return pixels(cell.locator("canvas"))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two pictures differ on average; not at all as long as one of them has no size yet."""
    return float(abs(one - other).mean()) if one.shape == other.shape else 0.0


def test_samples_are_seeded_saved_and_taken(
    server: Any, window: Any, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = window.page()
    open_mode(server, page, "samples")
    cells = page.get_by_role("gridcell")
    expect(cells).to_have_count(40)
    eventually(lambda: all(picture(cells.nth(i)).any() for i in (0, 1, 39)))
    first, other = picture(cells.nth(0)), picture(cells.nth(1))
    assert apart(first, other) > 5

    page.get_by_role("radio", name="sample of p(x|z)").check()
    eventually(lambda: 3 < apart(picture(cells.nth(0)), first) < 60)  # noise around the mean
    noisy = settled(page, lambda: picture(cells.nth(0)))
    page.get_by_role("radio", name="mean of p(x|z)").check()
    eventually(lambda: np.array_equal(picture(cells.nth(0)), first))
    page.get_by_role("radio", name="sample of p(x|z)").check()
    eventually(lambda: np.array_equal(picture(cells.nth(0)), noisy))  # one seed, one draw
    page.get_by_role("radio", name="mean of p(x|z)").check()

    seed = page.get_by_label("seed", exact=True)
    seed.fill("7")
    seed.press("Enter")
    page.wait_for_url(re.compile(r"seed=7"))
    eventually(lambda: apart(picture(cells.nth(0)), first) > 5)
    seventh = settled(page, lambda: picture(cells.nth(0)))
    page.get_by_role("button", name="New seed").click()
    page.wait_for_url(re.compile(r"seed=(?!7(&|$))"))
    eventually(lambda: not np.array_equal(picture(cells.nth(0)), seventh))
    settled(page, lambda: picture(cells.nth(39)))

    with page.expect_download() as download:
        page.get_by_role("button", name="Save PNG").click()
    assert re.fullmatch(rf"{DEMO.name}-prior-seed-\d+\.png", download.value.suggested_filename)
    sheet = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert sheet.width == 24 + 10 * 68 - 4 + 24  # ten pictures of 64 pixels
    assert np.array(sheet.convert("L"))[-24 - 4 * 68 : -24, 24:-24].std() > 50

    entries = page.evaluate("history.length")
    for cell in (3, 12):
        wanted = z_of_label(cells.nth(cell))
        cells.nth(cell).click()
        expect(cells.nth(cell)).to_have_attribute("aria-selected", "true")
        eventually(lambda wanted=wanted: z_of(page) == pytest.approx(wanted, abs=0.006))
    assert page.evaluate("history.length") == entries  # taking a z is no step in the browser's history
    taken = z_of(page)
    page.get_by_role("button", name="Open in sliders").click()
    page.wait_for_url(re.compile("mode=sliders"))
    eventually(lambda: z_of(page) == taken)
    rested(page)
    page.go_back()
    page.wait_for_url(re.compile("mode=samples"))
    expect(page.get_by_role("gridcell")).to_have_count(40)


def z_of(page: Page) -> list[float]:
    found = re.search(r"[?&]z=([^&]*)", page.evaluate("location.search"))
    return [float(text) for text in found[1].split("_")] if found else []


def z_of_label(cell: Locator) -> list[float]:
    numbers = re.findall(r"−?\d\.\d\d", cell.get_attribute("aria-label") or "")
    return [float(text.replace("−", "-")) for text in numbers]


def test_a_traversal_goes_by_keys_and_shows_the_model_s_own_pictures(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    open_mode(server, page, "traversal", "&z=0.6_-1.2&columns=7")
    cells = page.get_by_role("gridcell")
    expect(cells).to_have_count(14)
    expect(page.get_by_role("rowheader")).to_have_text([re.compile(r"^z0 = \+0.60.*nats$"), re.compile(r"^z1 = −1.20")])
    marked = page.locator('[role="gridcell"][aria-selected="true"]')
    expect(marked).to_have_count(2)
    for place, label in enumerate(
        (
            "z0 = +0.83, the others as they are",
            "z1 = −0.83, the others as they are",  # nearest of −2.5, −1.67, −0.83, 0 ...
        )
    ):
        expect(marked.nth(place)).to_have_attribute("aria-label", label)
    decode = load_run(DEMO).model.decode
    with torch.no_grad():
        mean = decode(torch.tensor([[-2.5, -1.2], [0.6, 2.5]])).mean.clamp(0, 1).numpy() * 255
    for cell, expected in ((0, mean[0, 0]), (13, mean[1, 0])):

        def shown(cell: int = cell, expected: np.ndarray = expected) -> bool:
            red = picture(cells.nth(cell))[::4]
            return red.size == 64 and abs(red.reshape(8, 8) - expected).max() < 3

        eventually(shown)

    cells.first.focus()
    for key in ("ArrowDown", "End", "ArrowLeft"):
        page.keyboard.press(key)
    eventually(lambda: cells.nth(12).evaluate("cell => cell.getRootNode().activeElement === cell"))
    expect(cells.nth(12)).to_have_attribute("aria-label", "z1 = +1.67, the others as they are")
    entries = page.evaluate("history.length")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"z=0\.6_1\.667"))
    expect(page.get_by_role("rowheader").nth(1)).to_contain_text("z1 = +1.67")
    cells.nth(6).click()
    page.wait_for_url(re.compile(r"z=2\.5_1\.667(&|$)"))
    expect(page.get_by_role("rowheader").first).to_contain_text("z0 = +2.50")
    assert page.evaluate("history.length") == entries


def grip(page: Page, slider: Locator) -> Callable[[float], None]:
    """Press the mouse button on a slider; the answer moves it to a share of its width."""
    box = box_of(slider)
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], height)
    page.mouse.down()
    return lambda share: page.mouse.move(box["x"] + share * box["width"], height, steps=5)


def assert_pictures_follow(
    page: Page, move: Callable[[float], None], canvas: Locator, followed: Callable[..., Any]
) -> None:
    seen = pixels(canvas)
    for share in (0.45, 0.65, 0.85):
        move(share)
        before, seen = seen, followed(page, lambda: pixels(canvas), seen)
        assert apart(seen, before) > 1


def test_an_interpolation_needs_no_server_while_it_is_dragged(
    server: Any,
    relay: Proxy,
    window: Any,
    eventually: Callable[..., None],
    settled: Callable[..., Any],
    followed: Callable[..., Any],
) -> None:
    page, relayed = window.page(), SimpleNamespace(url=relay.url, runs=server.runs)
    traffic = Traffic(page)
    open_mode(relayed, page, "interpolate", "&a=0&b=1&path=straight&t=0.25")
    slider = page.get_by_role("slider", name="From A to B", include_hidden=True)
    large = page.get_by_label(re.compile("^Decoded .* on the straight path"))
    expect(large).to_be_visible()
    expect(page.get_by_role("img", name=f"Image A: held-out row {digits_row(0)} of digits, label 5")).to_be_visible()

    def another() -> bool:
        """Of 360 images chance may name the one that is there."""
        page.get_by_role("button", name="Random", exact=True).nth(1).click()
        return page.get_by_role("img", name=re.compile(f"^Image B: held-out row (?!{digits_row(1)} )")).is_visible()

    eventually(another)
    page.wait_for_url(re.compile(r"b=(?!1&)\d+"))
    open_mode(relayed, page, "interpolate", "&a=0&b=1&path=straight&t=0.25")  # two that differ

    eventually(traffic.rests)
    before = len(traffic.sent)
    move = grip(page, slider)
    settled(page, lambda: pixels(large))
    assert_pictures_follow(page, move, large, followed)
    assert traffic.sent[before:] == []
    page.mouse.up()
    page.wait_for_url(re.compile(r"t=0\.8"))

    window.watching = False  # from here on the page complains that the server is gone
    move = grip(page, slider)
    settled(page, lambda: pixels(large))
    relay.close()
    assert_pictures_follow(page, move, large, followed)
    page.mouse.up()

    def at_the_end() -> bool:
        slider.press("End")
        return page.get_by_text(re.compile(r"^t = 1\.00")).is_visible()

    eventually(at_the_end)
    last = page.get_by_role("gridcell", name="straight path, 100 % of the way from A to B", include_hidden=True)
    eventually(lambda: np.array_equal(pixels(large), picture(last)))
    page.get_by_role("button", name="Play", include_hidden=True).dispatch_event("click")
    eventually(lambda: not np.array_equal(pixels(large), picture(last)))
    page.get_by_role("button", name="Pause", include_hidden=True).dispatch_event("click")
    expect(page.get_by_role("dialog")).to_have_count(0)  # Streamlit has none over what goes on


def test_a_direction_comes_with_the_evidence_that_python_finds(
    server: Any, window: Any, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = window.page()
    open_mode(server, page, "attributes", "&a=class:3&b=rest")
    codes = codes_of(load_run(DEMO))
    assert codes.labels is not None
    rows = np.flatnonzero(codes.labels == 3), np.flatnonzero(codes.labels != 3)
    found = attribute_direction(codes.loc, *rows)
    words = (
        f"Cohen’s d = {found.effect:.2f}, sets of {len(rows[0])} and {len(rows[1])} images: larger than "
        f"{found.exceeded} of 200 random pairs of sets of these sizes."
    )
    expect(page.get_by_text(words)).to_be_visible()

    for name in ("A", "B"):  # two images each, by hand and by keys
        page.get_by_label(f"Set {name}", exact=True).select_option("picked by hand")
        picker = page.get_by_role("grid", name="Held-out images to choose from")
        picker.get_by_role("gridcell").first.focus()
        page.keyboard.press("ArrowDown" if name == "B" else "ArrowRight")
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"[?&]a=1(%2C|,)2(&|$)"))
    page.wait_for_url(re.compile(r"[?&]b=\d+(%2C|,)\d+(&|$)"))
    picked = [int(part) for part in re.split("%2C|,", re.search(r"[?&]b=([\d,%C]*)", page.url)[1])]  # type: ignore[index]
    small = attribute_direction(codes.loc, [1, 2], picked)
    expect(
        page.get_by_text(f"Cohen’s d = {small.effect:.2f}, sets of 2 and 2 images: larger than {small.exceeded} of 200")
    ).to_be_visible()

    slider = page.get_by_role("slider", name="Along the direction")
    large = page.get_by_label(re.compile("^Decoded at .* along the direction from A to B"))
    before = settled(page, lambda: pixels(large))
    slider.press("End")
    expect(page.get_by_text(re.compile(r"^z \+ 2\.50 · \(B − A\), overshoot"))).to_be_visible()
    eventually(lambda: apart(pixels(large), before) > 1)
    page.wait_for_url(re.compile(r"t=2\.5"))
    slider.press("0")
    eventually(lambda: np.array_equal(pixels(large), before))
    page.reload()
    expect(page.get_by_text(f"sets of 2 and 2 images: larger than {small.exceeded} of 200")).to_be_visible()


def test_every_mode_fits_a_phone_in_the_dark_and_has_names(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    section = page.locator(".mode")

    def right() -> float:
        return section.evaluate(
            "s => Math.max(...[...s.querySelectorAll('*')].map(e => e.getBoundingClientRect().right))"
        )

    def nameless() -> int:
        return section.evaluate(
            """s => [...s.querySelectorAll('button, input, select, [role=img]')].filter(e => e.checkVisibility() &&
                 !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).length"""
        )

    def stops() -> int:
        return section.evaluate("s => [...s.querySelectorAll('[role=gridcell]')].filter(e => e.tabIndex === 0).length")

    def grids() -> int:
        return section.evaluate("s => [...s.querySelectorAll('[role=grid]')].filter(e => e.checkVisibility()).length")

    for mode in ("samples", "traversal", "interpolate", "attributes"):
        open_mode(server, page, mode)
        eventually(lambda: stops() == grids() >= 1)  # they come with their data
        eventually(lambda: page.evaluate("document.documentElement.scrollWidth") <= 390)
        eventually(lambda: right() <= 390)
        eventually(lambda: nameless() == 0)


REFUSED = {
    "mode=samples&seed=-5&count=99999999": "seed “-5” (expected a whole number from 0 to 999,999; shown instead: 0) "
    "and count “99999999” (expected 20, 40, 80 or 160; shown instead: 40).",
    "mode=interpolate&a=99999999&b=-1&t=7": "t “7” (expected a number from 0 to 1; shown instead: 0.5).",
    "mode=interpolate&a=360": "a “360” (expected the number of a held-out image, 0 to 359; shown instead: 0).",
    "mode=traversal&values=1e9": "values “1e9” (expected even or quantiles; shown instead: even).",
    "mode=attributes&a=zz": "a “zz” (expected a label such as class:3, rest, or image numbers such as 4,12;",
    "mode=attributes&a=1,2&b=3,999": "b “999” (expected images 0 to 359; shown instead: the other images).",
}


def test_what_the_address_holds_in_vain_is_said(server: Any, window: Any) -> None:
    page = window.page()
    for query, words in REFUSED.items():
        mode, _, more = query.partition("&")
        open_mode(server, page, mode.removeprefix("mode="), f"&{more}")
        expect(page.locator(".refusal")).to_contain_text("The address held what could not be used: ")
        expect(page.locator(".refusal")).to_contain_text(words)
    open_mode(server, page, "samples", "&seed=-5")
    page.get_by_role("button", name="New seed").click()
    expect(page.locator(".refusal")).to_be_empty()  # somebody has moved on
    field = page.get_by_label("seed", exact=True)
    for typed in ("-3", "abc", "1.5", "1e20"):
        field.fill(typed)
        field.press("Enter")
        expect(page.locator(".mode .problem")).to_have_text(
            f"seed: expected a whole number from 0 to 999,999, not “{typed}”."
        )
        expect(field).to_have_value(typed)  # it stays to be mended
    field.fill("12")
    field.press("Enter")
    expect(page.locator(".mode .problem")).to_be_empty()
    page.wait_for_url(re.compile("seed=12"))


def test_modes_go_by_keys_and_by_back_and_forward(server: Any, window: Any) -> None:
    page = window.page()
    open_mode(server, page, "samples", "&seed=7")
    page.get_by_role("radio", name="Samples").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    title = page.locator(".mode > .er-title")
    expect(title).to_have_text("Traversal around this z")
    page.get_by_label("columns").select_option("7")
    page.wait_for_url(re.compile("columns=7"))
    page.go_back()
    expect(title).to_have_text("Samples from the prior")
    expect(page.get_by_label("seed", exact=True)).to_have_value("7")
    page.go_forward()
    expect(title).to_have_text("Traversal around this z")
    expect(page.get_by_label("columns")).to_have_value("7")


def test_a_selected_page_does_not_turn_a_drag_of_the_scrubber_into_another(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    open_mode(server, page, "interpolate", "&t=0.5")
    slider = page.get_by_role("slider", name="From A to B")
    page.keyboard.press("Control+a")
    eventually(lambda: len(page.evaluate("String(getSelection())")) > 50)
    box = box_of(slider)
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.5 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], height, steps=4)
    page.mouse.move(box["x"] + 0.9 * box["width"], height, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"t=0\.(8|9)"))


def test_a_direction_says_how_many_draws_are_shorter(server: Any, window: Any) -> None:
    page = window.page()
    open_mode(server, page, "attributes", "&z=1_-1")
    length = math.sqrt(2)
    share = 100 * math.exp(-(length**2) / 2)  # of two normal numbers: 1 − e^(−r²/2) are shorter
    expect(page.locator(".where")).to_contain_text(
        f"‖z‖ = {length:.2f}, longer than {100 - share:.1f} of 100 draws from the prior"
    )
