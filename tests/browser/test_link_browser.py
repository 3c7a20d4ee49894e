"""The link of a view: the address as it is at this moment, and its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import rested
from tests.browser.map_page import demo
from tests.browser.test_explore_browser import search, shown, slider

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BUTTON_IN = """around => {
  const [box, button] = [document.createElement('div'), document.createElement('div')];
  box.className = around;
  button.dataset.testid = 'stButton';
  box.append(button);
  document.body.append(box);
  return getComputedStyle(button).display;
}"""


def opened(page: Page) -> str:
    """The address in the link's panel; the panel is closed again."""
    page.get_by_role("button", name="Link").click()
    code = page.get_by_role("img", name="QR code of ")
    expect(code).to_be_visible()
    words = page.locator(".address").inner_text()
    assert code.get_attribute("aria-label") == f"QR code of {words}"
    expect(page.get_by_text("Only this machine can reach this address.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(code).not_to_be_visible()
    return words


def test_a_link_follows_the_view(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    demo(server.runs, "demo-digits-2d", "two")
    page = window.page()
    page.goto(f"{server.url}/explore?run=two")
    shown(page)
    assert opened(page) == page.evaluate("location.href")
    slider(page, 0).press("PageUp")
    eventually(lambda: "z=" in search(page))
    rested(page)
    assert opened(page) == page.evaluate("location.href")
    for path in ("train", "map"):
        page.goto(f"{server.url}/{path}?run=two")
        expect(page.get_by_role("button", name="Link")).to_be_visible()
        rested(page)
        assert opened(page).startswith(f"{server.url}/{path}?run=two")


def keys_are_heard(page: Page) -> None:
    """A page comes in its manner at once, the component that listens to keys with Streamlit's own code."""
    page.locator(".panel[role=dialog][aria-live=polite]").first.wait_for(state="attached")


def test_a_view_for_a_room_goes_by_keys_and_gives_the_class_a_link(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    demo(server.runs, "demo-digits-2d", "two")
    page = window.page()
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(f"{server.url}/explore?run=two")
    shown(page)
    link = page.get_by_role("button", name="Link")
    usual = page.evaluate("getComputedStyle(document.documentElement).fontSize")
    link.click()
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_text("Type at 140 %")).to_be_visible()
    assert search(page) == "?run=two&show=140"
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") == 1.4 * float(usual[:-2])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(link).to_be_hidden()
    expect(page.get_by_test_id("stHeader")).to_be_hidden()

    page.keyboard.press("q")
    code = page.get_by_role("img", name="QR code of ")
    expect(code).to_be_in_viewport(ratio=1)
    page.keyboard.press("c")
    hidden = f"{server.url}/explore?run=two&controls=hidden"
    expect(code).to_have_attribute("aria-label", f"QR code of {hidden}")
    page.keyboard.press("c")
    locked = hidden.replace("hidden", "locked")
    expect(code).to_have_attribute("aria-label", f"QR code of {locked}")
    page.keyboard.press("Escape")
    expect(code).to_have_count(0)

    slider(page, 0).press("PageUp")  # the address is written by others too, and the manner stays
    eventually(lambda: "z=" in search(page))
    rested(page)  # what Python says of this page's address has come
    page.keyboard.press("+")
    eventually(lambda: "show=160" in search(page))
    page.keyboard.press("5")
    page.wait_for_url("**/map?run=two&show=160")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    keys_are_heard(page)
    chooser = page.locator(".st-key-chosen-run").bounding_box()  # its names are larger, too
    assert chooser is not None
    assert chooser["width"] == 15 * 1.6 * float(usual[:-2])
    page.locator("body").press("Escape")
    expect(page.get_by_test_id("stHeader")).to_be_visible()
    assert search(page) == "?run=two"

    page.goto(f"{server.url}/map?run=two&show=140")
    keys_are_heard(page)
    page.keyboard.press("f")
    eventually(lambda: page.evaluate("document.fullscreenElement === document.documentElement"))
    for key, path in (("1", "/"), ("n", "/train"), ("p", "/"), ("p", "/converter")):
        expect(page.get_by_test_id("stHeader")).to_be_hidden()
        keys_are_heard(page)
        page.keyboard.press(key)
        page.wait_for_url(f"{server.url}{path}?run=two&show=140")
        rested(page)
    expect(page.get_by_text("My code says")).to_be_visible()
    assert search(page) == "?run=two&show=140"
    assert page.evaluate("document.fullscreenElement === document.documentElement")  # a page load would end that
    page.go_back()
    expect(page.get_by_text("Train your first VAE")).to_be_visible()

    page.goto(f"{server.url}?controls=hidden")
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    expect(page.locator(".er-card-name").first).to_be_visible()
    expect(page.get_by_role("button", name="More")).to_have_count(0)
    assert page.evaluate(BUTTON_IN, "st-key-anything") == "none"
    assert page.evaluate(BUTTON_IN, "st-key-er-fhead-holes") == "block"  # the name of a finding
    page.goto(hidden)
    shown(page)
    expect(link).to_be_hidden()
    expect(page.get_by_test_id("stHeader")).to_be_hidden()
    slider(page, 0).press("PageUp")
    eventually(lambda: "z=" in search(page) and "controls=hidden" in search(page))
    page.goto(locked)
    shown(page)
    expect(link).to_be_visible()
    assert page.get_by_test_id("stMainBlockContainer").evaluate("main => main.inert")
    page.mouse.move(500, 400)  # it moves nothing, and what is below can be seen
    page.mouse.wheel(0, 300)
    eventually(lambda: page.get_by_test_id("stMain").evaluate("main => main.scrollTop") > 0)
