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
