"""How the start of a run or its training ends where it does not go well: in the run's status, in a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from vae import runs
from vae.errors import ElboRoomError, TrainingDiverged, is_out_of_memory
from vae.files import what_helps
from vae.runs.start import give_up, write_end


class StoppedBeforeTraining(Exception):
    """A stop while the data were still being fetched."""


@contextlib.contextmanager
def refused(path: Path) -> Iterator[None]:
    """Every expected failure before the first change leaves an ended run as it was, with a sentence."""
    try:
        yield
    except StoppedBeforeTraining:
        give_up(path, "stopped", "Stopped before the first step.")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        give_up(path, "failed", "There is not enough memory here for this network and these images.")
    except OSError as error:
        give_up(path, "failed", f"The run cannot start ({error.strerror}): {what_helps(error)}, then continue.")
    except ElboRoomError as error:
        give_up(path, "failed", str(error))


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Every expected failure while training becomes a final status of the run with a sentence."""
    try:
        yield
    except TrainingDiverged as error:
        with contextlib.suppress(OSError):  # a full disk too: continuing then diverges again, and says so
            runs.append_history(path, {"step": error.step, "event": "diverged"})
        _end_as(path, "diverged", str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        batch = max(1, (runs.read_config(path)[0].batch_size or 2) // 2)
        _end_as(path, "failed", f"Out of memory. Start again with a batch size of {batch}, or with a smaller network.")
    except OSError as error:
        sentence = f"The run's folder cannot be written ({error.strerror}). The last checkpoint is whole: "
        _end_as(path, "failed", f"{sentence}{what_helps(error)}, then continue.")
    except ElboRoomError as error:
        _end_as(path, "failed", str(error))


def _end_as(path: Path, state: str, message: str) -> None:
    write_end(path, dataclasses.replace(runs.read_status(path), state=state, message=message))
