"""What a diagnosis has found, kept with the run and keyed by the weights, so that it is there at once the next time:

    diagnosis/1a2b3c4d/
        status.json    a DiagnosisStatus, replaced as the work goes on
        NAME.json      what the finding of that name tells, or why it tells nothing
        NAME.npz       its arrays, for pages: scores, histograms; there before NAME.json is
        stop           its presence asks the diagnosis to end with what it has
        lock           held by the process that works there; log.txt: what that process printed

Results appear one by one, the quickest first (`vae.diagnosis.process`). Those that another VERSION of the findings has
left count as absent. Every file is read as a stranger's.
"""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae import runs
from vae.checked_json import (
    Check,
    Misfit,
    either,
    fields,
    flag,
    items,
    named,
    number,
    one_of,
    optional,
    read_bytes,
    read_json,
    text,
    whole,
)
from vae.diagnosis.finding import Advice, Found
from vae.diagnosis.picture import safe_svg
from vae.errors import RunBusy, RunDamaged, RunError
from vae.files import TEMPORARY, insist, what_helps, write_atomically, write_json
from vae.runs.checked_arrays import read_arrays

VERSION = 2  # of what findings compute and say; raised with it: results of another version are computed anew
FOLDER = "diagnosis"
KEPT = 3  # diagnoses of older weights that stay
WORKING = ("starting", "working")
PATIENCE = {"starting": runs.START_LIMIT, "working": 1.0}  # seconds without a process after which it has died
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST_RESULT, MOST_ARRAYS, MOST_RESULTS = 4 << 20, 1 << 28, 100  # bytes, bytes, files


@dataclass
class DiagnosisStatus:
    """What became of a diagnosis, or how far it is. `message` is a sentence for the user, empty when all is well."""

    state: str = "absent"  # absent | starting | working | finished | stopped | failed
    finding: str = ""  # the name of the one in hand
    fraction: float = 0.0  # of all the work, by the seconds that each finding says it takes
    words: str = ""  # what is being done just now
    done: int = 0  # findings
    total: int = 0
    seconds: float = 0.0
    weights: str = ""  # SHA-256
    source: str = ""  # the images: "10,000 held-out images of mnist"
    message: str = ""
    version: int = VERSION  # of the findings


@dataclass(frozen=True)
class Result:
    """What one finding tells of one run; `why_not`: why it does not apply there; `failed`: why it could not tell."""

    name: str
    question: str
    answer: Found | None = None
    why_not: str = ""
    failed: str = ""
    seconds: float = 0.0

    @property
    def order(self) -> tuple[float, ...]:
        """What results are sorted by: found before not found, by nats at stake; then those that tell nothing."""
        if self.answer is None:
            return (3.0 if self.failed else 2.0, 0.0)
        return (0.0 if self.answer.found else 1.0, -self.answer.nats)


@dataclass(frozen=True)
class Diagnosis:
    """All that is known of one run's weights."""

    status: DiagnosisStatus
    results: dict[str, Result] = field(default_factory=dict)

    def sorted(self) -> list[Result]:
        """Returns the results, those found first and by nats at stake."""
        return sorted(self.results.values(), key=lambda result: (*result.order, result.name))

    @property
    def nats(self) -> float:
        """At stake in all that was found, per image."""
        answers = [result.answer for result in self.results.values()]
        return float(sum(answer.nats for answer in answers if answer and answer.found))


def _json_value(value: Any) -> Any:
    """Takes numbers, texts, flags, nothing, and lists and objects of them."""
    return either(flag, number(), optional(text()), items(_json_value), named(_json_value))(value)


def _picture(value: Any) -> str:
    return safe_svg(text(MOST_RESULT)(value))


def _page(value: Any) -> str:
    name = text(40)(value)
    if not NAME.fullmatch(name):
        raise Misfit(f"expected the name of a page, got {name!r}")
    return name


STATUS = fields(
    state=one_of("absent", *WORKING, "finished", "stopped", "failed"),
    finding=text(40),
    fraction=number(0, 1),
    words=text(),
    done=whole(),
    total=whole(),
    seconds=number(0),
    weights=text(64),
    source=text(),
    message=text(100_000),
    version=whole(),
)
ADVICE = fields(("words", "page"), words=text(200), page=_page, query=named(text(), 100))
FOUND: Check[dict[str, Any]] = fields(
    ("found", "title", "shown", "sentence"),
    found=flag,
    title=text(),
    shown=text(),
    sentence=text(),
    value=optional(number()),
    unit=text(80),
    standard_error=optional(number(0)),
    threshold=optional(number()),
    source=text(),
    nats=number(0),
    at_most=optional(number()),
    n=optional(whole()),
    advice=items(ADVICE, 20),
    picture=_picture,
    detail=_picture,
    numbers=named(_json_value),
)
RESULT = fields(
    ("question",),
    question=text(),
    answer=optional(FOUND),
    why_not=text(),
    failed=text(100_000),
    seconds=number(0),
)


def folder_of(path: Path, sha: str, kind: str = FOLDER) -> Path:
    """Returns where the diagnosis of these weights lies, or would; `kind`: what else is kept in the same way."""
    return path / kind / sha[:8]


def read_diagnosis(folder: Path) -> Diagnosis:
    """Returns what is known by now; a file that cannot be read stands as a result that failed. What another version of
    the findings has left is as if it were not there."""
    status = read_status(folder)  # before the results: what it calls finished is whole
    if status.version != VERSION:
        return Diagnosis(DiagnosisStatus())
    try:
        names = sorted(file.stem for file in folder.glob("*.json") if NAME.fullmatch(file.stem))
    except OSError:
        names = []
    return Diagnosis(status, {name: read_result(folder, name) for name in names[:MOST_RESULTS] if name != "status"})


def read_status(folder: Path) -> DiagnosisStatus:
    """Returns the status as it is now. What a process that died had found stays: it counts as stopped."""
    try:
        values = read_json(folder / "status.json", STATUS)
    except FileNotFoundError:
        return DiagnosisStatus()
    except Misfit as error:
        return DiagnosisStatus("failed", message=f"status.json cannot be read ({error}); ask for the diagnosis again")
    values.setdefault("version", 1)  # the first one did not say
    status = DiagnosisStatus(
        **{f.name: values[f.name] for f in dataclasses.fields(DiagnosisStatus) if f.name in values}
    )
    patience = PATIENCE.get(status.state, 0.0)
    if status.state in WORKING and not runs.is_locked(folder) and _age(folder / "status.json") > patience:
        status.state = "stopped"
        status.message = "The process that worked on it ended unexpectedly; ask again to go on from what it has found."
    return status


def read_result(folder: Path, name: str) -> Result:
    """Returns one finding's result without its arrays; one that cannot be read has failed, and says why."""
    try:
        values = read_json(folder / f"{name}.json", RESULT, MOST_RESULT)
    except (Misfit, FileNotFoundError) as error:
        return Result(name, "", failed=f"{name}.json cannot be read ({error}); ask for the diagnosis again")
    answer = values.get("answer")
    known = {f.name for f in dataclasses.fields(Found)}
    if answer is not None:
        advice = tuple(Advice(one["words"], one["page"], one.get("query", {})) for one in answer.get("advice", []))
        answer = Found(**{k: v for k, v in answer.items() if k in known and k != "arrays"} | {"advice": advice})
    words = {key: values.get(key, "") for key in ("question", "why_not", "failed")}
    return Result(name, answer=answer, seconds=values.get("seconds", 0.0), **words)


def read_result_arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    """Returns the arrays of one finding, none where it keeps none. RunDamaged where they cannot be read."""
    try:
        return read_arrays(read_bytes(folder / f"{name}.npz", MOST_ARRAYS))
    except FileNotFoundError:
        return {}
    except Misfit as error:
        raise RunDamaged(f"{name}.npz cannot be read ({error}); ask for the diagnosis again") from None


def answer_json(found: Found) -> dict[str, Any]:
    """Returns all of a Found but its arrays, as JSON values."""
    values = {f.name: getattr(found, f.name) for f in dataclasses.fields(found) if f.name != "arrays"}
    return values | {"advice": [dataclasses.asdict(one) for one in found.advice]}


def write_result(folder: Path, result: Result) -> None:
    """Keeps one result, its arrays first. Raises OSError; ValueError for a number that is not finite."""
    arrays = result.answer.arrays if result.answer else {}
    if arrays:
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
        write_atomically(folder / f"{result.name}.npz", packed.getvalue(), durable=False)
    values = {f.name: getattr(result, f.name) for f in dataclasses.fields(result) if f.name != "name"}
    values["answer"] = None if result.answer is None else answer_json(result.answer)
    write_json(folder / f"{result.name}.json", values, durable=False)


def forget_result(folder: Path, name: str) -> None:
    """Deletes one result, its arrays last."""
    for file in (folder / f"{name}.json", folder / f"{name}.npz"):
        insist(file.unlink, missing_ok=True)


def request_diagnosis(path: Path, sha: str, again: bool = False, kind: str = FOLDER) -> Path:
    """Prepares the folder of these weights for a process to work in and returns it; what it holds already is kept, but
    with `again`, or where another version of the findings left it. Older weights' diagnoses beyond the newest few go.

    Raises RunBusy while a process works there, RunError where the run's folder cannot be written.
    """
    folder = folder_of(path, sha, kind)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = acquire(folder)
        try:
            clear_leftovers(folder)
            insist((folder / "stop").unlink, missing_ok=True)
            anew = again or read_status(folder).version != VERSION
            for file in list(folder.glob("*.json")) if anew else []:
                forget_result(folder, file.stem)
            write_json(folder / "status.json", dataclasses.asdict(DiagnosisStatus("starting", weights=sha)))
            _forget_older(folder)
        finally:
            lock.release()
    except OSError as error:
        raise RunError(
            f"run {path.name!r}: the {kind} cannot be kept in {path.name}/{kind} "
            f"({error.strerror}); {what_helps(error)}"
        ) from None
    return folder


def stop_diagnosis(folder: Path) -> None:
    """Asks the process that works there to end with what it has."""
    if folder.is_dir():
        (folder / "stop").touch()


def acquire(folder: Path) -> Any:
    """Makes this the process that works there; returns the lock. Raises RunBusy, and OSError where it cannot be."""
    lock = runs.run_lock(folder)
    try:
        lock.acquire(timeout=2)  # a reader that probes the lock holds it for a moment
    except TimeoutError:
        raise RunBusy(f"run {folder.parents[1].name!r} is being diagnosed already; wait for it, or stop it") from None
    return lock


def clear_leftovers(folder: Path) -> None:
    """Deletes what killed processes left half written in a folder whose lock we hold."""
    for file in folder.iterdir():
        if TEMPORARY.fullmatch(file.name):
            insist(file.unlink, missing_ok=True)


def _forget_older(folder: Path) -> None:
    others = [other for other in folder.parent.iterdir() if other != folder and other.is_dir()]
    for old in sorted(others, key=lambda other: _modified(other / "status.json"), reverse=True)[KEPT:]:
        if not runs.is_locked(old):
            shutil.rmtree(old, ignore_errors=True)


def _age(file: Path) -> float:
    return time.time() - _modified(file)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
