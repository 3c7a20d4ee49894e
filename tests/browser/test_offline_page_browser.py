"""A run as one page, opened from the disk with the network off: sliders, map, lasso, dark, wide and narrow."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import box_of, page_of
from tests.browser.map_page import pixels
from vae import runs
from vae.exports.export import unheard
from vae.exports.offline_page import write_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"
HOSTILE = "<img src=x onerror=\"document.title='gone'\"></script><!--"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[runs.Run, Path]:
    """The demo of two dimensions under a hostile name, with hostile labels, and its page."""
    folder = tmp_path_factory.mktemp("offline")
    run = runs.load_run(shutil.copytree(DEMOS / "demo-digits-2d", folder / "<b onclick=x>run"))
    run.data |= {"name": HOSTILE, "classes": [HOSTILE, *(f"digit {digit}" for digit in range(1, 10))]}
    write_page(run, "", folder / "page.html", unheard)
    return run, folder / "page.html"


def decoded(run: runs.Run, z: list[float]) -> np.ndarray:
    """What torch decodes, (height, width) bytes."""
    with torch.no_grad():
        mean = run.model.decode(torch.tensor([z])).mean[0, 0]
    return (255 * mean.clamp(0, 1)).numpy()


def place_of(sliders: Locator) -> list[float]:
    values = {
        row.inner_text().split()[0]: row.locator(".slider").get_attribute("aria-valuenow") for row in sliders.all()
    }
    return [float(values[name] or "nan") for name in sorted(values)]


def ground(page: Page) -> Any:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("width", [1440, 390])
def test_it_works_from_the_disk_with_the_network_off(
    width: int, chromium: Browser, made: tuple[runs.Run, Path], eventually: Callable[..., None]
) -> None:
    run, file = made
    context = chromium.new_context(offline=True, viewport={"width": width, "height": 900}, color_scheme="light")
    context.set_offline(True)
    page = page_of(context)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    image = page.locator("#sliders canvas.mean")
    sliders = page.locator("#sliders .sliders li")
    expect(image).to_be_visible()
    expect(sliders).to_have_count(2)

    sliders.last.scroll_into_view_if_needed()
    thumb = box_of(sliders.first.locator(".slider"))
    before = pixels(image)
    page.mouse.move(thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2)
    page.mouse.down()
    page.mouse.move(thumb["x"] + 0.8 * thumb["width"], thumb["y"] + thumb["height"] / 2, steps=4)
    page.mouse.up()
    sliders.last.locator(".slider").press("ArrowRight")

    def decodes_as_torch_does() -> bool:
        z = place_of(sliders)
        assert z[0] != 0 != z[1]
        return bool(np.abs(pixels(image)[..., 0] - decoded(run, z)).max() <= 255 * 0.01 + 1)

    eventually(decodes_as_torch_does)
    assert not np.array_equal(before, pixels(image))
    eventually(lambda: "z=" in page.url)

    stage = page.locator("#map .stage")
    stage.scroll_into_view_if_needed()
    page.wait_for_function("stage => stage.stats.first > 0", arg=stage.element_handle())
    box = box_of(stage)
    at = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    page.mouse.move(*at(0.3, 0.6))
    under = page.locator("#map .under-pointer canvas").first
    eventually(lambda: "Decoded image at z" in (under.get_attribute("aria-label") or ""))
    assert pixels(under)[..., 0].max() > 0
    page.locator("#map").get_by_role("button", name="Lasso", exact=False).click()
    page.mouse.move(*at(0.15, 0.2))
    page.mouse.down()
    for corner in ((0.8, 0.2), (0.8, 0.85), (0.15, 0.85), (0.15, 0.25)):
        page.mouse.move(*at(*corner), steps=4)
    page.mouse.up()
    selection = page.locator("#map .selection")
    expect(selection.locator(".counts li").first).to_be_visible()
    found = re.fullmatch(r"Selection: (\d+) images", selection.locator("h3").inner_text(), re.I)
    assert found
    assert 100 < int(found[1]) < 360

    assert page.title() == f"{run.name} · ELBO Room"
    expect(page.locator("h1")).to_have_text(run.name)
    expect(page.locator("body > header")).to_contain_text(HOSTILE)
    expect(page.locator("#map .legend")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    expect(page.locator("#samples canvas").first).to_be_visible()
    expect(page.locator("#traversal canvas").first).to_be_visible()
    expect(page.locator("#training canvas").first).to_be_visible()
    expect(page.locator("#training")).to_contain_text("Solid: training")

    light, painted = ground(page), pixels(page.locator("#training canvas").first)
    page.get_by_role("button", name="Switch to dark colours").click()
    assert ground(page) != light
    eventually(lambda: not np.array_equal(painted, pixels(page.locator("#training canvas").first)))
    expect(page.locator("#sliders .er")).to_have_attribute("data-tone", "dark")
    assert page.evaluate("document.documentElement.scrollWidth") == width

    z = place_of(sliders)
    page.reload()
    expect(sliders).to_have_count(2)
    eventually(lambda: np.allclose(place_of(sliders), z, atol=2e-3))
    assert said == []
    assert {url.split("?")[0] for url in asked if not url.startswith(("data:", "blob:"))} == {file.as_uri()}
    context.close()
