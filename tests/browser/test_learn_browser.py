"""The Learn page by keyboard: sliders change both numbers and they agree; links walk through the steps, whose formulas
are inside the window at every width."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import rested
from tests.browser.test_formulas_browser import nothing_cut_off
from tests.browser.watched import SIZE
from ui.lessons.steps import STEPS
from ui.style import number
from vae.lessons.derivation import gaussians
from vae.lessons.derivation.check import generator

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def open_step(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/learn?step={name}")
    expect(page.locator(".er-check").first).to_be_visible(timeout=90_000)
    rested(page)


def values(card: Locator) -> list[str]:
    """The two numbers of a check, as written, without error and unit."""
    return [text.split()[0] for text in card.locator("dd").all_inner_texts() if text.strip()]


def press(slider: Locator, key: str, times: int, reads: str) -> None:
    """Each press waits for its effect."""
    slider.focus()
    for _ in range(times):
        before = slider.input_value()
        slider.press(key)
        expect(slider).not_to_have_value(before)
    expect(slider).to_have_value(reads)


def test_arrows_move_a_mean_and_the_kl_is_computed_twice_anew(
    server: Any, window: Any, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = window.page()
    open_step(page, server.url, "kl-1d")
    card = page.locator(".er-check").filter(has_text="KL: their sum")
    eventually(lambda: values(card) == [number(gaussians.kl_1d(1.0, 0.5, 0.0, 1.0).total.formula, 6)] * 2)
    figure = page.locator(".lesson-figure svg").first
    drawn = settled(page, figure.inner_html)
    press(page.get_by_role("slider").first, "ArrowRight", 4, "1.2")
    parts = gaussians.kl_1d(1.2, 0.5, 0.0, 1.0)
    eventually(lambda: values(card) == [number(parts.total.formula, 6), number(parts.total.estimate, 6)])
    expect(card.locator(".er-verdict")).to_contain_text("✓ They agree")
    eventually(lambda: figure.inner_html() != drawn)
    expect(page.locator('.er-check[data-agrees="true"]')).to_have_count(3)


def test_arrows_turn_a_correlation_and_the_sample_follows(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    open_step(page, server.url, "kl-2d")
    card = page.locator(".er-check")
    correlation = page.locator(".st-key-learn-first-r").get_by_role("slider")
    press(correlation, "ArrowLeft", 6, "0.3")

    def expected(seed: int) -> list[str]:
        loc, cov = torch.tensor([0.8, -0.4], dtype=torch.float64), gaussians.covariance_2d(0.6, 1.0, 0.3)
        second = gaussians.covariance_2d(1.2, 0.9, -0.3)
        kl = gaussians.kl_2d(loc, cov, torch.zeros(2).double(), second, 20_000, generator(seed)).kl
        return [number(kl.formula, 4), number(kl.estimate, 4)]

    eventually(lambda: values(card) == expected(0))
    expect(card.locator(".er-verdict")).to_contain_text("✓ They agree")
    button = page.get_by_role("button", name="New sample")
    button.focus()
    button.press("Enter")
    eventually(lambda: values(card) == expected(1))
    assert expected(1)[1] != expected(0)[1]


def test_links_walk_through_all_steps_by_keyboard(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    page = window.page()
    open_step(page, server.url, "jensen")
    slider = page.locator(".st-key-learn-m").get_by_role("slider")
    press(slider, "ArrowRight", 3, "0.63")
    for place, step in enumerate(STEPS, 1):
        expect(page.get_by_text(f"Step {place} of {len(STEPS)}")).to_be_visible()
        expect(page.get_by_role("heading", name=step.title, exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(f"step={step.name}$"))
        expect(page.locator(".er-check:visible, .er-measured:visible, .er-verdict:visible").first).to_be_visible()
        expect(page.locator("[class*='st-key-panel-'] .katex").first).to_be_attached()
        rested(page)
        eventually(lambda: not re.search(r"\$[^$]*\$", page.locator("[data-testid='stMain']").inner_text()))
        assert page.locator(".katex-error").count() == 0
        if place < len(STEPS):
            nothing_cut_off(page, eventually)
            page.set_viewport_size(SIZE)
            link = page.locator(".st-key-learn-turn-head").get_by_role("link", name="Next")
            link.focus()
            link.press("Enter")
    page.go_back()
    expect(page.get_by_text(f"Step {len(STEPS) - 1} of")).to_be_visible()
    rested(page)
    link = page.locator(".st-key-learn-contents").get_by_role("link", name="1. Evidence and its bound")
    link.focus()
    link.press("Enter")
    expect(slider).to_have_value("0.63")  # as it was left
