"""What the Diagnose page says, and of which weights: pure functions of what lies on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae.diagnosis.report import headline
from vae.diagnosis.results import FOLDER, WORKING, Diagnosis, Result, folder_of, read_diagnosis
from vae.runs import Run

FEW = 8  # numbers of a list that are written out


@dataclass(frozen=True)
class Shown:
    """The diagnosis that the page shows: that of the newest weights, or, `stale`, of the newest ones that have any."""

    folder: Path
    diagnosis: Diagnosis
    stale: bool

    @property
    def working(self) -> bool:
        return self.diagnosis.status.state in WORKING


def shown_of(path: Path, sha: str) -> Shown:
    """Returns what there is to show of a run whose newest weights are `sha`; else an absent diagnosis."""
    folder = folder_of(path, sha)
    diagnosis = read_diagnosis(folder)
    if diagnosis.status.state == "absent":
        for older in _newest_first(path / FOLDER):
            found = read_diagnosis(older)
            if older != folder and (found.results or found.status.state in WORKING):
                return Shown(older, found, stale=True)
    return Shown(folder, diagnosis, stale=diagnosis.status.weights not in ("", sha))


def _newest_first(folder: Path) -> list[Path]:
    try:
        dated = [(one.stat().st_mtime, one) for one in folder.iterdir() if one.is_dir()]
    except OSError:
        return []
    return [one for _, one in sorted(dated, reverse=True)]


def verdict(run: Run, diagnosis: Diagnosis) -> str:
    """Returns the page's title: "demo-mnist-10d: 3 findings, 5.1 nats at stake"."""
    working = diagnosis.status.state in WORKING
    if not any(result.answer for result in diagnosis.results.values()):
        return f"{run.name}: {'looking' if working else 'nothing known yet'}"
    return f"{headline(run, diagnosis)}{' so far' if working else ''}"


def facts_line(shown: Shown) -> str:
    """Returns "10,000 held-out images of mnist · 38 s, kept with these weights"."""
    status = shown.diagnosis.status
    if not shown.diagnosis.results:
        return ""
    spent = sum(result.seconds for result in shown.diagnosis.results.values())
    time = f"{spent:.0f} s" if spent >= 9.5 else f"{max(0.1, spent):.1f} s"
    kept = f"{time}, kept with {'older' if shown.stale else 'these'} weights ({shown.folder.name})"
    return f"{status.source} · {kept}" if status.source else kept


def parts_of(diagnosis: Diagnosis) -> tuple[list[Result], list[Result]]:
    """Returns the results that are rows, what was found first and by nats, and those that do not apply."""
    results = diagnosis.sorted()
    return [one for one in results if not one.why_not], [one for one in results if one.why_not]


def detail_rows(result: Result) -> dict[str, str]:
    """Returns what a finding's details list: names and values."""
    answer = result.answer
    if answer is None:
        return {}
    error = "" if answer.standard_error is None else f" ± {_figure(answer.standard_error)}"
    most = "" if answer.at_most is None else f", at most {_figure(answer.at_most)}"
    rows = {"Question": result.question}
    if answer.value is not None:
        rows["Value"] = f"{_figure(answer.value)}{error}{most} {answer.unit}"
    if answer.threshold is not None:
        rows["Threshold"] = f"{_figure(answer.threshold)} {answer.unit}"
    rows |= {"Protocol and source": answer.source} if answer.source else {}
    rows |= {"At stake": f"{_figure(answer.nats)} nats per image"} if answer.nats else {}
    rows |= {"Rests on": f"{answer.n:,}"} if answer.n is not None else {}
    rows |= {name.replace("_", " "): _value(value) for name, value in answer.numbers.items()}
    return rows | {"Computed in": f"{result.seconds:.1f} s"}


def _figure(value: float) -> str:
    """Four digits of a number, as few as it has."""
    size = abs(value)
    text = f"{value:,.0f}" if size >= 999.5 else f"{value:.4g}"
    return text.replace("-", "−")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _figure(value)
    if isinstance(value, list):
        more = f", … ({len(value):,} in all)" if len(value) > FEW else ""
        return ", ".join(_value(one) for one in value[:FEW]) + more
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_value(one)}" for name, one in list(value.items())[:FEW])
    return "–" if value is None else str(value)
