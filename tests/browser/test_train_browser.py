"""The Train page in front of a class: what turning C does, and the ways to the next run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.train_page import curves, records, start, state
from vae import runs

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"


def trail(page: Page) -> str:
    """The plane's present point in its own words."""
    return page.get_by_role("img", name=re.compile("^Rate and error of")).get_attribute("aria-label") or ""


def pixels(page: Page) -> str:
    """The plane as it is drawn."""
    return page.get_by_role("img", name=re.compile("^Rate and error of")).evaluate("canvas => canvas.toDataURL()")


def test_raising_C_lowers_the_squared_error_and_moves_the_trail(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    path = server.runs / start(page, server, 100, **{"C at the start": "0.3"})
    state(page, "training")
    eventually(lambda: curves(page)["step"] >= 500, 120)
    collapsed, drawn = curves(page), pixels(page)
    assert collapsed["rate"] < 0.5
    runs.change_knobs(path, C=200.0)
    turned_at = runs.read_status(path).step
    eventually(lambda: curves(page)["step"] >= turned_at + 500, 120)
    sharp = curves(page)
    assert sharp["squared error"] < 0.8 * collapsed["squared error"]
    assert sharp["rate"] > collapsed["rate"] + 2
    eventually(lambda: "C was turned once." in trail(page))
    assert re.search(r"at C 200\.", trail(page))
    assert pixels(page) != drawn
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")


def test_a_collapsed_posterior_is_named_and_its_bars_keep_their_unit(
    server: Any, window: Any, eventually: Callable[..., None]
) -> None:
    page = window.page()
    path = server.runs / start(page, server, 100, **{"C at the start": "30"})
    unit = page.get_by_text(re.compile("^full width: "))
    full = lambda: float(unit.inner_text().split()[2].replace(",", ""))  # noqa: E731
    eventually(lambda: curves(page)["rate"] > 3 and curves(page)["step"] >= 300, 120)
    before = full()
    expect(page.get_by_text("Posterior collapse")).to_have_count(0)
    runs.change_knobs(path, C=0.01)
    expect(page.get_by_text(re.compile("^Posterior collapse: q"))).to_be_visible(timeout=120_000)
    highest = max(rate for record in records(path) for rate in record["train"]["rate_per_dim"])
    # It may have grown until C was turned; its steps are 5/3 apart at most, and it stays 1.02 above the bars.
    assert max(before, highest) <= full() <= max(before, 1.71 * highest)
    page.get_by_role("button", name="Stop", exact=True).click()
    state(page, "stopped")


@pytest.mark.parametrize("way", ["New run", "Copy settings"])
def test_from_a_run_to_the_form_and_on_with_another_dataset(server: Any, window: Any, way: str) -> None:
    shutil.copytree(DEMO, server.runs / "shown")
    page = window.page()
    others = (("mnist", "60,000"), ("dsprites", "36,864")) if way == "New run" else ()
    for dataset, count in (*others, ("digits", "1,437")):
        page.goto(f"{server.url}/train?run=shown")
        page.get_by_role("button", name=way).click()
        expect(page).to_have_url(f"{server.url}/train" + ("?from=shown" if way == "Copy settings" else ""))
        page.get_by_text(dataset, exact=True).first.click()
        expect(page.get_by_text(f"{count} to train")).to_be_visible()
        expect(page.get_by_role("heading", name="shown")).to_have_count(0)
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(re.compile("run="))
    assert runs.read_config(server.runs / page.url.rsplit("run=", 1)[1])[0].dataset == "digits"
    page.go_back()
    expect(page.get_by_role("button", name="Start training")).to_be_visible()


def test_curves_leave_as_pictures_and_as_a_table(server: Any, window: Any) -> None:
    shutil.copytree(DEMO, server.runs / "shown")
    page = window.page()
    page.goto(f"{server.url}/train?run=shown")
    page.get_by_label(re.compile("^Training curves of shown at step")).wait_for(state="attached")
    starts = {"PNG": b"\x89PNG", "SVG": b"<svg xmlns", "CSV": b"step,C,train_squared_error"}
    for kind, start_of_file in starts.items():
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Save the curves as {kind}").click()
        assert download.value.suggested_filename == f"shown-curves.{kind.lower()}"
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(start_of_file)
        if kind == "CSV":
            records = [line for line in runs.read_history(server.runs / "shown") if "train" in line]
            assert data.count(b"\n") == len(records) + 1


def test_the_pages_of_a_run_lead_to_each_other(server: Any, window: Any) -> None:
    shutil.copytree(DEMO, server.runs / "shown")
    page = window.page()
    page.goto(f"{server.url}/train?run=shown")
    main = page.get_by_test_id("stMain")
    for label in ("Explore", "Map", "Train"):
        main.get_by_role("link", name=label, exact=True).click()
        expect(page).to_have_url(f"{server.url}/{label.lower()}?run=shown")
    expect(page.get_by_role("heading", name="shown")).to_be_visible()


def test_the_decoded_image_leaves_as_a_picture(server: Any, window: Any) -> None:
    shutil.copytree(DEMO, server.runs / "shown")
    page = window.page()
    page.goto(f"{server.url}/explore?run=shown")
    save = page.get_by_role("button", name="Save PNG")
    expect(save).to_be_enabled()
    with page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == "shown-z.png"
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
