"""The binary laboratory under a keyboard: what the page decodes is what the model decodes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import digits_row, rested
from tests.browser.watched import PATIENCE
from vae.runs import load_run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-8bits"


def pixels(canvas: Locator) -> list[int]:
    """The red channel of what a canvas shows, row by row."""
    return canvas.evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          return [...copy.getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0);
        }"""
    )


def close(found: list[int], z: torch.Tensor) -> bool:
    """Whether a canvas shows the mean of p(x|z), up to the rounding of the page's float16 weights."""
    with torch.no_grad():
        mean = 255 * load_run(DEMO).model.decode(z).mean.flatten()
    return len(found) == 64 and float((torch.tensor(found) - mean).abs().max()) < 2


def code(text: str) -> torch.Tensor:
    return torch.tensor([float(bit) for bit in text])


def likeliest_code(image: int) -> str:
    """Of a held-out image, the most probable bits under q(z|x)."""
    run = load_run(DEMO)
    dataset = run.dataset()
    with torch.no_grad():
        q = run.model.encode(dataset.to_float(dataset.test[image : image + 1])).mean[0]
    return "".join(str(int(p > 0.5)) for p in q)


def switch(page: Page, bit: int) -> Locator:
    return page.get_by_role("switch", name=re.compile(rf"^z{bit}\b"))


def test_bits_by_keyboard_decode_and_the_estimators_are_measured(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    shutil.copytree(DEMO, server.runs / "bits")
    page = window.page()
    page.goto(f"{server.url}/binary?run=bits")
    picture = page.get_by_role("img", name=re.compile(r"^Mean of p\(x\|z\) of the code"))
    expect(picture).to_have_attribute("aria-label", re.compile("00000000$"))
    eventually(lambda: close(pixels(picture), code("00000000")))
    rested(page)

    switch(page, 2).focus()
    page.keyboard.press("Space")
    expect(switch(page, 2)).to_have_attribute("aria-checked", "true")
    eventually(lambda: close(pixels(picture), code("00100000")))
    assert not close(pixels(picture), code("00000000"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    eventually(lambda: close(pixels(picture), code("00110000")))
    expect(page.locator("output.bit-string")).to_have_text("00110000")
    eventually(lambda: "z=0_0_1_1" in page.evaluate("location.search"))

    sheet = page.get_by_role("grid", name="Codes")
    chosen = sheet.get_by_role("gridcell", name=re.compile("^Code 10100101"))
    eventually(lambda: close(pixels(chosen.locator("canvas")), code("10100101")))
    chosen.focus()
    page.keyboard.press("Enter")
    expect(switch(page, 0)).to_have_attribute("aria-checked", "true")
    eventually(lambda: close(pixels(picture), code("10100101")))
    eventually(lambda: "z=1_0_1_0_0_1_0_1" in page.evaluate("location.search"))

    page.get_by_role("button", name="Next held-out image").click()
    likeliest = likeliest_code(0)
    expect(page.locator("output.bit-string")).to_have_text(likeliest)
    expect(page.get_by_text(f"q(z = 1|x) of held-out row {digits_row(0)} of digits")).to_be_visible()
    eventually(lambda: "image=0" in page.evaluate("location.search"))

    row = page.locator("table.er-estimators tr[data-estimator]")
    expect(row).to_have_count(9)
    rested(page)
    variance = {
        name: float(page.locator(f"tr[data-estimator={name}] .variance").get_attribute("data-value") or "nan")
        for name in ("exact", "rloo-4", "score")
    }
    assert 0 == variance["exact"] < variance["rloo-4"] < variance["score"]
    entropy = page.get_by_role("img", name=re.compile("^Entropy of q by step"))
    expect(entropy).to_be_visible(timeout=3000 * PATIENCE)  # the race, to its end

    page.reload()
    expect(page.locator("output.bit-string")).to_have_text(likeliest)
    eventually(lambda: close(pixels(picture), code(likeliest)))
