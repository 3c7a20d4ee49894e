"""The Explore page of runs whose latent is made of bits, or whose posterior does not factorise."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import rested
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.model.vae import build_model
from vae.runs import load_run
from vae.space.encodings import codes_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def explore(page: Page, url: str, query: str) -> Page:
    page.goto(f"{url}/explore?{query}")
    expect(page.locator("canvas.mean")).to_be_visible(timeout=90_000)
    expect(page.locator(".place")).to_contain_text("decoded in this page", timeout=90_000)
    expect(page.locator(".strip .tile").first).to_be_visible(timeout=90_000)
    rested(page)
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


def search(page: Page) -> str:
    return page.evaluate("location.search")


def make_run(folder: Path, name: str, **settings: Any) -> Path:
    """A run that ended at once, with the weights that its seed gives."""
    from safetensors.torch import save

    given = {"latent_dim": 6, "hidden": (16,), "likelihood": "bernoulli", "C": 1.0, "binarize": "threshold", **settings}
    config = Config(**given)
    data = describe("digits", binarize="threshold").to_json()
    path = runs.create_run(config, data, name, folder)
    model = build_model(config, (1, 8, 8))
    with torch.no_grad():
        list(model.encoder.parameters())[-2].mul_(6)  # codes that differ
        next(iter(model.decoder.parameters())).mul_(6)
        list(model.decoder.parameters())[-2].mul_(3)
    runs.save_checked(path, {runs.WEIGHTS: save(model.state_dict(), metadata={"step": "9"})})
    runs.write_status(path, runs.Status(state="finished", step=9, total_steps=9))
    return path


def test_bits_are_flipped_by_pointer_and_keys(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    model = load_run(make_run(server.runs, "bits", latent="bernoulli")).model
    page = explore(window.page(), server.url, "run=bits&z=1_0_1")

    def shows(code: str) -> None:
        """The code in words, in the address, and as torch decodes it."""
        expect(page.locator("output.bits")).to_have_text(code)
        z = torch.tensor([float(bit) for bit in code])
        wanted = (model.decode(z).mean.detach().clamp(0, 1) * 255).round().flatten().tolist()
        eventually(lambda: max(abs(a - b) for a, b in zip(mean(page)[::4], wanted, strict=True)) <= 3)
        packed = "_".join(code.rstrip("0") or "0")
        eventually(lambda: f"z={packed}" in search(page).split("&")[-1] or f"z={packed}&" in search(page))

    shows("101000")
    bits = page.get_by_role("switch")
    expect(bits).to_have_count(6)
    page.get_by_role("switch", name="z1").click()
    shows("111000")
    expect(page.locator(".length")).to_contain_text("1 bit flipped from the start")
    expect(page.get_by_role("switch", name="z1")).to_have_attribute("aria-checked", "true")
    bits.first.focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")  # as far as it goes
    page.keyboard.press("ArrowLeft")
    fifth = int((bits.nth(4).get_attribute("aria-label") or "")[1])
    code = list("111000")
    for key in ("Space", "Enter", "Space"):
        code[fifth] = "10"[int(code[fifth])]
        page.keyboard.press(key)
        shows("".join(code))
    page.keyboard.press("Control+z")
    code[fifth] = "10"[int(code[fifth])]
    shows("".join(code))

    page.locator(".strip .tile").nth(2).click()
    q = codes_of(load_run(server.runs / "bits")).loc[2]
    shows("".join("1" if p > 0.5 else "0" for p in q))
    for d in range(6):
        expect(page.get_by_role("switch", name=f"z{d}")).to_contain_text(f"q {q[d]:.2f}")
    expect(page.get_by_role("group", name="Range of the sliders")).to_be_hidden()
    expect(page.get_by_role("slider")).to_have_count(0)


def test_bits_of_two_images_are_flipped_one_after_another_and_each_by_itself(server: Any, window: Any) -> None:
    path = make_run(server.runs, "bits", latent="bernoulli")
    codes = codes_of(load_run(path))
    first, second = ((codes.loc[i] > 0.5).astype(int) for i in (0, 1))
    page = window.page()
    page.goto(f"{server.url}/explore?run=bits&mode=interpolate&a=0&b=1&t=0")
    assert codes.rate_per_dim is not None
    order = sorted((d for d in range(6) if first[d] != second[d]), key=lambda d: -codes.rate_per_dim[d])  # type: ignore[index]
    assert len(order) > 1
    said = f"differ in {len(order)} of 6 bits, flipped one after another, most nats first: "
    expect(page.get_by_text(said + ", ".join(f"z{d}" for d in order))).to_be_visible()
    slider = page.get_by_role("slider", name="From A to B")
    bits = [str(bit) for bit in first]
    for count, d in enumerate(order, 1):
        slider.press("ArrowRight")
        bits[d] = str(second[d])
        expect(page.locator(".where")).to_have_text(f"{count} of {len(order)} bits flipped, code {''.join(bits)}")
    page.get_by_role("button", name="Open in switches").click()
    expect(page.locator("output.bits")).to_have_text("".join(bits))
    page.get_by_role("radio", name="Traversal").click()
    cell = page.get_by_role("gridcell", name=f"z{order[0]} = {first[order[0]]}, the others as they are")
    cell.click()
    bits[order[0]] = str(first[order[0]])
    expect(page.get_by_text(f"code {''.join(bits)}, z0 first")).to_be_visible()
    expect(cell).to_have_attribute("aria-selected", "true")
    page.get_by_role("radio", name="Attributes").click()
    expect(page.get_by_text("There is no attribute arithmetic for a binary latent")).to_be_visible()


def test_a_posterior_that_does_not_factorise_is_drawn_from_with_its_covariance(server: Any, window: Any) -> None:
    path = make_run(server.runs, "full", latent="full-normal")
    run = load_run(path)
    codes = codes_of(run)
    page = explore(window.page(), server.url, "run=full")
    marginals = codes.marginal_rate_per_dim
    assert marginals is not None
    order = sorted(range(6), key=lambda d: -marginals[d])
    expect(page.locator(".sliders .name")).to_have_text([f"z{d}" for d in order])
    expect(page.get_by_text("by KL of the marginals in nats")).to_be_visible()
    expect(page.get_by_text("q(z|x) does not factorise")).to_be_visible()
    page.locator(".strip .tile").nth(4).click()
    dataset = run.dataset()
    with torch.no_grad():
        qz_x = run.model.encode(dataset.to_float(dataset.test[4:5]))
    scale = qz_x.variance[0].sqrt()
    page.get_by_role("button", name="posterior", exact=True).click()
    for d in range(6):
        low = f"{float(codes.loc[4, d] - 3.0902 * scale[d]):.3f}"
        expect(slider(page, d)).to_have_attribute("aria-valuemin", re.compile(f"^{low[:-1]}"))
    page.get_by_role("button", name="Posterior sample").click()
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    page.wait_for_function("() => location.search.includes('z=')")
