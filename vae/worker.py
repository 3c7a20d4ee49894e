"""One process that trains one run: `python -m vae.worker RUN_DIR`.

It reads the run's config and knobs, writes its history, status, preview and checkpoints, and nothing else: the run
directory is the only interface. `--spare` imports torch first and waits for the RUN_DIR on standard input, so that a
start costs nothing. Standard input held open means that whoever started the process lives; at its end the worker
saves and ends.

Exit status 0: the run is in a state that status.json tells. Anything else is a crash.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.config import Knobs
from vae.errors import ConfigError, ElboRoomError, RunDamaged, TrainingDiverged

if TYPE_CHECKING:
    from vae.training import Trainer

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch loads; spinning threads starve the server
KNOBS_EVERY = 0.05  # seconds between two looks at knobs.json
STATUS_EVERY = 0.25
PREVIEW_EVERY = 0.2
SAVE_EVERY = 5.0
STATE = runs.STATE
REPLAY = "resume/replay.json"
WEIGHTS = runs.WEIGHTS


@dataclasses.dataclass
class Replay:
    """Knob changes made beyond the saved state, to be made again at their steps, up to the step history reached."""

    lines: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    until: int = 0
    after: int = 0  # lines of the history before those that this replay will write again


class FileKnobs(Knobs):
    """Knobs that follow knobs.json. While a resumed run repeats old steps, C, learning rate and part follow the
    replay instead, so that the repetition gives the same numbers."""

    def __init__(self, path: Path, trainer: Trainer, replay: Replay, heartbeat: Callable[[], None]) -> None:
        super().__init__(C=trainer.C_knob, lr_factor=trainer.lr_factor, part=trainer.part)
        self.path, self.trainer, self.replay, self.heartbeat = path, trainer, replay, heartbeat
        self.server_gone = threading.Event()
        self.refused = ""  # the sentence about a value that this run cannot take
        self._looked, self._stamp, self._wanted = 0.0, (0, 0), Knobs()
        self._read()
        self._steps_before = self._wanted.steps_requested
        self._steps_replayed: set[int] = set()

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked >= KNOBS_EVERY:
            self._looked = now
            self._read()
            self.heartbeat()
        if self.trainer.step < self.replay.until or self._due():
            if not self.trainer.record_due:
                self._repeat(self.trainer.step)
        else:
            self._follow()
        self.stop = self._wanted.stop or self.server_gone.is_set()

    def _read(self) -> None:
        try:
            stat = os.stat(self.path / "knobs.json")
            stamp = stat.st_mtime_ns, stat.st_ino  # two changes may share one tick of the file system's clock
            if stamp == self._stamp:
                return
            wanted = runs.read_knobs(self.path)
        except (OSError, ElboRoomError):
            return  # the next look finds it whole, or things stay as they are
        self._stamp, self.refused = stamp, ""
        try:
            if wanted.C is not None:
                self.trainer.check_C(wanted.C)
        except ConfigError as error:
            self.refused, wanted.C = str(error), self._wanted.C
        self._wanted = wanted

    def _follow(self) -> None:
        wanted = self._wanted
        self.C, self.lr_factor, self.part = wanted.C, wanted.lr_factor, wanted.part
        self.paused, self.pace, self.revision = wanted.paused, wanted.pace, wanted.revision
        self.steps_requested = len(self._steps_replayed) + max(0, wanted.steps_requested - self._steps_before)

    def _due(self) -> list[dict[str, Any]]:
        """Recorded changes that are still to be made at this step."""
        return [line for line in self.replay.lines if line["step"] == self.trainer.step and line["knob"] != "step"]

    def _repeat(self, step: int) -> None:
        """One change a look, each in its turn: a fit goes on from the C that was set just before it."""
        due = self._due()
        if due:
            self.replay.lines.remove(due[0])
            setattr(self, due[0]["knob"], due[0]["value"])
        self.paused = len(due) > 1 or step >= self.replay.until
        if not self.paused and any(ln["step"] == step + 1 and ln["knob"] == "step" for ln in self.replay.lines):
            self.paused = True  # the step to come was a single one
            self._steps_replayed.add(step)
        self.steps_requested = len(self._steps_replayed)


class StoppedBeforeTraining(Exception):
    """A stop while the data were still being fetched."""


class Worker:
    """Trains the run in `path` until its end, a stop, or the end of the process that asked for it."""

    def __init__(self, path: Path) -> None:
        from vae.datasets import load_dataset
        from vae.training import Trainer

        self.path, self.note = path, ""
        self.status = runs.Status(state="starting", pid=os.getpid())
        self._write_status()
        self.config, _ = runs.read_config(path)
        dataset = load_dataset(self.config.dataset, binarize=self.config.binarize or "none", progress=self._progress)
        self.trainer = Trainer(self.config, dataset)
        runs.check_free_disk(path, 4 * 4 * sum(p.numel() for p in self.trainer.model.parameters()))
        self.status.total_steps = self.trainer.total_steps
        self.knobs = FileKnobs(path, self.trainer, self._resume(), self._beat)
        self.pace: deque[tuple[float, int]] = deque(maxlen=20)
        self.status_at = self.preview_at = 0.0
        self.save_at = time.monotonic() + SAVE_EVERY

    def _progress(self, fraction: float, text: str) -> None:
        if runs.read_knobs(self.path).stop:
            raise StoppedBeforeTraining
        if time.time() - self.status.heartbeat > STATUS_EVERY:
            self.status.message = f"{text} ({fraction:.0%})"
            self._write_status()

    # ---- continuing

    def _resume(self) -> Replay:
        """Load the newest state, if there is one, and drop from the history what will be measured again."""
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
        if any("event" in line for line in beyond):
            return Replay(after=len(kept))
        old = Replay()
        with contextlib.suppress(OSError, ValueError, TypeError):
            old = Replay(**json.loads((self.path / REPLAY).read_text()))
        still_to_make = list(old.lines)
        for line in [*kept[old.after :], *beyond]:
            if line in still_to_make:
                still_to_make.remove(line)
        until = max([old.until, *(line["step"] for line in beyond)])
        return Replay([*(line for line in beyond if "knob" in line), *still_to_make], until, len(kept))

    # ---- the loop

    def run(self) -> None:
        """Train; leaves a final state in status.json."""
        trainer, knobs = self.trainer, self.knobs
        if not (self.path / STATE).is_file():
            self.save()
        self._preview()
        for event in trainer.run(knobs):
            if event is not None:
                runs.append_history(self.path, to_line(event))
            self._look_after(event is not None)
        trainer.check_finite()
        self.status.state = "saving"
        self._write_status()
        self.save()
        self._preview()
        self._end()

    def _end(self) -> None:
        step, total = self.trainer.step, self.trainer.total_steps
        self.status.seconds_left = None
        if step >= total and not self.trainer.record_due:
            self.status.state, self.status.message = "finished", ""
        elif self.knobs.server_gone.is_set():
            self.status.state = "interrupted"
            self.status.message = f"The server ended at step {step:,}; continue to resume the run."
        else:
            self.status.state, self.status.message = "stopped", f"Stopped at step {step:,} of {total:,}."
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
        status.message = self.knobs.refused or self.note
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
        from vae.preview import render

        (self.path / "preview").mkdir(exist_ok=True)
        data = render(self.trainer.model, self.trainer.dataset, self.trainer.step)
        runs.write_atomically(self.path / "preview/live.bin", data, durable=False)

    def save(self) -> None:
        """Weights and the whole state, each whole at every moment."""
        from safetensors.torch import save

        tensors, values = self.trainer.state()
        values["history_bytes"] = runs.history_size(self.path)
        weights = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
        runs.save_checked(
            self.path,
            {
                WEIGHTS: save(weights, metadata={"step": str(self.trainer.step)}),
                STATE: save(tensors, metadata={"values": json.dumps(values)}),
            },
        )


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


def to_line(event: Any) -> dict[str, Any]:
    """A record or knob change as a line of the history; numbers that are not finite become null."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return clean(dataclasses.asdict(event))


def train_run(path: Path, server_gone: threading.Event | None = None) -> runs.Status:
    """Train the run in `path`; every expected failure becomes a final status with a sentence. The end of whoever
    asked is told by `server_gone`."""
    lock = runs.acquire(path)
    try:
        worker = Worker(path)
        worker.knobs.server_gone = server_gone or worker.knobs.server_gone
        worker.run()
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
    finally:
        lock.release()
    return runs.read_status(path)


def _end_as(path: Path, state: str, message: str) -> None:
    status = runs.read_status(path)
    status.state, status.message = state, message
    with contextlib.suppress(OSError):  # a full disk: the heartbeat stops, and the engine says so
        runs.write_status(path, status)


def _watch_stdin(server_gone: threading.Event) -> None:
    while os.read(0, 1):
        pass
    server_gone.set()


def _read_line() -> str:
    """One line from standard input, byte by byte: what follows stays for `_watch_stdin`."""
    line = b""
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return os.fsdecode(line)


def main(arguments: list[str]) -> int:
    if arguments == ["--spare"]:
        import vae.training  # noqa: F401  torch, warm

        arguments = [name for name in [_read_line()] if name]
        if not arguments:
            return 0
    if len(arguments) != 1:
        print("usage: python -m vae.worker RUN_DIR | --spare", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    if not (path / "config.json").is_file():
        print(f"{path}: expected the directory of a run, with its config.json", file=sys.stderr)
        return 2
    log = os.open(path / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    server_gone = threading.Event()
    threading.Thread(target=_watch_stdin, args=(server_gone,), daemon=True).start()
    try:
        train_run(path, server_gone)
    except ElboRoomError as error:  # the run is another process's, or cannot be written at all
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
