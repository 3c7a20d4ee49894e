"""`python -m vae diagnose`: JSON, lines, and the report that opens offline."""

from __future__ import annotations

import json
import os
import shutil
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.vae.command import command
from tests.vae.diagnosis.made import DEMOS, copy_of
from tests.vae.diagnosis.test_planted import spoilt_bits
from tests.vae.diagnosis.test_results import SVG, TOLD
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Finding, Found
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.report import diagnosis_json, diagnosis_lines, report_html
from vae.diagnosis.results import Diagnosis, DiagnosisStatus, Result, folder_of
from vae.runs import load_run

PROMISED = {"name", "found", "nats", "value", "standard_error", "threshold", "source", "sentence", "advice"}


pytestmark = pytest.mark.usefixtures("the_quick_ones")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "digits")
    return tmp_path


def diagnose(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = command("diagnose", *arguments, runs=folder)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Page(HTMLParser):
    """All elements with their attributes, and the text of the embedded JSON."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text[self.open[-1] if self.open else ""] = self.text.get(self.open[-1] if self.open else "", "") + data

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass


def test_json_as_it_is_promised_kept_and_the_same_in_the_report(folder: Path) -> None:
    code, out, _ = diagnose(folder, "digits", "--json", "--html", str(folder / "report.html"))
    answer = json.loads(out)
    assert code == 0
    assert answer["run"] == str(folder / "digits")
    assert (answer["state"], answer["images"]) == ("finished", "360 held-out images of digits")
    assert {one["name"] for key in ("findings", "not_told") for one in answer[key]} == set(FINDINGS)
    for one in answer["findings"]:
        assert one.keys() >= PROMISED
        assert type(one["found"]) is bool
        assert "picture" not in one
    stakes = [(not one["found"], -one["nats"]) for one in answer["findings"]]
    assert stakes == sorted(stakes)
    assert answer["nats"] == pytest.approx(sum(one["nats"] for one in answer["findings"]))
    assert all(one["why"] for one in answer["not_told"])
    kept = folder_of(folder / "digits", answer["weights"])
    before = {file.name: file.stat().st_mtime_ns for file in kept.iterdir()}
    assert json.loads(diagnose(folder, "digits", "--json")[1]) == answer  # read, not computed
    assert {file.name: file.stat().st_mtime_ns for file in kept.iterdir()} == before
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert json.loads(page.text["script"]) == answer


def test_a_spoilt_run_in_lines(tmp_path: Path) -> None:
    run = copy_of("demo-digits-8bits", tmp_path, spoilt_bits)
    code, out, error = diagnose(tmp_path, run.name)
    lines = out.splitlines()
    assert (code, error) == (0, "")
    assert "findings, " in lines[0] or "finding, " in lines[0]
    assert "nats at stake" in lines[0]
    first = next(line for line in lines if line.startswith("!"))
    assert all(len(line) <= 120 for line in lines)
    assert any("2 dead bits, 1 that copies another: 6 of 8" in line for line in lines if line.startswith("!")), first
    assert any(line.startswith("–  Is the noise level c") for line in lines)


def test_so_many_images_and_nothing_is_kept(folder: Path) -> None:
    code, out, _ = diagnose(folder, "digits", "--json", "--limit", "40")
    assert code == 0
    assert json.loads(out)["images"] == "40 held-out images of digits, of 360"
    assert not (folder / "digits/diagnosis").exists()


def test_a_folder_that_takes_nothing_is_told_and_the_findings_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "digits/diagnosis").write_text("a file where the folder should be")
    code, out, error = diagnose(folder, "digits", "--json")
    assert code == 0
    assert json.loads(out)["state"] == "finished"
    assert error.count("\n") == 1
    assert "What is found is shown, and not kept." in error


@pytest.mark.parametrize("limit", [(), ("--limit", "50")])
def test_ctrl_c_keeps_what_is_there(folder: Path, limit: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Finding):
        name, question, seconds = "interrupted", "Does it end?", 100.0

        def find(self, case: Case) -> Found:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                case.progress(0.5, "waiting")

    monkeypatch.setitem(FINDINGS, "interrupted", Interrupted())
    code, out, _ = diagnose(folder, "digits", "--json", *limit)
    answer = json.loads(out)
    assert (code, answer["state"]) == (130, "stopped")
    assert {one["name"] for key in ("findings", "not_told") for one in answer[key]} == set(FINDINGS) - {"interrupted"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nobody",), "no run named"),
        (("digits", "--limit", "0"), "limit: expected 1 or more"),
        (("digits", "--html", "no/such/folder/x.html"), "make it first"),
        (("digits", "--html", "."), "html: expected a file"),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, arguments: tuple[str, ...], why: str) -> None:
    code, out, error = diagnose(folder, *arguments)
    assert (code, out) == (2, "")
    assert why in error
    assert error.count("\n") == 1


# ---- the report


def report_of(folder: Path, **results: Result) -> tuple[Page, str]:
    run = load_run(folder / "digits")
    run.data["name"] = "<script>alert('data')</script>"
    html = report_html(run, Diagnosis(DiagnosisStatus("finished", weights="a" * 64, source="9 <i>"), results))
    return Page(html), html


def test_the_report_fetches_nothing_runs_nothing_and_escapes_what_others_wrote(folder: Path) -> None:
    evil: dict[str, Any] = vars(TOLD) | {"title": "<img src=x onerror=alert(1)>", "shown": "1 </script><script>2"}
    page, html = report_of(
        folder,
        holes=Result("holes", "<b>Any?</b>", Found(**evil)),
        bits=Result("bits", "Bits?", why_not="<iframe>"),
        knows=Result("knows", "What?", failed="</script>"),
    )
    kinds = {tag for tag, _ in page.elements}
    assert not kinds & {"iframe", "img", "link", "b", "i", "a", "form", "object", "embed", "base"}
    assert [attributes.get("type") for tag, attributes in page.elements if tag == "script"] == ["application/json"]
    policy = next(a["content"] for tag, a in page.elements if tag == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    for _, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "href") or str(value).startswith("data:")
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert json.loads(page.text["script"])["findings"][0]["title"] == evil["title"]
    assert SVG in html


def test_every_picture_is_in_the_report_as_it_is_drawn(folder: Path) -> None:
    diagnose(folder, "digits", "--html", str(folder / "report.html"))
    html = (folder / "report.html").read_text(encoding="utf-8")
    pictures = [piece.split("</div>")[0] for piece in html.split('<div class="picture">')[1:]]
    figures = [list(ElementTree.fromstring(f"<p>{picture}</p>")) for picture in pictures]
    drawn = [svg for some in figures for svg in some]
    assert len(drawn) >= 4
    assert max(map(len, figures)) == 2  # a picture, and the detail of it
    assert all(one.attrib["aria-label"] for one in drawn)
    for words in ("light-dark(", "@media print", "max-width: 46rem"):
        assert words in html


def test_lines_report_and_json_say_the_same(folder: Path) -> None:
    run = load_run(folder / "digits")
    diagnosis = Diagnosis(
        DiagnosisStatus("stopped", weights="a" * 64, seconds=3.0), {"holes": Result("holes", "?", TOLD)}
    )
    lines, values = "\n".join(diagnosis_lines(run, diagnosis)), diagnosis_json(run, diagnosis)
    html = report_html(run, diagnosis)
    for words in (TOLD.shown, TOLD.sentence, "digits: 1 finding, 2.0 nats at stake", "stopped: 1 findings asked"):
        assert words in lines
        assert words in html
    assert values["findings"][0]["shown"] == TOLD.shown
    assert values["findings"][0]["at_most"] == 9.8
    assert "9.8 nats" in html
