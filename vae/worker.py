"""A process that trains one run, or several: `python -m vae.worker RUN_DIR [RUN_DIR …]`.

It reads each run's config and knobs, writes its history, status, preview and checkpoints, and nothing else: the run
directory is the only interface. Several that differ only in C, seed and learning rate train as one batched step where
that pays, else one after the other. `--spare` imports torch first and waits for the RUN_DIR on standard input, so that
a start costs nothing. Standard input held open means that whoever started the process lives; at its end the worker
saves and ends.

Exit status 0: the run is in a state that status.json tells. Anything else is a crash.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.errors import ElboRoomError, RunDamaged, TrainingDiverged
from vae.files import read_json
from vae.streams import read_line, watch_input, write_plainly, write_to_log

if TYPE_CHECKING:
    from vae.datasets import Dataset
    from vae.file_knobs import Replay

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch loads; spinning threads starve the server
STATUS_EVERY = 0.25
PREVIEW_EVERY = 0.2
SAVE_EVERY = 5.0
STATE = runs.STATE
REPLAY = "resume/replay.json"
WEIGHTS = runs.WEIGHTS


class StoppedBeforeTraining(Exception):
    """A stop while the data were still being fetched."""


class Worker:
    """Trains the run in `path` until its end, a stop, or the end of the process that asked for it."""

    def __init__(self, path: Path, server_gone: threading.Event, other: Worker | None = None) -> None:
        """`other`: one whose data are ours too, so that they are in memory once."""
        from vae.completion import usable_device
        from vae.file_knobs import FileKnobs
        from vae.training import Trainer

        self.path, self.note = path, ""
        self.status = runs.Status(state="starting", pid=os.getpid())
        self._write_status()
        self.config, _ = runs.read_config(path)
        usable_device(self.config.device)  # a run may come from a machine that has another
        if other is None:
            self.trainer = Trainer(self.config, self._load())
        else:
            self.trainer = Trainer(self.config, other.trainer.dataset, other.trainer.images)
        runs.check_free_disk(path, 4 * 4 * sum(p.numel() for p in self.trainer.model.parameters()))
        self.status.total_steps = self.trainer.total_steps
        self.knobs = FileKnobs(path, self.trainer, self._resume(), self._beat)
        self.knobs.server_gone = server_gone
        self.pace: deque[tuple[float, int]] = deque(maxlen=20)
        self.status_at = self.preview_at = 0.0
        self.save_at = time.monotonic() + SAVE_EVERY

    def _load(self) -> Dataset:
        from vae.datasets import load_dataset

        return load_dataset(self.config.dataset, binarize=self.config.binarize or "none", progress=self._progress)

    def _progress(self, fraction: float, text: str) -> None:
        if runs.read_knobs(self.path).stop:
            raise StoppedBeforeTraining
        if time.time() - self.status.heartbeat > STATUS_EVERY:
            self.status.message = f"{text} ({fraction:.0%})"
            self._write_status()

    # ---- continuing

    def _resume(self) -> Replay:
        """Load the newest state, if there is one, and drop from the history what will be measured again."""
        from vae.file_knobs import Replay

        if not (self.path / STATE).is_file():
            if (self.path / WEIGHTS).is_file():
                self._start_from_weights()
            else:
                runs.truncate_history(self.path, 0)
            return Replay()
        tensors, values = unpack_state(runs.read_checked(self.path, STATE), self.path.name)
        try:
            self.trainer.load_state(tensors, values)
            kept, beyond = runs.split_history(self.path, values["history_bytes"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise RunDamaged(f"run {self.path.name!r}: {STATE} does not fit its config ({error})") from None
        replay = self._replay(kept, beyond)
        runs.write_json(self.path / REPLAY, dataclasses.asdict(replay))  # before the lines it is made from go
        runs.truncate_history(self.path, values["history_bytes"])
        return replay

    def _start_from_weights(self) -> None:
        """A shipped run has no state: go on from its weights with a fresh optimiser, and say so."""
        run = runs.load_run(self.path)
        self.trainer.model.load_state_dict(run.model.state_dict())
        self.trainer.step = max((line["step"] for line in run.history), default=0)
        self.note = "This run came without its optimiser's state: it goes on from its weights with a fresh one."

    def _replay(self, kept: list[dict[str, Any]], beyond: list[dict[str, Any]]) -> Replay:
        """The knob changes beyond the state, those that an earlier replay had still to make among them. After a
        divergence nothing is repeated: the same steps would diverge again."""
        from vae.file_knobs import Replay

        if any("event" in line for line in beyond):
            return Replay(after=len(kept))
        old = Replay()
        with contextlib.suppress(OSError, ValueError, TypeError):
            old = Replay(**read_json(self.path / REPLAY))
        still_to_make = list(old.lines)
        for line in [*kept[old.after :], *beyond]:
            if line in still_to_make:
                still_to_make.remove(line)
        until = max([old.until, *(line["step"] for line in beyond)])
        return Replay([*(line for line in beyond if "knob" in line), *still_to_make], until, len(kept))

    # ---- the loop

    def run(self) -> Iterator[None]:
        """Train; yields when a step was asked for, or for now none is, and leaves a final state in status.json."""
        from vae.saving import to_line

        trainer, knobs = self.trainer, self.knobs
        if not (self.path / STATE).is_file():
            self.save()
        self._preview()
        if trainer.look.compiled is not None:
            self.status.message = "The step is being compiled, once: about half a minute."
            self._write_status()
        for event in trainer.run(knobs):
            if event is not None:
                runs.append_history(self.path, to_line(event))
            if event is None or getattr(event, "knob", "") == "step":
                yield  # a step that others share is computed now; a record or a change of knobs comes before the step
            self._look_after(event is not None)
        trainer.check_finite()
        self.status.state = "saving"
        self._write_status()
        self.save()
        self._preview()
        self._end()

    def _end(self) -> None:
        from vae.saving import ended

        self.status.seconds_left = None
        self.status.state, self.status.message = ended(self.trainer)
        if self.status.state == "stopped" and self.knobs.server_gone.is_set():
            self.status.state = "interrupted"
            self.status.message = f"The server ended at step {self.trainer.step:,}; continue to resume the run."
        self._write_status()

    def _look_after(self, recorded: bool) -> None:
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
        if hasattr(self, "knobs"):
            self.status.step, self.status.epoch = self.trainer.step, self.trainer.epoch
            self.status.knobs_revision = self.knobs.revision
        runs.write_status(self.path, self.status)

    def _beat(self) -> None:
        """A sign of life from within a long evaluation."""
        if time.time() - self.status.heartbeat > 1:
            self._write_status()

    def _preview(self) -> None:
        from vae.saving import save_preview

        with contextlib.suppress(PermissionError):  # somebody holds the file open for long: the next one will do
            save_preview(self.path, self.trainer)

    def save(self) -> None:
        from vae.saving import save_state

        save_state(self.path, self.trainer)


def unpack_state(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and values of a saved state; RunDamaged where it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        (length,) = (int.from_bytes(data[:8], "little"),)
        values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["values"])
        return load(data), values
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunDamaged(f"run {name!r}: {STATE} cannot be read ({error})") from None


def train_run(path: Path, server_gone: threading.Event | None = None) -> runs.Status:
    """Train the run in `path`; every expected failure becomes a final status with a sentence. The end of whoever
    asked is told by `server_gone`."""
    return train_runs([path], server_gone)[0]


def train_runs(paths: Sequence[Path], server_gone: threading.Event | None = None) -> list[runs.Status]:
    """Train several, as one batched step where they can share it and that pays, else one after the other."""
    server_gone = server_gone or threading.Event()
    with contextlib.ExitStack() as locks:
        for path in paths:
            locks.callback(runs.acquire(path).release)
        for group in _groups(paths):
            _train_group(group, server_gone)
    return [runs.read_status(path) for path in paths]


def _groups(paths: Sequence[Path]) -> list[list[Path]]:
    """Those that train as one."""
    if len(paths) > 1:
        from vae.datasets import DataInfo
        from vae.together import worth_it

        configs, data = zip(*(runs.read_config(path) for path in paths), strict=True)
        if worth_it(configs, DataInfo.from_json(data[0])):
            return [list(paths)]
    return [[path] for path in paths]


def _train_group(paths: Sequence[Path], server_gone: threading.Event) -> None:
    workers: list[Worker] = []
    for path in paths:
        with _told(path):
            workers.append(Worker(path, server_gone, workers[0] if workers else None))
    working = [_guarded(worker) for worker in workers]
    if len(working) < 2:
        for one in working:
            deque(one, maxlen=0)
        return
    from vae.together import Together

    try:
        together = Together([worker.trainer for worker in workers])
    except (MemoryError, RuntimeError) as error:
        for worker in workers:
            with _told(worker.path):
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
    """Tell it of an error in the step that all share; whether it goes on."""
    with contextlib.suppress(StopIteration):
        return one.throw(error)
    return False


def _guarded(worker: Worker) -> Generator[bool]:
    """The worker's run, True after each step; what becomes of it is told in its status."""
    with _told(worker.path):
        for _ in worker.run():
            yield True


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Every expected failure becomes a final status of the run with a sentence."""
    try:
        yield
    except StoppedBeforeTraining:
        _end_as(path, "stopped", "Stopped before the first step.")
    except TrainingDiverged as error:
        with contextlib.suppress(OSError):  # a full disk too: continuing then diverges again, and says so
            runs.append_history(path, {"step": error.step, "event": "diverged"})
        _end_as(path, "diverged", str(error))
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate" in str(error)):
            raise
        batch = max(1, (runs.read_config(path)[0].batch_size or 2) // 2)
        _end_as(path, "failed", f"Out of memory. Start again with a batch size of {batch}, or with a smaller network.")
    except OSError as error:
        sentence = f"The run's folder cannot be written ({error.strerror}). The last checkpoint is whole: "
        _end_as(path, "failed", sentence + "make room, then continue.")
    except ElboRoomError as error:
        _end_as(path, "failed", str(error))


def _end_as(path: Path, state: str, message: str) -> None:
    status = runs.read_status(path)
    status.state, status.message = state, message
    with contextlib.suppress(OSError):  # a full disk: the heartbeat stops, and the engine says so
        runs.write_status(path, status)


def main(arguments: list[str]) -> int:
    write_plainly()
    if arguments == ["--spare"]:
        import vae.training  # noqa: F401  torch, warm

        arguments = [name for name in [read_line()] if name]
        if not arguments:
            return 0
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m vae.worker RUN_DIR [RUN_DIR …] | --spare", file=sys.stderr)
        return 2
    paths = [Path(argument) for argument in arguments]
    for path in paths:
        if not (path / "config.json").is_file():
            print(f"{path}: expected the directory of a run, with its config.json", file=sys.stderr)
            return 2
    write_to_log(paths[0] / "log.txt")
    server_gone = threading.Event()
    watch_input(server_gone)
    try:
        train_runs(paths, server_gone)
    except ElboRoomError as error:  # the run is another process's, or cannot be written at all
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
