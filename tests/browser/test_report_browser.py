"""The report of a diagnosis, opened from the disk with the network off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.watched import page_of
from tests.vae.command import command
from tests.vae.diagnosis.conftest import registry, the_quick_ones
from tests.vae.diagnosis.made import DEMOS

__all__ = ["registry", "the_quick_ones"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.usefixtures("the_quick_ones")]

FIGURES = """[...document.querySelectorAll('article .picture > svg')].map(figure => ({
  box: figure.getBoundingClientRect().toJSON(),
  inside: [...figure.querySelectorAll('path, rect, text, image, circle')].filter(
    shape => { const box = shape.getBoundingClientRect(); return box.width + box.height > 0; }).length,
  colour: getComputedStyle(figure.querySelector('text')).fill,
}))"""


def test_the_report_opens_offline_on_a_phone_in_the_dark_and_in_print(chromium: Browser, tmp_path: Path) -> None:
    shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "digits")
    report = tmp_path / "report.html"
    done = command("diagnose", "digits", "--json", "--html", str(report), runs=tmp_path)
    answer = json.loads(done.stdout)
    grounds = set()
    for scheme in ("light", "dark"):
        context = chromium.new_context(offline=True, color_scheme=scheme)  # type: ignore[arg-type]
        page = page_of(context)
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))  # noqa: B023
        page.on("console", lambda message: said.append(message.text))  # noqa: B023
        page.goto(report.as_uri())
        for width in (390, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width
            figures = page.evaluate(FIGURES)
            assert len(figures) >= len(answer["findings"])  # some have a second one, which shows more
            for figure in figures:
                assert figure["box"]["width"] > 250
                assert figure["box"]["right"] <= width
                assert figure["inside"] > 3
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
        assert page.title() == "digits: nothing found"
        assert json.loads(page.locator("#diagnosis").text_content() or "") == answer
        for one in answer["findings"]:
            assert page.get_by_text(one["sentence"]).is_visible()
        grounds.add((page.evaluate("getComputedStyle(document.body).backgroundColor"), figures[0]["colour"]))
        page.emulate_media(media="print")
        grounds_in_print = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert grounds_in_print == "rgb(251, 250, 246)"
        context.close()
    assert len(grounds) == len({ground for ground, _ in grounds}) == len({text for _, text in grounds}) == 2
