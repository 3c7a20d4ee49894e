"""A process that trains one run, or several: `python -m vae.engines.worker RUN_DIR [RUN_DIR …]`.

It reads each run's config and knobs, writes its history, status, preview and checkpoints, and nothing else: the run
directory is the only interface. Several that differ only in C, seed and learning rate train as one batched step where
that pays, else one after the other. `--spare` imports torch first and waits for the RUN_DIR on standard input, so that
a start costs nothing. Standard input held open means that whoever started the process lives; at its end the worker
saves and ends.

Nothing of a run changes before everything is checked (`vae.runs.start`). Exit status 0: the run is in a state that
status.json tells; DISK_FULL: it could not be written; 1: the run is another process's. Anything else is a crash.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.engines.endings import StoppedBeforeTraining, record_failure, record_refusal
from vae.engines.parent import Parent
from vae.engines.streams import read_line, write_plainly, write_to_log
from vae.engines.warm_start import in_order, start_warm
from vae.errors import ElboRoomError, RunDamaged, RunUnwritable, is_out_of_memory
from vae.files import DISK_FULL, is_full, write_json
from vae.machine import let_idle_threads_sleep
from vae.runs.start import (
    REPLAY,
    Request,
    Start,
    clear_leftovers,
    mark_waiting,
    plan,
    request_of,
    unpack_state,
    write_request,
)

if TYPE_CHECKING:
    from vae.datasets import Dataset
    from vae.runs.live_knobs import Replay

STATUS_EVERY = 0.25
PREVIEW_EVERY = 0.2
SAVE_EVERY = 5.0
STATE = runs.STATE
WEIGHTS = runs.WEIGHTS
JOB = "ELBO_ROOM_JOB"  # set where a cluster's scheduler may give a run to a second machine, unsure of the first
LEFT = "The server ended while it waited; continue resumes it from step"
Planned = tuple[Path, Start, runs.Status]


class Worker:
    """Trains the run in `path` until its end, a stop, or the end of the process that asked for it."""

    def __init__(
        self, path: Path, start: Start, status: runs.Status, server_gone: Parent, other: Worker | None = None
    ) -> None:
        """`status`: as `mark_waiting` left it. `other`: one whose data are ours too, so that they are in memory once.

        Reads and checks all, and writes nothing but signs of life; `begin` makes the changes.
        """
        from vae.runs.live_knobs import LiveKnobs
        from vae.training.trainer import Trainer

        self.path, self.start, self.note, self.begun = path, start, start.note, False
        self.first_lines: list[dict[str, Any]] = []  # of the history
        self.status, self.config, self.server_gone = status, start.here, server_gone
        self.contested = JOB in os.environ or not runs.lock_holds(path)  # another process may come to have the run
        data = runs.read_config(path)[1]
        dataset = self._load(data) if other is None else other.trainer.dataset
        self.data = self._held_to(dataset, data)
        self.trainer: Trainer = Trainer(self.config, dataset, None if other is None else other.trainer.images)
        self.kept_bytes, self.replay = self._resume()
        self.knobs = LiveKnobs(path, self.trainer, self.replay, self.beat)
        self.knobs.server_gone = server_gone
        self.pace: deque[tuple[float, int]] = deque(maxlen=20)
        self.status_at = self.preview_at = 0.0
        self.save_at = time.monotonic() + SAVE_EVERY

    def begin(self) -> None:
        """Begins, now that nothing can refuse any more: drops from the history what will be measured again, changes the
        config if that was asked for, and says so."""
        if self.contested:  # of two that started in one moment, who wrote its status last goes on
            runs.insist_on_ours(self.path)
        if (self.path / STATE).is_file():
            write_json(self.path / REPLAY, dataclasses.asdict(self.replay))  # before the lines it is made from go
        if self.kept_bytes is not None:
            runs.truncate_history(self.path, self.kept_bytes)
        self._record_machine()
        for line in self.first_lines:
            runs.append_history(self.path, line)
        if (self.start.config, self.data) != runs.read_config(self.path):
            runs.replace_config(self.path, self.start.config, self.data)
        write_request(self.path, None)
        self.begun, self.status.ended_as, self.status.ended_message = True, "", ""
        self.status.ended_knobs = None
        self.status.total_steps = self.trainer.total_steps
        self._write_status()

    def _record_machine(self) -> None:
        """A line of the history where the run begins, and where it goes on on something else."""
        from vae.runs.saving import started

        line = started(self.config, self.trainer.step)
        before = [line for line in runs.read_history(self.path) if line.get("event") == "started"][-1:]
        if not before or {**before[0], "step": line["step"]} != line:
            runs.append_history(self.path, line)

    def _load(self, data: dict[str, Any]) -> Dataset:
        from vae.runs.run_data import load_data

        return load_data(self.path.name, self.config, data, self._progress)

    def _held_to(self, dataset: Dataset, data: dict[str, Any]) -> dict[str, Any]:
        """The description of the run's data; from the next step on the run belongs to these, by their digest. A shipped
        one was trained on others' copy, and is held to what it knows."""
        from vae.runs.run_data import hold_to

        hold_to(self.path.name, self.config, data, dataset.info)
        known = data.get("digest") is not None or runs.is_shipped(self.path)
        return data if known else {**data, "digest": dataset.info.digest}

    def _progress(self, fraction: float, text: str) -> None:
        if runs.read_knobs(self.path).stop:
            raise StoppedBeforeTraining
        if time.time() - self.status.heartbeat > STATUS_EVERY:
            self.status.message = f"{text} ({fraction:.0%})"
            self._write_status()

    # ---- continuing

    def _resume(self) -> tuple[int | None, Replay]:
        """Load the newest state, if there is one: the bytes of the history that stay (None: all), and the changes of
        knobs that come again."""
        from vae.runs.live_knobs import Replay

        if not (self.path / STATE).is_file():
            if (self.path / WEIGHTS).is_file():
                self._start_from_weights()
                return None, Replay()
            self.first_lines = start_warm(self)
            return 0, Replay()
        tensors, values = unpack_state(runs.read_checked(self.path, STATE), self.path.name)
        try:
            self.trainer.load_state(tensors, values)
            kept, beyond = runs.split_history(self.path, values["history_bytes"])
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            raise RunDamaged(f"run {self.path.name!r}: {STATE} does not fit its config ({error})") from None
        return values["history_bytes"], self._replay(kept, beyond)

    def _start_from_weights(self) -> None:
        """A shipped run has no state: go on from its weights with a fresh optimiser, and say so."""
        run = runs.load_run(self.path)
        self.trainer.model.load_state_dict(run.model.state_dict())
        self.trainer.step = max((line["step"] for line in run.history), default=0)
        alone = "This run came without its optimiser's state: it goes on from its weights with a fresh one."
        self.note = f"{alone} {self.note}".strip()

    def _replay(self, kept: list[dict[str, Any]], beyond: list[dict[str, Any]]) -> Replay:
        """The knob changes beyond the state, those that an earlier replay had still to make among them. After a
        divergence nothing is repeated: the same steps would diverge again."""
        from vae.runs.live_knobs import Replay, read_replay

        if any(line.get("event") == "diverged" for line in beyond):
            return Replay(after=len(kept))
        old = read_replay(self.path)
        still_to_make = list(old.lines)
        for line in [*kept[old.after :], *beyond]:
            if line in still_to_make:
                still_to_make.remove(line)
        until = max([old.until, *(line["step"] for line in beyond)])
        return Replay([*(line for line in beyond if "knob" in line), *still_to_make], until, len(kept))

    # ---- the loop

    def run(self) -> Iterator[None]:
        """Trains; yields when a step was asked for, or for now none is, and leaves a final state in status.json."""
        from vae.runs.moments import TrainingMoments
        from vae.runs.saving import to_line

        trainer, knobs = self.trainer, self.knobs
        if not (self.path / STATE).is_file():
            self.save()
        self._preview()
        moments = TrainingMoments(self.path, trainer)
        if trainer.step_loss.compiled is not None:
            self.status.message = "The step is being compiled, once: about half a minute."
            self._write_status()
        for event in trainer.run(knobs):
            if event is not None:
                runs.append_history(self.path, to_line(event))
                moments.after(event)
            if event is None or getattr(event, "knob", "") == "step":
                yield  # a step that others share is computed now; a record or a change of knobs comes before the step
            self._write_what_is_due(event is not None)
        trainer.check_finite()
        self.status.state = "saving"
        self._write_status()
        self.save()
        self._preview()
        self._end()

    def _end(self) -> None:
        from vae.runs.saving import ended

        self.status.seconds_left = None
        self.status.state, self.status.message = ended(self.trainer)
        if self.status.state == "stopped" and self.server_gone.is_set() and self.server_gone.resting:
            self.status.state, self.status.message = "resting", ""
        elif self.status.state == "stopped" and self.server_gone.is_set():
            self.status.state = "interrupted"
            self.status.message = f"The server ended at step {self.trainer.step:,}; continue to resume the run."
        self._write_status()

    def _write_what_is_due(self, recorded: bool) -> None:
        """Between steps: status, preview and checkpoint, each when its time has come."""
        now = time.monotonic()
        if now - self.status_at >= STATUS_EVERY or self.knobs.revision != self.status.knobs_revision:
            self.status_at = now
            self._measure_pace(now)
            self._write_status()
        if recorded and now - self.preview_at >= PREVIEW_EVERY:
            self.preview_at = now
            self._preview()
        if now >= self.save_at:
            began = time.monotonic()
            self.trainer.check_finite()
            self.save()
            self.save_at = time.monotonic() + max(SAVE_EVERY, 50 * (time.monotonic() - began))

    def _measure_pace(self, now: float) -> None:
        trainer, status = self.trainer, self.status
        paused = self.knobs.paused
        status.state = "paused" if paused else "running"
        status.message = self.knobs.refused or self.note or trainer.slower_because
        self.pace.append((now, trainer.step))
        (then, step), steps = self.pace[0], 0.0
        if now > then:
            steps = (trainer.step - step) / (now - then)
        if paused:
            self.pace.clear()
        status.images_per_second = steps * trainer.B if steps and not paused else None
        status.seconds_left = (trainer.total_steps - trainer.step) / steps if steps and not paused else None

    def _write_status(self) -> None:
        if self.begun:
            self.status.step, self.status.epoch = self.trainer.step, self.trainer.epoch
            self.status.knobs_revision = self.knobs.revision
        if self.contested:
            runs.insist_on_ours(self.path)
        runs.write_status(self.path, self.status)

    def beat(self) -> None:
        """A sign of life from within a long evaluation."""
        if time.time() - self.status.heartbeat > 1:
            self._write_status()

    def _preview(self) -> None:
        from vae.runs.saving import save_preview

        with contextlib.suppress(PermissionError):  # somebody holds the file open for long: the next one will do
            save_preview(self.path, self.trainer)

    def save(self) -> None:
        from vae.runs.saving import save_state

        if self.contested:
            runs.insist_on_ours(self.path)
        save_state(self.path, self.trainer)


def train_runs(
    paths: Sequence[Path], server_gone: Parent | None = None, request: Request | None = None
) -> list[runs.Status]:
    """Trains the runs, as one batched step where they can share it and that pays, else one after the other; returns
    their final statuses: every expected failure becomes one, with a sentence. The end of whoever asked sets
    `server_gone`. `request`: what to change of the runs; None: what waits in their folders."""
    server_gone = server_gone or Parent()
    with contextlib.ExitStack() as locks:
        waiting = []
        for path in paths:
            before = runs.read_status(path)
            locks.callback(runs.acquire(path).release)
            waiting.append((path, before))
        marked, planned = [], []
        for path, before in waiting:
            clear_leftovers(path)
            if request is not None and before.state in runs.WAITING:  # a killed server left it so: nobody waits for us
                before = dataclasses.replace(before, state="interrupted", message=f"{LEFT} {before.step:,}.")
            with record_refusal(path):
                marked.append((path, mark_waiting(path, before, "starting", os.getpid(), request is not None)))
        for path, status in marked:
            with record_refusal(path):
                planned.append((path, plan(path, request or request_of(path)), status))
        for group in _groups(planned):
            _train_group(group, server_gone)
    return [runs.read_status(path) for path in paths]


def _groups(planned: list[Planned]) -> list[list[Planned]]:
    """Those that train as one, in order."""
    ordered, warm = in_order([path for path, _, _ in planned])
    planned = sorted(planned, key=lambda one: ordered.index(one[0]))
    if len(planned) > 1 and not warm:
        from vae.datasets import DataInfo
        from vae.training.batched_runs import worth_it

        if worth_it([start.here for _, start, _ in planned], DataInfo.from_json(runs.read_config(planned[0][0])[1])):
            return [planned]
    return [[one] for one in planned]


def _train_group(group: list[Planned], server_gone: Parent) -> None:
    workers: list[Worker] = []
    for path, start, status in group:
        with record_refusal(path):
            worker = Worker(path, start, status, server_gone, workers[0] if workers else None)
            worker.begin()
            workers.append(worker)
    working = [_guarded(worker) for worker in workers]
    if len(working) < 2:
        for one in working:
            deque(one, maxlen=0)
        return
    from vae.training.batched_runs import BatchedRuns

    try:
        together = BatchedRuns([worker.trainer for worker in workers])
    except (MemoryError, RuntimeError) as error:
        for worker in workers:
            with record_failure(worker.path):
                raise error
        return
    while working:
        working = [one for one in working if next(one, False)]
        try:
            if not together.flush():
                time.sleep(0.005)  # all wait
        except (MemoryError, RuntimeError) as error:
            working = [one for one in working if _goes_on(one, error)]


def _goes_on(one: Generator[bool], error: Exception) -> bool:
    """Raises an error of the step that all share in it; returns whether it goes on."""
    with contextlib.suppress(StopIteration):
        return one.throw(error)
    return False


def _guarded(worker: Worker) -> Generator[bool]:
    """The worker's run, True after each step; what becomes of it stands in its status."""
    with record_failure(worker.path):
        for _ in worker.run():
            yield True


def main(arguments: list[str]) -> int:
    """Trains the runs of the command line; returns the exit status."""
    let_idle_threads_sleep()
    write_plainly()
    if arguments == ["--spare"]:
        import vae.training.trainer  # noqa: F401  torch, warm

        arguments = [name for name in [read_line()] if name]
        if not arguments:
            return 0
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m vae.engines.worker RUN_DIR [RUN_DIR …] | --spare", file=sys.stderr)
        return 2
    paths = [Path(argument) for argument in arguments]
    for path in paths:
        if not (path / "config.json").is_file():
            print(f"{path}: expected the directory of a run, with its config.json", file=sys.stderr)
            return 2
    write_to_log(paths[0] / "log.txt")
    parent = Parent()
    threading.Thread(target=parent.watch, daemon=True).start()
    try:
        train_runs(paths, parent)
    except RunUnwritable as error:  # whoever started us says it in our place: the log lies on the same disk
        return DISK_FULL if is_full(error.cause) else 1
    except ElboRoomError as error:  # the run is another process's
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
