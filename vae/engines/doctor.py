"""Does an engine work here? Reached, one shared folder, the same versions, a run of one step: each with what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from vae import runs
from vae.checked_json import Misfit, read_json
from vae.config import Config
from vae.engines import batches, probe
from vae.engines.base import Engine
from vae.engines.engines import chosen, make_engine
from vae.engines.scheduled import ScheduledEngine
from vae.engines.states import tail
from vae.errors import ElboRoomError, EngineError
from vae.files import sha256

PATIENCE = 180.0  # seconds for a job of one question, and for a run of one step
MOST_SKEW = 5.0  # seconds between two machines' clocks
ONE_STEP = {"dataset": "digits", "epochs": 1, "batch_size": 1437, "hidden": (8,), "latent_dim": 2, "threads": 1}


REMEDIES = {
    "reached": "mend what the sentence names, in the settings or on the cluster",
    "a job": "`setup` and `python` in the settings decide which python a job gets; the project and the runs must lie "
    "under the same paths there",
    "shared folder": "the folder of runs must be one network folder, mounted under the same path",
    "versions": "install the same requirements on both, or point `python` and `setup` at one environment: else runs do "
    "not repeat bit for bit",
    "clocks": "have both machines keep time (chrony, ntpd): ages of runs are compared across them",
    "a run": "the last lines are its log; `doctor` without --engine says what this machine has",
}


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, whether it is well, what was found."""

    name: str
    well: bool
    found: str

    @property
    def remedy(self) -> str:
        """What to do; "" where all is well."""
        return "" if self.well else REMEDIES[self.name]


def examine(name: str | None, root: Path | None = None, patience: float = PATIENCE) -> Iterator[Check]:
    """Yields a check after the other; what depends on one that failed is left out."""
    root = (root or runs.runs_root()).resolve()
    try:
        name = chosen(name)
        engine = make_engine(name, root)
        yield Check("settings", True, f"{name}, for the runs in {root}")
        if isinstance(engine, ScheduledEngine):
            yield Check("reached", True, engine.scheduler.check())
        else:
            yield Check("reached", True, "this machine")
    except ElboRoomError as error:
        yield Check("reached", False, str(error).rstrip("."))
        return
    try:
        told, digest, came = _ask(engine, root, patience)
    except (ElboRoomError, OSError) as error:
        yield Check("a job", False, str(error).rstrip("."))
        return
    yield from _compare(told, digest, came)
    yield _one_step(engine, root, patience)


def _ask(engine: Engine, root: Path, patience: float) -> tuple[dict[str, Any], str, tuple[float, float]]:
    """The answers of one job, the digest that they should name, and between which moments they came."""
    root.mkdir(parents=True, exist_ok=True)
    (root / batches.FOLDER).mkdir(exist_ok=True)
    question = os.urandom(4096)
    folder = root / batches.FOLDER / f"probe-{sha256(question)[:8]}"
    folder.mkdir()
    (folder / probe.QUESTION).write_bytes(question)
    kind = engine.scheduler.name if isinstance(engine, ScheduledEngine) else "local"
    batch = batches.create(root, kind, [[]], folder.name)
    try:
        with FileLock(str(folder / probe.LOCK)).acquire(timeout=5):
            told, before = _answer(engine, batch, folder / probe.ANSWER, patience)
        return told, sha256(question), (before, time.time())
    finally:
        batch.forget()
        shutil.rmtree(folder, ignore_errors=True)


def _answer(engine: Engine, batch: batches.Batch, file: Path, patience: float) -> tuple[dict[str, Any], float]:
    """What the job answers, and a moment at which there was no answer yet."""
    looked = before = time.time()
    if not isinstance(engine, ScheduledEngine):
        with contextlib.suppress(subprocess.TimeoutExpired):  # then there is no answer
            command = [sys.executable, "-m", "vae.engines.job", str(batch.file), "0"]
            subprocess.run(command, timeout=patience, check=False)
        return _read(file, ""), before
    batch = batch.change(jobs=tuple(engine.scheduler.send(batch)))
    end = time.monotonic() + patience
    words = ""
    while not file.is_file():
        before = looked
        seen = engine.scheduler.look().get(batch.jobs[0])
        words = seen.words if seen else "is not known"
        if (seen is not None and seen.state == "ended" and not _late(file)) or time.monotonic() > end:
            printed = tail(batch.output(0)) or engine.scheduler.log_tail(batch.jobs[0])
            engine.scheduler.cancel(batch.jobs)
            raise EngineError(f"job {batch.jobs[0]} {words} and left no answer. It printed: {printed or 'nothing'}")
        time.sleep(0.3)
        looked = time.time()
    return _read(file, words), before


def _late(file: Path) -> bool:
    """A network folder may show a file some seconds after the job that wrote it."""
    end = time.monotonic() + 5.0
    while not file.is_file() and time.monotonic() < end:
        time.sleep(0.2)
    return file.is_file()


def _read(file: Path, words: str) -> dict[str, Any]:
    try:
        return read_json(file, probe.CHECKED)
    except (FileNotFoundError, Misfit) as error:
        raise EngineError(f"the job left no answer that can be read ({error}) {words}".strip()) from None


def _compare(told: dict[str, Any], digest: str, came: tuple[float, float]) -> Iterator[Check]:
    same = told["digest"] == digest
    yield Check("shared folder", same, f"{told['host']} reads {'the same' if same else 'other'} bytes")
    pairs = {name: (here, told["versions"].get(name, "none")) for name, here in probe.versions().items()}
    differ = [f"{name} {here} here, {there} there" for name, (here, there) in pairs.items() if here != there]
    yield Check("versions", not differ, "; ".join(differ) or "equal")
    held = "held across machines" if told["lock_seen"] else (
        "not held across machines: signs of life in the status of a run decide, and the place of a dead one is free "
        f"after {runs.HEARTBEAT_LIMIT:.0f} s"
    )  # fmt: skip
    yield Check("locks", True, held)
    skew = max(came[0] - told["time"], told["time"] - came[1], 0.0)  # an answer that was long on its way is none
    yield Check("clocks", skew < MOST_SKEW, f"{skew:.1f} s apart, as far as one answer tells")


def _one_step(engine: Engine, root: Path, patience: float) -> Check:
    from vae.datasets import describe
    from vae.training.defaults import complete

    config, _ = complete(Config(**ONE_STEP), describe("digits"))  # type: ignore[arg-type]
    info = describe("digits", binarize=config.binarize or "none")
    path = runs.create_run(config, info.to_json(), "doctor", root)
    began = time.monotonic()
    try:
        with contextlib.closing(engine):
            engine.submit(path)
            while _goes_on(engine, path) and time.monotonic() - began < patience:
                time.sleep(0.2)
            status, seconds = runs.read_status(path), time.monotonic() - began
            if status.state == "finished":
                return Check("a run", True, f"one step and its measures in {seconds:.1f} s, the queue included")
            words = status.message or engine.state(path).words or status.state
            engine.stop(path)
            return Check("a run", False, f"after {seconds:.0f} s: {words}\n{engine.log_tail(path)}".strip())
    except ElboRoomError as error:
        return Check("a run", False, str(error).rstrip("."))
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _goes_on(engine: Engine, path: Path) -> bool:
    """Whether the run has not ended, or its scheduler not heard of that."""
    return runs.read_status(path).state not in runs.ENDED or bool(engine.state(path).words)
