"""What a target of the fuzzing is: a reader, sound inputs for it, and what an accepted one has to be.

A target's `read` takes the bytes of an input. It returns where they were accepted and what came of them holds, raises
what the reader refuses by (REFUSALS), and anything else is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.damage import fuzz_inputs as inputs
from vae.checked_json import Misfit
from vae.errors import ElboRoomError

DEMO = Path(__file__).resolve().parents[2] / "checkpoints" / "demo-digits-2d"
REFUSALS = (ElboRoomError, Misfit)
Read = Callable[[bytes], object]


class Refused(ElboRoomError):
    """What a target makes of a refusal that the reader tells in another way than by an error of ours."""


@dataclass(frozen=True)
class Target:
    """read: see above. cost: how many inputs of the cheapest kind one of these takes; the shares of a run of N inputs
    go by it."""

    name: str
    seeds: tuple[bytes, ...]
    mutate: inputs.Mutator
    read: Read
    cost: int = 1


def lines(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def in_file(file: Path, read: Callable[[], object]) -> Read:
    """Writes the input there, then reads."""
    file.parent.mkdir(parents=True, exist_ok=True)

    def write_and_read(data: bytes) -> object:
        with open(file, "wb") as written:
            written.write(data)
        return read()

    return write_and_read
