"""No formula is cut off: at the widths of a phone, of a zoomed and of a small laptop window all of it is inside.
Those of the steps are looked at where test_learn_browser.py walks through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import pass_time, rested

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (390, 720, 1024)
SLACK = 3  # CSS pixels: a matrix ends with an empty delimiter of 2
ADDRESSES = ("", "?code=disentangling-vae", "?pixels=sum&weight=8&range=bytes", "?latents=mean&kl_half=no&batch=sum")

# The drawn half of each formula: the MathML beside it is hidden by a clip, and the curves of roots and braces are
# images of endless width inside a window that ends with the formula.
CUT_OFF = """slack => [...document.querySelectorAll('.katex-html')].flatMap(formula => {
  const right = Math.max(0, ...[...formula.querySelectorAll('*')].filter(one => !one.closest('svg'))
    .map(one => one.getBoundingClientRect()).filter(box => box.width && box.height).map(box => box.right));
  let clip = innerWidth;
  for (let at = formula.parentElement; at; at = at.parentElement)
    if (getComputedStyle(at).overflowX === 'hidden') clip = Math.min(clip, at.getBoundingClientRect().right);
  return right > clip + slack ? [`${formula.textContent} ends at ${Math.round(right)} of ${Math.round(clip)}`] : [];
})"""


def nothing_cut_off(page: Page, eventually: Callable[..., None]) -> None:
    expect(page.locator(".katex-html").first).to_be_attached()

    def inside() -> bool:
        found = page.evaluate(CUT_OFF, SLACK)
        assert found == [], (page.url, page.viewport_size)
        return True

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        pass_time(page, 300)  # what resizes, resizes; a crowded machine takes longer
        eventually(inside)


def test_the_formulas_of_the_converter_are_inside_the_window(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    for address in ADDRESSES:
        page.goto(f"{server.url}/converter{address}")
        expect(page.locator(".st-key-er-summary .katex")).not_to_have_count(0)
        rested(page)
        nothing_cut_off(page, eventually)
