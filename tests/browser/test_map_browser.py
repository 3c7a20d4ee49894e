"""The Map page under a hand, a keyboard, a stopped server, and a fit that converges."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from safetensors.torch import load, save

from tests.browser.conftest import Traffic, box_of, pass_time, rested
from tests.browser.map_page import demo, hues, middle, near, open_map, painted, pixels, search, stats, where
from tests.browser.proxy import Proxy
from tests.browser.watched import context_of, page_of
from vae import runs
from vae.files import sha256, write_json
from vae.runs import load_run
from vae.space.encodings import codes_of
from vae.space.fit_process import folder_of, read_fit
from vae.space.projections import Pca

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def plane(server: Any) -> Path:
    """A trained run with two latent dimensions on digits, which come with the app."""
    return demo(server.runs, "demo-digits-2d", "two")


@pytest.fixture
def ten(server: Any) -> Path:
    """A trained run with ten, of whose images, as where MNIST is absent, 2,000 come along."""
    path = demo(server.runs, "demo-mnist-10d", "ten")
    config = json.loads((path / "config.json").read_bytes())
    config["config"]["dataset"] = config["data"]["path"] = "/nowhere/mnist.npz"
    write_json(path / "config.json", config)
    sums = json.loads((path / "manifest.json").read_bytes())["files"]
    write_json(path / "manifest.json", {"format": 1, "files": {runs.WEIGHTS: sums[runs.WEIGHTS]}})
    return path


def test_the_plane_decodes_exactly_where_the_pointer_is(
    server: Any, window: Any, plane: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=two")
    expect(page.get_by_text("360 held-out images of digits · the true plane")).to_be_visible()
    x, y = middle(stage)
    page.mouse.move(x - 80, y + 50)
    page.mouse.move(x - 60, y + 40)
    run = load_run(plane)

    def decoded_there() -> bool:
        """The picture and the words are of one place."""
        with torch.no_grad():
            expected = run.model.decode(torch.tensor([where(page)])).mean[0, 0].clamp(0, 1).numpy() * 255
        shown = pixels(page.locator(".screen canvas"))[:, :, 0]
        return shown.shape == (8, 8) and bool(np.abs(shown - expected).max() < 6)  # z is written with two decimals

    eventually(decoded_there)
    codes = codes_of(run)
    expect(page.locator(".neighbours figure")).to_have_count(10)
    labels = codes.labels
    assert labels is not None

    def neighbours_fit() -> bool:
        """The list follows the pointer after a moment: both are read anew until they agree."""
        order = np.linalg.norm(codes.loc - np.array(where(page)), axis=1).argsort()
        shown = page.locator(".neighbours figcaption").all_inner_texts()
        return len(shown) == 10 and set(shown[:3]) <= {str(labels[i]) for i in order[:6]}

    eventually(neighbours_fit)


def test_a_drag_sends_nothing_and_goes_on_without_the_server(
    relay: Proxy, window: Any, plane: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    traffic = Traffic(page)
    stage = open_map(page, relay.url, "run=two")
    eventually(traffic.rests)  # images are fetched once, unasked
    x, y = middle(stage)
    page.mouse.move(x, y)
    sent, before = len(traffic.sent), stats(stage)

    def wandered() -> bool:
        """Movements within one frame are one picture: a crowded machine needs more of them."""
        for step in range(60):
            page.mouse.move(x + 100 * np.cos(step / 9), y + 100 * np.sin(step / 9))
        return stats(stage)["decodes"] - before["decodes"] >= 20

    def panned() -> bool:
        page.mouse.move(x - 60, y - 60, steps=15)
        page.mouse.move(x + 60, y + 60, steps=15)
        return stats(stage)["redraws"] - before["redraws"] >= 5

    eventually(wandered)
    before = stats(stage)
    page.mouse.down()
    eventually(panned)
    page.mouse.up()
    assert traffic.sent[sent:] == []
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=4)
    window.watching = False
    relay.close()
    before = stats(stage)
    eventually(panned)
    page.mouse.up()
    before = stats(stage)

    def pointed() -> bool:
        """Straight to the map, over which Streamlit soon lays its own word on the lost server."""
        for step in range(30):
            stage.dispatch_event("pointermove", {"clientX": x + 3 * step, "clientY": y, "pointerId": 9})
        return stats(stage)["decodes"] - before["decodes"] >= 10

    eventually(pointed)


def test_lasso_images_counts_and_export(server: Any, window: Any, plane: Path, eventually: Callable[..., None]) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=two")
    x, y = middle(stage)
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(x - 100, y - 100)
    page.mouse.down()
    for dx, dy in ((100, -100), (100, 100), (-100, 100), (-100, -95)):
        page.mouse.move(x + dx, y + dy, steps=8)
    page.mouse.up()
    heading = page.get_by_role("heading", name=re.compile("Selection:"))
    expect(heading).to_be_visible()
    count = int(re.sub(r"\D", "", heading.inner_text()))
    assert 30 < count < 330
    eventually(lambda: page.locator(".images .tile").count() == min(60, count))
    counts = page.locator(".counts .value")
    eventually(lambda: sum(int(text.split(" ·")[0]) for text in counts.all_inner_texts()) == count)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the selection as JSON").click()
    chosen = json.loads(Path(waiting.value.path()).read_text())
    assert len(chosen["indices"]) == count
    codes = codes_of(load_run(plane))
    expected = codes.images[chosen["indices"], 0].mean(0)

    def averaged() -> bool:
        shown = pixels(page.locator("canvas.mean"))[:, :, 0]
        return shown.shape == (8, 8) and bool(np.abs(shown - expected).max() <= 1)

    eventually(averaged)
    assert (chosen["run"], chosen["map"]["method"]) == ("two", "plane")
    for names in (("z0", "z1"), chosen["map"]["places"]):
        places = np.array([[image[name] for name in names] for image in chosen["images"]])
        np.testing.assert_allclose(places, codes.loc[chosen["indices"]], atol=1e-3)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the selection as CSV").click()
    assert len(Path(waiting.value.path()).read_text().splitlines()) == count + 1
    page.get_by_role("button", name="Clear the selection").click()
    expect(heading).to_have_count(0)


def test_the_view_is_in_the_address_and_comes_back(
    server: Any, window: Any, ten: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    open_map(page, server.url, "run=ten&method=dims&i=2&j=7&colour=rate")
    expect(page.get_by_label("Across")).to_have_value("2")
    expect(page.get_by_label("Up", exact=True)).to_have_value("7")
    expect(page.get_by_label("Colour by")).to_have_value("rate")
    page.get_by_label("Colour by").select_option("z4")
    page.get_by_role("button", name="PCA", exact=True).click()
    eventually(lambda: search(page).get("method") == "pca" and search(page).get("colour") == "z4")
    expect(page.get_by_text(re.compile(rf"{Pca.about}, with \d+ % of their variance"))).to_be_visible()
    pass_time(page, 1000)  # Python hears of the colour and of the projection one after the other
    rested(page)
    assert search(page).get("method") == "pca"
    page.reload()
    expect(page.get_by_label("Colour by")).to_have_value("z4")
    expect(page.get_by_role("button", name="PCA", exact=True)).to_have_attribute("aria-pressed", "true")


@contextmanager
def asleep(processes: list[int]) -> Iterator[None]:
    """They do nothing meanwhile."""
    assert processes
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def test_tsne_shows_itself_stops_and_is_there_again(
    server: Any, window: Any, ten: Path, eventually: Callable[..., None]
) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=ten")
    page.get_by_role("button", name="t-SNE", exact=True).click()
    line = page.locator(".fit > span")
    expect(line).to_contain_text("t-SNE")
    sha = sha256((ten / runs.WEIGHTS).read_bytes())
    folder = folder_of(ten, "tsne", sha)
    eventually(lambda: (folder / "frame.bin").is_file() and read_fit(folder).iteration > 0)
    with asleep(server.workers("vae.space.fit_process")):  # so that it is under way however late the browser looks
        assert read_fit(folder).state == "fitting"
        expect(line).to_contain_text("converges: step")
        page.get_by_role("button", name="Stop").click()
        eventually(lambda: (folder / "stop").exists() or read_fit(folder).state == "stopped")
    expect(line).to_contain_text("stopped at step")
    status = read_fit(folder)
    assert (status.state, status.n) == ("stopped", len(codes_of(runs.load_run(ten)).loc)) == ("stopped", 2000)
    assert 0 < status.iteration < 625
    page.get_by_role("button", name="Start over").click()
    expect(line).to_contain_text("computed in", timeout=240_000)

    def pointed() -> bool:
        x, y = middle(stage)
        page.mouse.move(x - 60, y)
        page.mouse.move(x - 50, y)
        return len(where(page)) == 10

    eventually(pointed)
    expect(page.get_by_text("decodes to a blend of the codes of the 8 nearest points")).to_be_visible()
    page.reload()
    expect(page.locator(".fit > span")).to_contain_text("computed in")


def test_a_dropped_image_lands_at_its_own_code(
    server: Any,
    window: Any,
    plane: Path,
    tmp_path: Path,
    eventually: Callable[..., None],
    settled: Callable[..., Any],
) -> None:
    codes = codes_of(load_run(plane))
    Image.fromarray(codes.images[11, 0]).save(tmp_path / "eleven.png")
    (tmp_path / "text.png").write_text("no picture")
    page = window.page()
    open_map(page, server.url, "run=two")
    chooser = page.get_by_label("A PNG or JPEG from your computer")
    chooser.set_input_files(tmp_path / "eleven.png")
    expect(page.get_by_text("The amber mark shows where it landed")).to_be_visible()
    eventually(lambda: near(page, codes.loc[11], 0.06))
    expect(page.get_by_text("as the model sees it")).to_be_visible()
    marked = settled(page, lambda: painted(page.locator("canvas.over")))
    window.watching = False  # the refusal is an answer of 415
    chooser.set_input_files(tmp_path / "text.png")
    expect(page.get_by_text("not a PNG or a JPEG")).to_be_visible()
    expect(page.get_by_text("as the model sees it")).to_be_hidden()  # it was another picture
    eventually(lambda: painted(page.locator("canvas.over")) < marked)
    page.locator(".pad").scroll_into_view_if_needed()
    pad = box_of(page.locator(".pad"))
    page.mouse.move(pad["x"] + 84, pad["y"] + 30)
    page.mouse.down()
    page.mouse.move(pad["x"] + 84, pad["y"] + 140, steps=10)
    page.mouse.up()
    expect(page.get_by_text("The amber mark shows where it landed")).to_be_visible()
    eventually(lambda: page.locator(".neighbours figcaption").all_inner_texts().count("1") >= 2)


def test_by_keyboard_alone(server: Any, window: Any, plane: Path, eventually: Callable[..., None]) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=two")
    stage.focus()
    outline = stage.evaluate("stage => getComputedStyle(stage).outlineStyle")
    page.keyboard.press("ArrowRight")
    eventually(lambda: len(where(page)) == 2)
    first = where(page)
    page.keyboard.press("ArrowRight")
    eventually(lambda: where(page)[0] > first[0])
    assert outline != "none" or stage.evaluate("stage => getComputedStyle(stage).outlineStyle") != "none"
    before = stats(stage)["redraws"]
    page.keyboard.press("+")
    eventually(lambda: stats(stage)["redraws"] > before)
    page.keyboard.press("0")
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", name=re.compile("Selection:"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name=re.compile("Selection:"))).to_have_count(0)
    names = set()
    stage.focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        names.add(
            page.evaluate(
                """() => { let e = document.activeElement;
                while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
                return e?.getAttribute("aria-label") || e?.textContent?.trim() || e?.tagName; }"""
            )
        )
        if "Clear" in names:
            break
    assert {"Lasso: select by drawing around", "Zoom in (+)", "0", "9", "Beneath", "Clear"} <= names


def test_the_manifold_lies_beneath_and_the_legend_isolates(
    server: Any, window: Any, plane: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=two")
    page.get_by_label("shade far from data").uncheck()
    under, points = stage.locator("canvas.under"), stage.locator("canvas.points")
    bare = settled(page, lambda: painted(under, 25))  # the pictures are faint
    for kind, share in (("window", 0.9), ("prior", 0.05)):
        page.get_by_label("Beneath").select_option(kind)
        eventually(lambda share=share: painted(under, 25) > bare + share)
        page.get_by_label("Beneath").select_option("off")
        eventually(lambda: painted(under, 25) == bare)

    everything = settled(page, lambda: hues(points))
    page.get_by_role("button", name="6", exact=True).click()
    eventually(lambda: hues(points) < everything / 2)
    expect(page.get_by_role("button", name="6", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="show all", exact=True).click()
    eventually(lambda: hues(points) == everything)


def test_newer_weights_move_the_map_and_what_it_decodes(
    server: Any, window: Any, plane: Path, eventually: Callable[..., None], settled: Callable[..., Any]
) -> None:
    page = window.page()
    stage = open_map(page, server.url, "run=two")
    x, y = middle(stage)
    page.mouse.move(x - 5, y)
    page.mouse.move(x, y)
    eventually(lambda: len(where(page)) == 2)
    eventually(lambda: pixels(page.locator(".screen canvas")).shape[:2] == (8, 8))
    image = settled(page, lambda: pixels(page.locator(".screen canvas")))
    points = settled(page, lambda: painted(stage.locator("canvas.points")))
    weights = load((plane / runs.WEIGHTS).read_bytes())
    encoder = max(name for name in weights if name.startswith("encoder") and name.endswith("bias"))
    decoder = max(name for name in weights if name.startswith("decoder") and name.endswith("bias"))
    weights[encoder] = weights[encoder] + 1.5
    weights[decoder] = weights[decoder] + 0.3
    runs.save_checked(plane, {runs.WEIGHTS: save(weights, metadata={"step": "9"})})

    def decoded_anew() -> bool:
        """At once, though the pointer rests."""
        return bool(np.abs(pixels(page.locator(".screen canvas")).astype(int) - image).max() > 30)

    eventually(decoded_anew)
    eventually(lambda: painted(stage.locator("canvas.points")) != points)  # the codes a little later


def test_on_a_phone_nothing_is_cut_off(
    chromium: Any, server: Any, plane: Path, eventually: Callable[..., None]
) -> None:
    size = {"width": 390, "height": 844}
    with context_of(chromium, viewport=size, color_scheme="dark", has_touch=True) as context:
        page = page_of(context)
        stage = open_map(page, server.url, "run=two&method=plane")
        eventually(lambda: page.evaluate("document.documentElement.scrollWidth") <= 390)
        assert box_of(stage)["width"] > 330
        page.touchscreen.tap(*middle(stage))
        tone = "stage => stage.closest('.er').dataset.tone"
        eventually(lambda: stage.evaluate(tone) == "dark")
        page.emulate_media(color_scheme="light")
        eventually(lambda: stage.evaluate(tone) == "light")

        def inside() -> bool:
            controls = page.locator(".left button:visible, .right button:visible, .left select:visible").all()
            places = [control.bounding_box() for control in controls]
            return bool(places) and all(
                place and place["x"] >= 0 and place["x"] + place["width"] <= 391 for place in places
            )

        eventually(inside)
