"""Asks a run the findings, one after the other, the quickest first."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator

from vae.diagnosis.case import Case, Stopped
from vae.diagnosis.finding import Finding
from vae.diagnosis.findings import FINDINGS
from vae.diagnosis.results import Result
from vae.errors import ElboRoomError, is_out_of_memory

Notify = Callable[[Finding, float, str], None]  # the finding in hand, share of all work, words; may raise Stopped


def in_turn(done: Collection[str] = ()) -> list[Finding]:
    """Returns the findings that are not done yet, the quickest first."""
    return sorted((one for one in FINDINGS.values() if one.name not in done), key=lambda one: one.seconds)


def results_of(case: Case, findings: list[Finding], notify: Notify = lambda *_: None) -> Iterator[Result]:
    """Yields what each finding tells of the run. A finding that fails says so; the others go on. Raises Stopped where
    `notify` does."""
    whole, before, furthest = sum(one.seconds for one in findings), 0.0, 0.0
    for finding in findings:

        def progress(fraction: float, words: str, finding: Finding = finding, before: float = before) -> None:
            nonlocal furthest  # a finding that goes over the images twice does not go back
            furthest = max(furthest, (before + finding.seconds * min(1.0, fraction)) / whole)
            notify(finding, furthest, words)

        case.progress = progress
        progress(0.0, "")
        yield result_of(case, finding)
        before += finding.seconds


def result_of(case: Case, finding: Finding) -> Result:
    """Returns what one finding tells of the run, or why it tells nothing. Raises Stopped where `case.progress` does."""
    began = time.monotonic()
    name, question = finding.name, finding.question
    try:
        why_not = finding.why_not(case)
        if why_not:
            return Result(name, question, why_not=why_not)
        found = finding.find(case)
    except Stopped:
        raise
    except ElboRoomError as error:
        return Result(name, question, failed=str(error))
    except Exception as error:  # a fault of one finding leaves the others
        if is_out_of_memory(error):
            return Result(name, question, failed="Out of memory; fewer images take less: --limit.")
        traceback.print_exc()
        return Result(name, question, failed=f"This finding has a fault: {type(error).__name__}: {str(error)[:200]}")
    return Result(name, question, found, seconds=round(time.monotonic() - began, 3))
