"""A run through time, as a person meets it: scrubbed by hand and by keys, in the pixels that torch decodes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import digits_row, pass_time, rested
from tests.browser.test_explore_modes_browser import pixels
from tests.browser.watched import PATIENCE
from tests.vae.engines.scripted_runs import make_quick, new_run
from tests.vae.train_run import train_run
from vae import load_run
from vae.runs.moments import list_moments, model_at
from vae.space.encodings import codes_of
from vae.space.projections import Pca

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCRUB = """async range => {
  const moves = [];
  const put = CanvasRenderingContext2D.prototype.putImageData;
  let pictures = 0;
  CanvasRenderingContext2D.prototype.putImageData = function (...given) { pictures++; return put.apply(this, given); };
  const began = performance.now();
  for (let move = 0; performance.now() - began < 1500; move++) {
    range.value = String(move % (Number(range.max) + 1));
    range.dispatchEvent(new Event("input"));
  }
  const seconds = (performance.now() - began) / 1000;
  CanvasRenderingContext2D.prototype.putImageData = put;
  return pictures / seconds;
}"""

TOLD = """button => {
  button.told = [];
  new MutationObserver(() => button.told.push(button.textContent)).observe(button, { childList: true });
}"""

WATCH = """range => {
  range.seen = [];
  new MutationObserver(() => range.seen.at(-1) !== range.ariaValueText && range.seen.push(range.ariaValueText)).observe(
    range, { attributeFilter: ["aria-valuetext"] });
}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        path = new_run(tmp_path_factory.mktemp("made"), latent_dim=3, epochs=6)
        train_run(path)
    return path


def opened(server: Any, page: Page, made: Path, more: str = "") -> Locator:
    if not (server.runs / made.name).exists():
        shutil.copytree(made, server.runs / made.name)
    page.goto(f"{server.url}/compare?run={made.name}&mode=time{more}")
    expect(page.get_by_text("Decoded in this page.")).to_be_visible(timeout=90_000)
    expect(page.get_by_text(re.compile("360 held-out images$"))).to_be_visible()
    rested(page)
    return page.get_by_role("slider", name="Stop")


def shown(page: Page, name: str) -> np.ndarray:
    """The grey of a picture, 0 to 255."""
    return pixels(page.get_by_role("img", name=name, exact=True))[::4]


def decoded(model: Any, z: torch.Tensor) -> np.ndarray:
    return np.asarray(255 * model.decode(z).mean.clamp(0, 1).ravel())


def near(one: np.ndarray, other: np.ndarray) -> bool:
    """Half precision moves no pixel by more than two of 255 values."""
    return one.shape == other.shape and bool(np.abs(one - other).max() < 2)


def test_a_run_is_scrubbed_through_time(
    server: Any, window: Any, made: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page, kept, x = window.page(), list_moments(made), None
    scrubber = opened(server, page, made, "&image=4&z=1_-0.5_0.25")
    z = torch.tensor([[1.0, -0.5, 0.25]])
    dataset = load_run(made).dataset()
    x = dataset.to_float(dataset.test[4:5])
    expect(scrubber).to_have_attribute("aria-valuetext", re.compile(f"^step {kept[-1].step} · C = "))
    eventually(lambda: near(shown(page, "Image"), np.asarray(255 * x.ravel())))

    def is_at(step: int) -> None:
        model = model_at(made, step)
        expect(scrubber).to_have_attribute("aria-valuetext", re.compile(f"^step {step} ·"))
        eventually(lambda: near(shown(page, "Decoded z"), decoded(model, z)))
        eventually(lambda: near(shown(page, "Reconstruction"), decoded(model, model.encode(x).mean)))

    is_at(kept[-1].step)
    last, places = shown(page, "Decoded z"), pixels(page.get_by_role("img", name=re.compile("^Map at")))
    scrubber.focus()
    page.keyboard.press("Home")
    is_at(0)
    assert np.abs(shown(page, "Decoded z") - last).max() > 20
    eventually(lambda: np.abs(pixels(page.get_by_role("img", name=re.compile("^Map at"))) - places).max() > 20)
    page.wait_for_url(re.compile("at=0(&|$)"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    is_at(kept[2].step)
    page.wait_for_url(re.compile(f"at={kept[2].step}(&|$)"))
    page.get_by_role("button", name=re.compile(f"^Go to step {kept[6].step} ·")).click()
    is_at(kept[6].step)
    page.wait_for_url(re.compile(f"at={kept[6].step}(&|$)"))
    page.reload()  # the address brings the view back
    expect(page.get_by_text("Decoded in this page.")).to_be_visible(timeout=90_000)
    is_at(kept[6].step)
    scrubber.focus()
    page.keyboard.press("End")
    is_at(kept[-1].step)
    page.wait_for_url(re.compile("^((?!at=).)*$"))  # the last stop needs no name

    scrubber.evaluate(WATCH)
    play = page.get_by_role("button", name="Play").element_handle()
    play.evaluate(TOLD)
    play.click()
    eventually(lambda: play.evaluate("button => button.told") == ["Pause", "Play"])  # it ends by itself, at the last
    seen = [int(re.findall(r"step (\d+)", told)[0]) for told in scrubber.evaluate("range => range.seen")]
    assert seen[seen.index(0) :] == [moment.step for moment in kept]
    is_at(kept[-1].step)
    # Pictures a second, drawn; on a crowded machine not each time.
    eventually(lambda: scrubber.evaluate(SCRUB) >= 50, 3 * PATIENCE)
    scrubber.focus()
    page.keyboard.press("End")
    is_at(kept[-1].step)

    page.get_by_role("radio", name="the image").check(force=True)
    page.wait_for_url(re.compile("show=image"))
    thumbnail = page.get_by_role("button", name=re.compile("^Go to step 0 ·")).locator("canvas")
    first = model_at(made, 0)
    eventually(lambda: near(pixels(thumbnail)[::4], decoded(first, first.encode(x).mean)))
    page.get_by_role("button", name="z of the image").click()
    newest = model_at(made, kept[-1].step)
    eventually(lambda: near(shown(page, "Decoded z"), decoded(newest, newest.encode(x).mean)))
    before = settled(page, lambda: shown(page, "Decoded z"))
    slider = page.get_by_role("slider", name="z0")
    slider.focus()
    page.keyboard.press("End")
    eventually(lambda: np.abs(shown(page, "Decoded z") - before).max() > 5)


def alone(made: Path) -> tuple[int, tuple[float, float]]:
    """The image that lies farthest from all others on the map of the last stop, and where: shares of its side."""
    run, plane = load_run(made), Pca()
    run.model = model_at(made, list_moments(made)[-1].step)
    places = plane.fit(codes_of(run).loc)
    centre = -plane.mean @ plane.components.T
    far = np.sort(np.abs(places - centre).ravel())
    reach = max(3.3, 1.05 * far[int(0.995 * (len(far) - 1))])
    shares = 0.5 + (places - centre) * [1, -1] / (2 * reach)
    nearest = np.sort(np.linalg.norm(shares[:, None] - shares[None], axis=2), 1)[:, 1]
    index = int(np.argmax(np.where(((shares > 0.05) & (shares < 0.95)).all(1), nearest, 0)))
    return index, (float(shares[index, 0]), float(shares[index, 1]))


def test_it_fits_a_phone_in_the_dark_and_says_why_where_there_are_no_moments(
    server: Any, window: Any, made: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    page.set_viewport_size({"width": 390, "height": 1000})
    page.emulate_media(color_scheme="dark")
    opened(server, page, made, "&at=elsewhere")
    expect(page.get_by_text("The address held what could not be used: at “elsewhere”")).to_be_visible()
    pass_time(page, 300)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 390
    card = page.locator(".scrubber")
    assert card.evaluate("card => card.scrollWidth - card.clientWidth") <= 0
    grounds = card.evaluate("card => getComputedStyle(card).backgroundColor")
    assert max(map(int, re.findall(r"\d+", grounds)[:3])) < 70
    plane = page.get_by_role("img", name=re.compile("^Map at"))
    eventually(lambda: pixels(plane).any())
    box = plane.bounding_box()
    assert box
    index, (left, top) = alone(made)
    plane.click(position={"x": left * box["width"], "y": top * box["width"]})
    expect(page.get_by_text(re.compile(f"^Held image: row {digits_row(index)} of digits"))).to_be_visible()
    page.wait_for_url(re.compile(f"image={index}(&|$)"))
    shutil.rmtree(server.runs / made.name / "moments")
    page.goto(f"{server.url}/compare?run={made.name}&mode=time")
    expect(page.get_by_text(re.compile("before runs kept moments"))).to_be_visible()
    expect(page.get_by_role("link", name="Go to Train")).to_be_visible()
