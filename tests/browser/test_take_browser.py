"""A run is taken along and comes back: a table and a bundle made on the page and saved, the bundle dropped on Home."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ROOT, Server, pass_time, rested
from tests.browser.watched import PATIENCE, Watched
from ui.runs.owners import recorded_owner
from vae import load_run, runs
from vae.__main__ import main

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DEMO = ROOT / "checkpoints" / "demo-digits-2d"


def row(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-er-take-{name}, .st-key-er-take-chosen-{name}")


def saved(page: Page, name: str, folder: Path) -> Path:
    """Makes a format by the keyboard alone, and saves it."""
    expect(page.get_by_text("The same from a terminal")).to_be_visible()  # the page's last line: its script has begun,
    pass_time(page, 500)  # has heard of what was typed,
    rested(page)  # and takes no button away between its focus and its key
    row(page, name).get_by_role("button", name="Make", exact=True).press("Enter")
    link = row(page, name).get_by_role("link", name="Download")
    expect(link).to_be_visible()
    rested(page)
    with page.expect_download() as waited:
        link.press("Enter")
    file = folder / waited.value.suggested_filename
    waited.value.save_as(file)
    return file


def test_a_run_is_taken_along_and_comes_back(
    server: Server, window: Watched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = server.runs / "one"
    shutil.copytree(DEMO, run, ignore=shutil.ignore_patterns("projections", "diagnosis"))
    before = sorted(file.name for file in run.rglob("*"))
    page = window.page()
    page.goto(f"{server.url}/take?run=one&format=csv")
    table = saved(page, "csv", tmp_path)
    assert table.name == "one-codes.csv"
    assert main(["export", str(run), "--format", "csv", "--out", str(tmp_path / "expected.csv")]) == 0
    assert table.read_bytes() == (tmp_path / "expected.csv").read_bytes()
    address = row(page, "csv").get_by_role("link").get_attribute("href")
    answer = page.request.get(f"{server.url}/{address}", timeout=1000 * PATIENCE)
    assert answer.headers["content-disposition"] == 'attachment; filename="one-codes.csv"'
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    made_by = row(page, "bundle").get_by_role("textbox", name="Made by")
    made_by.fill("Ada <i>L</i>")
    made_by.press("Enter")
    rested(page)
    bundle = saved(page, "bundle", tmp_path)
    assert page.url.endswith("/take?run=one&format=bundle&kind=whole")
    page.reload()
    expect(page.locator(".st-key-er-take-chosen-bundle")).to_be_visible()
    expect(row(page, "csv").get_by_role("link", name="Download")).to_be_visible()  # it is made once
    assert sorted(file.name for file in run.rglob("*")) == before

    page.goto(server.url)
    page.get_by_text("Bring a run back").click()
    page.locator("input[type=file]").first.set_input_files({
        "name": "not one.zip", "mimeType": "application/zip", "buffer": table.read_bytes(),
    })  # fmt: skip
    expect(page.get_by_role("alert").get_by_text("not one.zip: ")).to_be_visible()
    page.locator("input[type=file]").first.set_input_files(bundle)
    expect(page.get_by_text("Ada <i>L</i>, ")).to_be_visible()
    expect(page.get_by_text("distortion −19.6, rate 5.8, ELBO 13.8 ± 1.2 nats, held out")).to_be_visible()
    assert runs.list_runs(server.runs) == [run]  # looked at, not taken in
    name = page.get_by_label("Name here")
    name.fill("back again")
    name.press("Enter")
    rested(page)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("“back-again” is here, and yours.")).to_be_visible()
    back = load_run(server.runs / "back-again")
    assert runs.content_hash(back.path, runs.WEIGHTS) == runs.content_hash(run, runs.WEIGHTS)
    assert recorded_owner(back.path)
    page.get_by_role("link", name="Open", exact=True).first.click()
    page.wait_for_url("**/explore?run=back-again")
    expect(page.get_by_role("slider")).to_have_count(2)
    capsys.readouterr()
