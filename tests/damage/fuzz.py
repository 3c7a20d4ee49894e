"""Sends changed inputs to every reader of what comes from outside.

    python tests/damage/fuzz.py --inputs 1000000 --seed 0 [--targets gate,npz] [--out FOLDER]

For each input: a value within its bounds or an error of ours; no file opened outside the target's folder, nothing
unpickled, started or connected to; 1 GB more of address space for all of them; 20 seconds of processor time for one.
What breaks a rule is made as short as it can be and lies in --out beside its traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.damage.fuzz_target import REFUSALS, Target
from tests.damage.fuzz_targets import targets

MOST_MEMORY = 1 << 30  # bytes beyond what the process had
MOST_SECONDS = 20.0  # of the processor, for one input
MOST_SENTENCE = 2000
KEPT = 20  # different faults of one target
FORBIDDEN = (
    "pickle.find_class",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "socket.connect",
    "exec",
)
CHANGES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "shutil.rmtree",
)


class TooSlow(BaseException):
    """An input took more than MOST_SECONDS."""


class OutOfBounds(BaseException):
    """An input opened what it should not have."""


class Guard:
    """An audit hook, which Python never takes back; it looks only while it is `armed`."""

    def __init__(self, room: Path) -> None:
        self.room, self.armed, self.seen = os.fspath(room.resolve()), False, ""
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.armed:
            return
        if event == "open":
            place, mode, flags = arguments
            if isinstance(place, (str, bytes)) and not self._allowed(os.fsdecode(place), mode, flags):
                self.seen = f"{event} {place!r} {mode}"
        elif event in CHANGES:
            if isinstance(arguments[0], (str, os.PathLike)) and not self._inside(_place(event, arguments)):
                self.seen = f"{event} {arguments[0]!r}"
        elif event in FORBIDDEN and not (event == "exec" and _is_module(arguments[0])):
            self.seen = event

    def _inside(self, place: str) -> bool:
        real = os.path.realpath(place)
        return real == self.room or real.startswith(self.room + os.sep)

    def _allowed(self, place: str, mode: str | None, flags: int) -> bool:
        if self._inside(place):
            return True
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or (mode and set(mode) & set("wax+"))
        below = os.path.basename(place) == place != ".."  # of a folder that is being removed
        return not writes and (below or place.startswith(("/proc/", "/sys/")) or _is_code(place))


def _place(event: str, arguments: tuple[Any, ...]) -> str:
    """What is changed, also where it is named from an open folder."""
    place, last = os.fspath(arguments[0]), arguments[-1]
    relative = event in ("os.remove", "os.rmdir", "os.mkdir") and isinstance(last, int) and last >= 0
    return os.path.join(os.path.realpath(f"/proc/self/fd/{last}"), place) if relative else place


def _is_code(place: str) -> bool:
    """A module that is imported on its first use, or what comes with one."""
    return place.endswith((".py", ".pyc", ".so", ".json.gz")) or place.startswith((sys.prefix, sys.base_prefix))


def _is_module(code: Any) -> bool:
    return os.path.isabs(getattr(code, "co_filename", "")) or getattr(code, "co_filename", "").startswith("<")


@dataclass
class Count:
    """What became of one target's inputs. faults: by where and what, an input and its traceback."""

    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    slowest: float = 0.0  # seconds of the processor
    seconds: float = 0.0
    faults: dict[str, tuple[bytes, str]] = field(default_factory=dict)


class Fuzzer:
    """Judges inputs one by one."""

    def __init__(self, room: Path) -> None:
        self.guard = Guard(room)

    def run(self, target: Target, inputs: int, seed: int) -> Count:
        """Sends so many inputs of this seed to a target, its sound ones first."""
        count, choices = Count(), random.Random(f"{seed} {target.name}")
        for one in target.seeds:  # what is imported at first use may write caches of its own
            with contextlib.suppress(*REFUSALS):
                target.read(one)
        with limits():
            for one in target.seeds:
                _, fault, _ = self.judge(target, one)
                assert not fault, fault
            for _ in range(inputs):
                data = target.mutate(choices, target.seeds)
                outcome, fault, seconds = self.judge(target, data)
                count.inputs += 1
                count.refused += outcome == "refused"
                count.accepted += outcome == "accepted"
                count.slowest, count.seconds = max(count.slowest, seconds), count.seconds + seconds
                if fault and (key := _key(fault)) not in count.faults and len(count.faults) < KEPT:
                    count.faults[key] = (self.shortened(target, data, key), fault)
        return count

    def judge(self, target: Target, data: bytes) -> tuple[str, str, float]:
        """Returns accepted, refused or a fault with its traceback; and the seconds that it took."""
        guard, fault, outcome, begin = self.guard, "", "accepted", time.thread_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
        guard.seen, guard.armed = "", True
        try:
            target.read(data)
        except REFUSALS as error:
            guard.armed = False
            outcome, sentence = "refused", str(error)
            if not 0 < len(sentence) <= MOST_SENTENCE:
                fault = f"a sentence of {len(sentence):,} characters\n{type(error).__name__}: {sentence[:300]}"
        except KeyboardInterrupt:
            raise
        except BaseException:
            guard.armed = False
            fault = traceback.format_exc()
        finally:
            guard.armed = False
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if guard.seen:
            fault = f"out of bounds: {guard.seen}"
        return ("fault" if fault else outcome), fault, time.thread_time() - begin

    def shortened(self, target: Target, data: bytes, key: str, tries: int = 300) -> bytes:
        """Returns less of an input with the same fault."""
        piece = len(data) // 2
        while piece and tries > 0:
            at = 0
            while at < len(data) and tries > 0:
                tries -= 1
                fewer = data[:at] + data[at + piece :]
                if fewer and _key(self.judge(target, fewer)[1]) == key:
                    data = fewer
                else:
                    at += piece
            piece //= 2
        return data


def _key(fault: str) -> str:
    """The place and the kind of a fault: its last two frames and its error's name."""
    lines = [line.strip() for line in fault.splitlines() if line.strip()]
    frames = [line for line in lines if line.startswith("File ")]
    return " | ".join([*frames[-2:], lines[-1].split(":")[0][:60]] if frames else lines[:1])[:400]


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Bounds the memory and the time; both as they were afterwards."""

    def late(*_: Any) -> None:
        raise TooSlow(f"more than {MOST_SECONDS:.0f} s")

    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_MEMORY, hard))
    handler = signal.signal(signal.SIGVTALRM, late)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def shares(found: dict[str, Target], inputs: int) -> dict[str, int]:
    """How many inputs each target gets: so many that each takes about as long."""
    parts = {name: 1 / target.cost for name, target in found.items()}
    return {name: max(1, round(inputs * part / sum(parts.values()))) for name, part in parts.items()}


def main(words: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--targets", default="", help="names between commas; all where none is given")
    options.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "elbo-room-faults")
    given = options.parse_args(words)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        room = Path(folder)
        found = targets(room)
        if given.targets:
            found = {name: found[name] for name in given.targets.split(",")}
        fuzzer, faults = Fuzzer(room), 0
        heads = ("inputs", "refused", "accepted", "faults", "a second", "slowest, ms")
        print(f"{'target':18}" + "".join(f"{head:>12}" for head in heads))
        for name, inputs in shares(found, given.inputs).items():
            count = fuzzer.run(found[name], inputs, given.seed)
            rate = count.inputs / max(count.seconds, 1e-9)
            print(
                f"{name:18}{count.inputs:12,}{count.refused:12,}{count.accepted:12,}{len(count.faults):12,}{rate:12,.0f}"
                f"{1000 * count.slowest:12.1f}",
                flush=True,
            )
            for key, (data, fault) in count.faults.items():
                given.out.mkdir(parents=True, exist_ok=True)
                stem = f"{name.replace(' ', '-')}-{zlib.crc32(key.encode()):08x}"
                (given.out / f"{stem}.bin").write_bytes(data)
                (given.out / f"{stem}.txt").write_text(f"{fault}\n\n{data[:2000]!r}\n")
            faults += len(count.faults)
    print(f"peak: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    return min(faults, 1)


if __name__ == "__main__":
    raise SystemExit(main())
