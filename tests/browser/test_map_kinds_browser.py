"""Kinds of latents, maps and figures, each looked at in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from tests.browser.conftest import pass_time, rested
from tests.browser.map_page import demo, last, middle, open_map, pixels, untrained, where
from vae.runs import load_run
from vae.space.projections import SklearnTsne

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def plane(server: Any) -> Path:
    """A trained run with two latent dimensions on digits, which come with the app."""
    return demo(server.runs, "demo-digits-2d", "two")


def test_scikit_learns_tsne_is_offered_with_a_word(server: Any, window: Any, plane: Path) -> None:
    page = window.page()
    open_map(page, server.url, "run=two")
    page.get_by_role("button", name="t-SNE (scikit-learn)", exact=True).click()
    expect(page.locator(".about")).to_contain_text(SklearnTsne.about)
    expect(page.locator(".fit > span")).to_contain_text("t-SNE (scikit-learn) of 360 points", timeout=240_000)


def test_the_ellipse_of_a_full_covariance(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    def one_tilted_posterior(weights: dict[str, Any]) -> None:
        last(weights, "weight").zero_()
        last(weights, "bias")[:] = torch.tensor([0, 0, np.log(0.04), np.log(0.01), 0.3])  # m, log L_ii², L_10

    untrained(server.runs, "tilted", one_tilted_posterior, latent="full-normal", latent_dim=2)
    page = window.page()
    stage = open_map(page, server.url, "run=tilted&method=plane")
    for _ in range(2):
        page.get_by_role("button", name="Zoom in (+)").click()
    page.mouse.move(*middle(stage))
    eventually(lambda: len(where(page)) == 2)  # what the pointer decodes is told once a frame
    page.mouse.down()
    page.mouse.up()
    expect(page.locator(".where")).to_contain_text(re.compile(r"the posterior mean of row [\d,]+ of digits"))
    page.mouse.move(*(place + 200 for place in middle(stage)))

    def drawn() -> bool:
        shown = pixels(stage.locator("canvas.over"))
        rows, columns = np.nonzero((np.abs(shown - np.array([170, 51, 119, 255.0])) < 12).all(2))
        assert len(rows) > 50
        width, height = np.ptp(columns), np.ptp(rows)
        tilt = np.corrcoef(columns, -rows)[0, 1]
        return abs(width / height - 0.2 / np.sqrt(0.1)) < 0.06 and tilt > 0.8  # of S = L Lᵀ, S_11 = 0.01 + 0.3²

    eventually(drawn)


def test_bits_decode_to_the_nearest_code(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    path = untrained(server.runs, "bits", latent="bernoulli", latent_dim=3)
    page = window.page()
    stage = open_map(page, server.url, "run=bits&method=dims&i=0&j=2")
    expect(page.locator(".about")).to_contain_text("the codes are 3 bits: there is no plane between them")
    x, y = middle(stage)
    model = load_run(path).model

    def decodes() -> bool:
        found = re.search(r"z = ([01]{3})", page.locator(".where").inner_text())
        assert found
        with torch.no_grad():
            z = torch.tensor([[float(bit) for bit in found.group(1)]])
            expected = model.decode(z).mean[0, 0].clamp(0, 1).numpy() * 255
        shown = pixels(page.locator(".screen canvas"))[:, :, 0]
        return shown.shape == expected.shape and bool(np.abs(shown - expected).max() <= 2)

    for dx, dy in ((-120, -120), (120, 120), (-120, 120), (120, -120)):
        page.mouse.move(x + dx - 2, y + dy)
        page.mouse.move(x + dx, y + dy)
        pass_time(page, 100)  # two places may decode to one code: the words need not change
        eventually(decodes)


@pytest.mark.parametrize(("k", "kind", "words"), [(1, "line", "the rate upwards"), (3, "pca", "PCA, the plane")])
def test_one_dimension_and_three(
    server: Any, window: Any, eventually: Callable[..., None], k: int, kind: str, words: str
) -> None:
    untrained(server.runs, "few", latent_dim=k)
    page = window.page()
    stage = open_map(page, server.url, "run=few&part=train&method=nonsense&colour=%3Cb%3E")
    expect(page.get_by_text("The address asked for what this run does not have (method, colour)")).to_be_visible()
    expect(page.locator(".about")).to_contain_text(words)
    expect(page.locator(".about")).to_contain_text("1,437 training images of digits")
    x, y = middle(stage)
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    eventually(lambda: len(where(page)) == k)
    assert ("map (" in page.locator(".where").inner_text()) == (kind == "pca")


@pytest.mark.parametrize("tone", ["light", "dark"])
def test_histograms_and_their_files(server: Any, window: Any, plane: Path, tone: str) -> None:
    page = window.page()
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(color_scheme=tone)
    open_map(page, server.url, "run=two")
    page.get_by_text("Figures and tables").click()
    shown = page.locator(".gtitle")
    expect(shown.filter(has_text="two · latent plane · coloured by label")).to_be_visible()
    for kind, title, axis in (
        ("Rate per image", "two · rate per image", "p(z)), nats per image"),
        ("Distortion per image", "two · distortion per image", "of z, nats per image"),
        ("Codes against the prior", "two · z0 against the prior", "E_q[z0]"),
    ):
        page.get_by_role("radio", name=kind).click()
        expect(shown.filter(has_text=title)).to_have_count(1)
        expect(page.locator(".xtitle").filter(has_text=axis)).to_have_count(1)
        expect(shown).to_have_count(1)  # the one before it has gone
    page.get_by_role("radio", name="SVG").click()
    expect(page.get_by_text("The camera above the figure saves it as SVG")).to_be_visible()
    camera = page.locator(".modebar-btn[data-title*='ownload']")
    expect(page.get_by_label("Download plot as a PNG")).to_have_count(0)
    expect(camera).to_have_count(1)
    ground = page.locator(".js-plotly-plot .main-svg").first
    expect(ground).to_have_css("background-color", {"light": "rgb(251, 250, 246)", "dark": "rgb(21, 23, 28)"}[tone])
    rested(page)
    with page.expect_download() as waiting:
        camera.click()
    assert waiting.value.suggested_filename == "two-z0.svg"
    assert "z0 against the prior" in Path(waiting.value.path()).read_text()
    with page.expect_download() as waiting:
        page.get_by_text("Values as a table (CSV)").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert (lines[0], len(lines)) == ("run,index,row,row_of,label,z0", 361)
