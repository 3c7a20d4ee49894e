"""What tests do on the Train page, and how they read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from vae import runs

NUMBER = r"(−?[\d,.]+)"
FACTS = {"C at the start": "C = {}$", "Epochs": "^{} epochs,"}  # how the form's summary says what was filled in


def start(page: Page, server: Any, pace: float | None = None, **settings: str) -> str:
    """Start a run on digits from the form; its name. A slow pace keeps it from ending before its test does: 9,000
    steps are a minute at the form's own."""
    page.goto(f"{server.url}/train")
    button = page.get_by_role("button", name="Start training")
    expect(button).to_be_enabled(timeout=120_000)
    if settings:
        page.get_by_text("More settings").click()
    for label, value in settings.items():
        field = page.get_by_label(label, exact=True)
        field.fill(value)
        field.press("Enter")
        if label in FACTS:  # the button starts what the form said when it was last drawn
            expect(page.get_by_text(re.compile(FACTS[label].format(value)))).to_be_visible()
    button.click()
    page.wait_for_url(re.compile(r"run="))
    name = page.url.rsplit("run=", 1)[1]
    if pace is not None:
        runs.change_knobs(server.runs / name, pace=pace)
    return name


def curves(page: Page) -> dict[str, float]:
    """The newest values by the charts' own words, which lag behind them by seconds."""
    charts = page.get_by_label(re.compile("^Training curves of .* at step"))
    words = charts.evaluate_all("all => all.map(one => one.getAttribute('aria-label')).join()")
    terms = f"squared error {NUMBER} pixel², distortion {NUMBER} nats, rate {NUMBER} nats"
    found = re.search(rf"at step {NUMBER}: {terms}.* C {NUMBER}\.$", words)
    assert found, words
    values = (float(text.replace(",", "").replace("−", "-")) for text in found.groups())
    return dict(zip(("step", "squared error", "distortion", "rate", "C"), values, strict=True))


def step_shown(page: Page) -> int:
    """0 while the page names none."""
    texts = page.get_by_text(re.compile(r"^step [\d,]+$")).all_inner_texts()
    return int(texts[0].removeprefix("step ").replace(",", "")) if texts else 0


def state(page: Page, word: str) -> None:
    expect(page.locator(".status .state").first).to_have_text(word, timeout=120_000)


def records(path: Path) -> list[dict[str, Any]]:
    return [line for line in runs.read_history(path) if "train" in line]


def turned(path: Path, knob: str) -> list[tuple[int, Any]]:
    """Step and value of each change of a knob."""
    return [(line["step"], line["value"]) for line in runs.read_history(path) if line.get("knob") == knob]
