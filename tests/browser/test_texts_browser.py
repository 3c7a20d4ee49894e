"""Texts of strangers on every page, in a browser that records every request and has no Content-Security-Policy to
stop one: a run that came from elsewhere, in whose files every text wants to be something else."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Server, rested
from tests.browser.map_page import demo
from tests.browser.watched import PATIENCE, context_of, page_of
from tests.vae.made_up import FOUND, RESULTS, keep
from vae import runs
from vae.diagnosis.finding import Advice
from vae.diagnosis.results import DiagnosisStatus
from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.results import folder_of, write_scores
from vae.diagnosis.suspects.scores import Scores
from vae.files import write_json
from vae.runs.origin import Origin, write_origin
from vae.runs.ship import HELD_OUT, held_out, packed
from vae.runs.sweep_mark import SweepMark, write_mark

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAME = "www.evil.example"  # names are cleaned; this one looks like an address


class Recorder:
    """A site of somebody else's, which writes down who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.site = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.server.shutdown()
    made.server.server_close()


def hostile(site: str) -> list[str]:
    """One for each of the languages in which a text can be more than a text; as many as digits has classes."""
    return [
        f"<img src={site}/img>",
        f"![x]({site}/markdown)",
        "[a](javascript:alert(1))",
        rf"$\href{{{site}/tex}}{{x}}$",
        ":material/skull: :red[red] :+1: :smile:",
        f'=HYPERLINK("{site}/csv")',
        f'<a href="{site}/link" target="_blank">press</a>',
        "\u202eright to left\u202c",
        "<script>alert(1)</script><svg onload=alert(1)>",
        f'<style>@import "{site}/css"</style>',
    ]


def made_hostile(path: Path, texts: list[str], C: float) -> Path:
    """Makes every text in a run's files one of these, or all of them."""
    everything = " ".join(texts)
    config = json.loads((path / "config.json").read_bytes())
    config["config"] |= {"dataset": f"/nowhere/{texts[3].replace('/', '')} :material_x:.npz", "C": C}
    config["data"] |= {"name": everything, "classes": texts, "path": config["config"]["dataset"]}
    taken = held_out(path)
    names = np.array([texts[i % len(texts)] for i in range(len(taken.images))])
    rows = np.arange(len(names))
    (path / HELD_OUT).write_bytes(packed(dataclasses.replace(taken, rows=rows, rows_of=everything, files=names)))
    (path / "config.json").write_text(json.dumps(config))
    sums = json.loads((path / "manifest.json").read_bytes())["files"]
    write_json(path / "manifest.json", {"format": 1, "files": {runs.WEIGHTS: sums[runs.WEIGHTS]}})
    runs.write_status(path, runs.Status("failed", 3900, message=everything, refused=everything))
    for text in texts:
        runs.append_history(path, {"step": 3900, "event": text[:80], "device": text[:80], "run": text[:80]})
    (path / "log.txt").write_text(everything)
    write_mark(path, SweepMark("abc", texts[1][:60], ("C",)))
    write_origin(path, Origin(texts[1][:60], 1e9, 1e9))
    marks = [{"part": "test", "row": row, "note": texts[row]} for row in range(len(texts))]
    data = {"name": everything, "digest": config["data"]["digest"]}
    write_json(path / "suspects.json", {"format": 1, "data": data, "marks": marks})
    sha = runs.content_hash(path, runs.WEIGHTS) or ""
    folder = folder_of(path, sha)
    folder.mkdir(parents=True)
    n = len(names)
    values = np.linspace(1, 9, n).astype(np.float32)
    differ = np.ones((n, len(KS)), np.int16)
    some = np.repeat((np.arange(n) % len(texts))[:, None], len(KS), 1)
    scores = Scores(values, values, differ=differ, suggested=some, agree=differ, neighbours=n)
    write_scores(folder, {"test": scores})
    (folder / "whole").touch()
    about = DiagnosisStatus("finished", weights=sha, message=everything, source=everything, words=everything)
    write_json(folder / "status.json", dataclasses.asdict(about))
    advice = tuple(
        Advice(text, page, {"colour": text}) for text, page in zip(texts, ("map", "nowhere") * 5, strict=True)
    )
    answer = dataclasses.replace(
        FOUND, title=everything, shown=texts[1], sentence=everything, source=everything, advice=advice, picture="",
        detail="", numbers={text: text for text in texts},
    )  # fmt: skip
    results = tuple(
        dataclasses.replace(one, question=everything, why_not=one.why_not and everything) for one in RESULTS[:1]
    )
    failed = dataclasses.replace(RESULTS[1], answer=None, failed=everything)
    keep(
        path,
        (dataclasses.replace(results[0], answer=answer), failed, dataclasses.replace(RESULTS[3], why_not=everything)),
    )
    return path


THEIRS = """site => {
  const found = [];
  const look = root => {
    for (const one of root.querySelectorAll("*")) {
      const tag = one.tagName.toLowerCase();
      const to = ["href", "src", "xlink:href", "data", "action"].map(name => one.getAttribute(name) ?? "").join(" ");
      if (to.includes(site) || /javascript:/i.test(to)) found.push(one.outerHTML.slice(0, 200));
      if (one.hasAttribute("onload") || one.hasAttribute("onerror")) found.push(one.outerHTML.slice(0, 200));
      if ((tag === "script" || tag === "style") && one.textContent.length < 400
          && (one.textContent.includes("alert(1)") || one.textContent.includes(site))) found.push(tag);
      if (one.shadowRoot) look(one.shadowRoot);
    }
  };
  look(document);
  return found;
}"""


def looks_fine(page: Page, recorder: Recorder, where: str) -> None:
    rested(page)
    assert page.evaluate(THEIRS, recorder.site) == [], where
    assert page.locator(".katex, .katex-error").filter(has_text=recorder.site).count() == 0, where
    assert page.get_by_text("skull", exact=True).count() == 0, where  # the name of an icon
    assert page.get_by_text("👍").or_(page.get_by_text("😄")).count() == 0, where
    assert page.get_by_test_id("stException").all_inner_texts() == [], where
    assert recorder.asked == [], where


def test_texts_of_strangers_stay_texts_on_every_page(chromium: Browser, server: Server, recorder: Recorder) -> None:
    texts = hostile(recorder.site)
    made_hostile(demo(server.runs, "demo-digits-2d", NAME), texts, 0.1)
    made_hostile(demo(server.runs, "demo-digits-2d", "other"), texts, 0.2)
    context = context_of(chromium, bypass_csp=True)
    page, dialogs = page_of(context), list[str]()
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    shown = page.get_by_text("/markdown)")  # as it was written: no picture took its place

    second, here = quote(texts[1], safe=""), f"run={NAME}"
    told = (
        "", f"train?{here}", f"diagnose?{here}&finding=collapsed", f"diagnose?{here}&finding=overfitting",
        f"suspects?{here}&part=test", f"suspects?{here}&part=test&second={second}",
        f"suspects?{here}&part=second&second={second}",
    )  # fmt: skip
    others = (
        f"explore?{here}", f"take?{here}&format=onnx",
        f"terms?{here}&data={quote(texts[6], safe='')}&sweep=abc", f"train?from={NAME}",
        f"train?run={second}&x{second}={second}", f"compare?{here}&other=other", f"compare?{here}&mode=time", "images",
        f"binary?{here}", f"converter?code={second}",
    )  # fmt: skip
    for where in (*told, *others):
        page.goto(f"{server.url}/{where}")
        expect(page.get_by_test_id("stMainBlockContainer")).to_be_visible()
        if where in told:
            expect(shown.first).to_be_visible(timeout=3000 * PATIENCE)
        if where.startswith("suspects"):
            expect(page.get_by_test_id("stButtonGroup").first).to_be_visible(timeout=3000 * PATIENCE)
        looks_fine(page, recorder, where)

    page.goto(f"{server.url}/train?run={NAME}")
    page.get_by_text("The end of its log").click()
    looks_fine(page, recorder, "the log")
    page.goto(f"{server.url}/map?run={NAME}&method=plane&colour=label")
    expect(page.locator(".stage")).to_be_visible(timeout=3000 * PATIENCE)
    expect(shown.first).to_be_visible()  # in the legend
    page.get_by_text("Figures and tables").click()
    expect(page.locator(".js-plotly-plot .legend .traces").nth(9)).to_be_visible(timeout=3000 * PATIENCE)
    expect(page.locator(".js-plotly-plot .legendtext").nth(6)).to_contain_text("<a href=")
    assert page.locator(".js-plotly-plot svg a").count() == 0
    looks_fine(page, recorder, "the figure")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Values as a table (CSV)").click()
    table = Path(saved.value.path()).read_text()
    assert "'=HYPERLINK" in table
    assert ",=" not in table.replace('"', "")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Figure as a page (HTML)").click()
    file = Path(shutil.copy(saved.value.path(), server.log.with_name("figure.html")))
    page.goto(file.as_uri())
    expect(page.locator(".legendtext").nth(6)).to_contain_text("<a href=")
    assert page.evaluate(THEIRS, recorder.site) == []
    assert recorder.asked == []
    assert dialogs == []
    context.close()
