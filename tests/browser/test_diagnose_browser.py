"""The Diagnose page in a real browser: findings appear, a row opens by the keyboard, a hole is decoded, the report."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import box_of, rested
from tests.browser.map_page import demo, hues, open_map, pixels, search, where
from tests.browser.watched import PATIENCE, page_of
from tests.vae.made_up import FINE, RESULTS, keep, with_holes
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.results import read_diagnosis, read_result_arrays
from vae.runs import Run, load_run
from vae.space.encodings import codes_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def decoded(run: Run, z: np.ndarray) -> np.ndarray:
    """What torch decodes a code to, as the page shows it: (height, width), 0 to 255."""
    with torch.no_grad():
        return np.asarray(run.model.decode(torch.tensor(z)[None]).mean[0, 0].clamp(0, 1).numpy() * 255)


def shows(page: Page, expected: np.ndarray) -> Callable[[], bool]:
    def agree() -> bool:
        shown = pixels(page.locator(".screen canvas"))[:, :, 0]
        return shown.shape == expected.shape and bool(np.abs(shown - expected).max() <= 1.5)

    return agree


def test_findings_appear_open_and_go_along(
    server: Any, window: Any, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    path = demo(server.runs, "demo-digits-2d", "two")
    fine = dataclasses.replace(RESULTS[0], answer=dataclasses.replace(FINE, title="Known already"))
    slow = [dataclasses.replace(fine, name=name) for name in ("knows", "loose_bound", "samples")]
    folder = keep(path, (with_holes(2), *slow))  # what takes longest is known already
    (folder / "status.json").unlink()
    page = window.page()
    page.goto(f"{server.url}/diagnose?run=two")
    stop = page.get_by_role("button", name="Stop")
    expect(stop.or_(page.locator(".er-shown").nth(len(slow) + 1)).first).to_be_visible()  # it may be done already
    eventually(lambda: read_diagnosis(folder).status.state == "finished", 3 * PATIENCE)
    expect(stop).to_have_count(0)
    run, found = load_run(path), read_diagnosis(folder)
    assert set(found.results) == set(FINDINGS)
    answers = [result.answer for result in found.sorted() if result.answer]
    expect(page.locator(".er-shown")).to_have_text([answer.shown for answer in answers])
    expect(page.locator(".lesson-figure svg").first).to_be_visible()

    # A row is opened by the keyboard; the address brings it back.
    collapsed = found.results["collapsed"].answer
    assert collapsed
    title = page.get_by_role("button", name=collapsed.title)
    title.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Protocol and source")).to_be_visible()
    assert search(page) == {"run": "two", "finding": "collapsed"}
    page.reload()
    expect(page.get_by_text("Protocol and source")).to_be_visible()

    # Its figure is saved as it is on the page, as a file that needs no style sheet.
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the figure as SVG").first.click()
    assert saved.value.suggested_filename == "two-collapsed.svg"
    svg = Path(saved.value.path()).read_text()
    assert "class=" not in svg
    assert "var(" not in svg
    colour = page.locator(".lesson-figure:has(.save) :is(path.line, rect.bar)").first.evaluate(
        "shape => { const s = getComputedStyle(shape); return s.fill === 'none' ? s.stroke : s.fill }"
    )
    assert colour in svg
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the figure as PNG").first.click()
    with Image.open(saved.value.path()) as picture:
        wide, high = map(int, re.findall(r'viewBox="0 0 (\d+) (\d+)', svg)[0])
        assert picture.size == (3 * wide, 3 * high)
        assert len(picture.convert("L").getcolors() or ()) > 1

    # A picture of what decodes there chooses its draw; one lower in score there is none among those on the map.
    arrays = read_result_arrays(folder, "holes")
    lowest = arrays["prior"][int(np.argmin(arrays["prior_score"][:1500]))]
    page.locator(".pictures button.tile").first.press("Enter")
    expect(page.locator(".holes .where")).to_contain_text("a draw from the prior")
    eventually(shows(page, decoded(run, lowest)))

    # The report is one file that needs nobody.
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save report").click()
    report = tmp_path / "report.html"
    saved.value.save_as(report)
    window.context.set_offline(True)
    offline = page_of(window.context)
    asked: list[str] = []
    offline.on("request", lambda request: asked.append(request.url))
    offline.goto(report.as_uri())
    expect(offline.get_by_role("heading", level=1)).to_contain_text("two: ")
    drawn = [svg for answer in answers for svg in (answer.picture, answer.detail) if svg]
    assert offline.locator(".picture > svg").count() == len(drawn)
    assert asked == [report.as_uri()]
    offline.close()
    window.watching = False  # the page beside it has noticed
    window.context.set_offline(False)

    # Dark: other inks. A phone: one column, nothing to the side.
    window.watching = True
    ink = "getComputedStyle(document.querySelector('.er-mark')).color"
    page.goto(f"{server.url}/diagnose?run=two")
    expect(page.locator(".er-shown")).to_have_count(len(answers))
    light = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    eventually(lambda: page.evaluate(ink) != light)
    page.set_viewport_size({"width": 390, "height": 844})
    rested(page)
    head, say = (box_of(page.locator(name).first) for name in (".er-shown", ".er-say"))
    assert say["y"] >= head["y"] + head["height"]
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main}.scrollWidth <= {main}.clientWidth")


def test_a_hole_is_painted_and_a_click_decodes_it(server: Any, window: Any, eventually: Callable[..., None]) -> None:
    path = demo(server.runs, "demo-digits-2d", "two")
    folder = keep(path, (with_holes(2),))
    run, prior = load_run(path), read_result_arrays(folder, "holes")["prior"]
    page = window.page()
    stage = open_map(page, server.url, "run=two&colour=hole")
    expect(page.get_by_text("rings: 400 draws from the prior")).to_be_visible()
    expect(page.get_by_text("more prior than codes")).to_be_visible()
    codes = codes_of(run).loc
    apart = np.linalg.norm(prior[:, None] - codes[None], axis=2).min(1)
    apart[np.abs(prior).max(1) > 2.5] = 0  # in the frame
    z = prior[int(np.argmax(apart))]  # no image is near

    box = box_of(stage)

    def code_at(x: float, y: float) -> np.ndarray:
        page.mouse.move(box["x"] + x, box["y"] + y)
        eventually(lambda: "Move over" not in page.locator(".where").inner_text())
        return np.array(where(page))

    one, other = code_at(100, 100), code_at(box["width"] - 100, box["height"] - 100)
    eventually(lambda: not np.array_equal(np.array(where(page)), one))
    other = np.array(where(page))
    share = (z - one) / (other - one)
    page.mouse.click(
        box["x"] + 100 + share[0] * (box["width"] - 200), box["y"] + 100 + share[1] * (box["height"] - 200)
    )
    expect(page.locator(".where")).to_contain_text("a draw from the prior: log q(z)/p(z) =")
    eventually(shows(page, decoded(run, z)))
    before = hues(page.locator("canvas.points"))
    page.get_by_label("draws from the prior").uncheck()
    expect(page.get_by_text("rings: 400 draws from the prior")).to_have_count(0)
    eventually(lambda: hues(page.locator("canvas.points")) < before)  # images score alike here; draws do not
