"""Suspects in a browser, on MNIST with faults at known places: looked through, sorted, marked and noted by keys, saved,
shown on the Map, trained without."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.watched import Watched
from tests.vae.diagnosis.faulty_mnist import BLANK, FaultyRun
from vae import runs
from vae.diagnosis.suspects.marks import read_marks

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def rows(page: Page) -> Locator:
    return page.locator(".suspects tbody tr")


def places(page: Page) -> list[int]:
    """The rows of the file, in the order of the table."""
    texts = page.locator(".suspects td.row .place").all_inner_texts()
    return [int(text.removeprefix("row ").replace(",", "")) for text in texts]


def test_faults_are_found_marked_saved_shown_and_left_out(
    window: Watched, eventually: Callable[..., None], server: Server, faulty: FaultyRun
) -> None:
    page = window.page()
    path = Path(shutil.copytree(faulty.path, server.runs / "faulty", ignore=shutil.ignore_patterns("suspects*")))
    page.goto(f"{server.url}/suspects?run=faulty")
    stop = page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop")  # not of the page's script
    blank = page.get_by_role("radio", name=re.compile("Blank"))
    expect(stop.or_(blank).first).to_be_visible()
    expect(page.get_by_role("radio", name="Label contradicted")).to_be_visible(timeout=180_000)
    expect(stop).to_have_count(0, timeout=180_000)
    expect(rows(page)).to_have_count(25)
    eventually(lambda: len(set(places(page)) & set(faulty.data.mislabelled)) >= 20)  # of the first 25

    page.get_by_role("radio", name=f"Blank {BLANK}").click()
    expect(page.locator(".suspects .count")).to_contain_text(f"1–25 of {BLANK} images, among 4,800")
    eventually(lambda: set(places(page)) <= set(faulty.data.blank))
    page.get_by_role("button", name="Sort by Image").click()
    expect(page.locator(".suspects th.row")).to_have_attribute("aria-sort", "ascending")
    eventually(lambda: places(page) == sorted(faulty.data.blank)[:25])
    expect(page).to_have_url(re.compile("kind=blank.*sort=row|sort=row.*kind=blank"))

    rows(page).first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    expect(rows(page).nth(1)).to_have_class("marked")
    expect(page.get_by_role("radio", name="Marked 1")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("<b>empty</b> page")
    page.keyboard.press("Enter")
    second = ("train", sorted(faulty.data.blank)[1])
    view = runs.load_run(path).data
    eventually(lambda: read_marks(path, view) == {second: "<b>empty</b> page"})
    page.keyboard.press("PageDown")
    expect(page.locator(".suspects .pager")).to_contain_text("page 2 of 2")
    eventually(lambda: places(page) == sorted(faulty.data.blank)[25:])
    page.get_by_role("button", name=f"Mark all {BLANK} listed").click()
    expect(page.get_by_role("radio", name=f"Marked {BLANK}")).to_be_visible()
    page.reload()
    expect(page.locator(".suspects .pager")).to_contain_text("page 2 of 2")

    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON").click()
    made = json.loads(Path(saved.value.path()).read_text())
    assert {image["row"] for image in made["images"]} == set(faulty.data.blank)
    assert [image["note"] for image in made["images"] if image["note"]] == ["<b>empty</b> page"]

    page.get_by_role("link", name="Show on the Map").click()
    expect(page.locator(".selection h3")).to_have_text(f"Selection: {BLANK} images", timeout=60_000)
    expect(page).to_have_url(re.compile("part=train"))
    page.go_back()
    page.get_by_role("link", name=f"Train without these {BLANK}").click()
    expect(page.get_by_text(f"Without {BLANK} images that were marked.")).to_be_visible()
    expect(page.get_by_text(f"{4800 - BLANK:,} to train, 1,200 held out")).to_be_visible()
    page.get_by_role("button", name="Start training").click()
    expect(page).to_have_url(re.compile("train\\?run="))
    new = next(one for one in runs.list_runs(server.runs) if one.name != "faulty")
    assert runs.read_config(new)[1]["train"] == 4800 - BLANK
    stop.click()
