"""What every finding keeps to, on every run that it applies to; see tests/vae/contracts.py."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import time
from pathlib import Path

import numpy as np
import pytest

from ui.explore.modes import MODES
from ui.train.copying import SETTINGS
from vae.diagnosis.case import Case, Stopped
from vae.diagnosis.finding import Finding
from vae.diagnosis.picture import safe_svg
from vae.diagnosis.results import Result, answer_json, read_result, read_result_arrays, write_result
from vae.runs import Run

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
TAKEN = {"train": {"from", *SETTINGS}, "explore": {"mode"}, "map": {"colour"}}  # of an address, by page
PAGES = {file.stem for file in (Path(__file__).resolve().parents[2] / "pages").glob("*.py")}


def finding_says_what_it_is(finding: Finding) -> None:
    """A page lists it before it is computed."""
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,39}", finding.name)
    assert finding.name != "status"  # a file of the folder
    assert finding.question.endswith("?")
    assert finding.seconds > 0


def finding_keeps_its_word(finding: Finding, run: Run, folder: Path) -> bool:
    """Returns whether it applies to the run. What it tells is whole: finite, in words that hold its number, with a
    picture that is plain SVG; it comes back from disk as it was."""
    case = Case(run)
    why_not = finding.why_not(case)
    if why_not:
        assert why_not[0].isupper()
        assert why_not[-1] in ".!”?"
        return False
    told = finding.find(case)
    values = json.loads(json.dumps(answer_json(told), allow_nan=False))
    for words in (told.title, told.shown, told.sentence):
        assert words.strip() == words != ""
    assert told.sentence.endswith(".")
    first = NUMBER.search(told.shown)
    assert first, told.shown
    assert first[0] in told.sentence, (told.shown, told.sentence)
    assert told.nats >= 0
    assert told.found or told.nats == 0
    for value in (told.nats, told.value, told.standard_error, told.threshold, told.at_most):
        assert value is None or math.isfinite(value)
    assert told.threshold is None or (told.value is not None and told.source)
    assert safe_svg(told.picture).startswith("<svg ")
    assert 'role="img"' in told.picture
    assert safe_svg(told.detail) == told.detail
    for one in told.advice:
        assert one.page in PAGES
        assert one.words[0].isupper()
        assert one.address(run.name).get("run", one.query.get("from")) == run.name
        assert one.query.keys() <= TAKEN[one.page]
        assert one.query.get("colour") in (None, "hole", "label")
        assert one.query.get("mode") in (None, *MODES)
        for name in one.query.keys() & SETTINGS.keys():
            dataclasses.replace(run.config, **{name: SETTINGS[name](one.query[name])})
    write_result(folder, Result(finding.name, finding.question, told))
    kept = read_result(folder, finding.name)
    assert kept.answer is not None, kept.failed
    assert json.loads(json.dumps(answer_json(kept.answer))) == values
    arrays = read_result_arrays(folder, finding.name)
    assert arrays.keys() == told.arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, told.arrays[name])
    return True


def finding_tells_the_same_again(finding: Finding, run: Run) -> None:
    """Whatever was asked before, and by whom."""
    first, again = (finding.find(Case(run)) for _ in range(2))
    assert answer_json(again) == answer_json(first)
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


def finding_lets_itself_be_stopped(finding: Finding, run: Run) -> None:
    """Between two looks at whether to stop lies no more than a second of computing; Stopped comes through."""
    looks = [time.process_time()]
    finding.find(Case(run, lambda *_: looks.append(time.process_time())))
    assert max(np.diff([*looks, time.process_time()])) < 1.0
    told = len(looks) - 1

    def stop(fraction: float, words: str) -> None:
        raise Stopped

    if told:
        with pytest.raises(Stopped):
            finding.find(Case(run, stop))
