"""Watches the files of one run on behalf of all its viewers.

A `RunWatcher` looks at a run's files several times a second while somebody watches. It keeps no queues: it
remembers how far the history reaches and the newest status and preview, and wakes its viewers, who take what they
lack when they can. So a slow viewer falls behind on its own and skips previews; it never holds up another. What several
lack is written once for all of them; and the more they are, the more of it goes into one message.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import secrets
import stat
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import anyio.to_thread

from ui.live.cache import Newest
from vae.browser.framing import frame
from vae.checked_json import Misfit, read_bytes
from vae.errors import RunDamaged, RunError
from vae.runs import ACTIVE, WEIGHTS, content_hash, read_knobs, read_line, read_status
from vae.runs.preview_file import PREVIEW_LIMIT, read_header

LOOK_EVERY = 0.12  # seconds between two looks at the files' stat
VIEWER = 0.01  # seconds for each viewer where these are more: a hundred viewers of all runs are woken in a second
LONGEST = 0.5  # seconds between two looks, however many watch
STATUS_EVERY = 0.25  # seconds between two statuses: four a second are enough to read
PROBE_EVERY = 1.0  # seconds between two looks at an unchanged status of an active run: has its process died?
CHUNK = 1 << 18  # bytes of history in one message: a long history arrives in pieces, the page draws in between
RECENT_LIMIT = 1 << 20  # bytes of history kept in memory for viewers that ask for the same lines
OLD_KEPT = 8  # pieces of older history that are kept for those who come at the same time

Stamp = tuple[int, int, int] | None  # inode, size, modification time; None: no such file


@dataclass(frozen=True)
class Lines:
    """Whole lines of a history file: those from byte `start` to byte `end`, as the inside of a JSON array."""

    start: int
    end: int
    json: str


def read_lines(file: BinaryIO, start: int, end: int) -> tuple[Lines | None, bytes]:
    """Returns the whole lines that begin at byte `start`, at most a message of them, never beyond byte `end`; and their
    bytes.

    None if no line ends there. What is no line of a history (torn by a crash, altered) is left out. Raises OSError.
    """
    file.seek(start)
    data = b""
    while b"\n" not in data and (piece := file.read(min(CHUNK, end - start - len(data)))):
        data += piece
    head, newline, _ = data.rpartition(b"\n")
    if not newline:
        return None, b""
    kept = [line.decode() for line in head.split(b"\n") if _is_sound(line)]
    return Lines(start, start + len(head) + 1, ",".join(kept)), data[: len(head) + 1]


def _is_sound(line: bytes) -> bool:
    """Whether the browser can have it: one NaN and it refuses the whole message."""
    try:
        read_line(line)
    except Misfit:
        return False
    return True


class HistoryFile:
    """Follows a growing file that may be replaced; `id` changes when what was read before no longer holds.

    Inode numbers are reused and a rewritten history begins like the old one, so the last bytes read are kept and
    compared: an id is good as long as the file is the same one and still holds them.
    """

    MARK = 64

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id: str | None = None
        self.end = 0  # bytes, past the last whole line
        self._seen: Stamp = None
        self._mark = b""

    def look(self) -> tuple[Lines | None, bool]:
        """Returns what was appended since the last look, and whether there is more. After a change of `id`: from
        byte 0."""
        seen = stamp(self.path)
        if seen is None:
            self._start_over(None)
            return None, False
        if self.id is not None and seen == self._seen:
            return None, False
        try:
            with open(self.path, "rb") as file:
                found = os.fstat(file.fileno())
                if self.id is None or not self._continues(file, found.st_ino):
                    self._start_over(secrets.token_hex(8))
                lines, data = read_lines(file, self.end, found.st_size)
        except OSError:
            return None, False
        self._seen = found.st_ino, found.st_size, found.st_mtime_ns
        if lines is None:
            return None, False
        self.end = lines.end
        self._mark = (self._mark + data)[-self.MARK :]
        more = lines.end < found.st_size and len(data) > CHUNK // 2
        if more:
            self._seen = (found.st_ino, -1, 0)
        return lines, more

    def _continues(self, file: BinaryIO, inode: int) -> bool:
        """Whether the file still holds what was read."""
        if self._seen is not None and inode != self._seen[0]:
            return False
        file.seek(self.end - len(self._mark))
        return file.read(len(self._mark)) == self._mark

    def _start_over(self, id: str | None) -> None:
        self.id, self.end, self._mark, self._seen = id, 0, b"", None


@dataclass
class News:
    """What one look found; None and False where nothing is new."""

    gone: bool = False
    status: dict[str, Any] | None = None
    preview: bytes | None = None
    lines: Lines | None = None
    more: bool = False


class RunWatcher:
    """The state of one run's files, shared by its viewers. It reads files only while it has some."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ready = False  # has looked since the first viewer came
        self.gone = False
        self.file: str | None = None  # id of the history; changes when it is replaced
        self.end = 0  # bytes of history that viewers may have
        self.status: dict[str, Any] | None = None  # status and knobs, as in the message
        self.status_version = 0
        self.preview: bytes | None = None  # the newest, as its message
        self.preview_version = 0
        self.viewers: set[Callable[[], None]] = set()  # the functions that wake them
        self._history = HistoryFile(path / "history.jsonl")
        self._recent: deque[Lines] = deque()
        self._old: dict[tuple[str | None, int], asyncio.Task[Lines | None]] = {}  # by file and start
        self._messages: Newest[str] = Newest(2)
        self._task: asyncio.Task[None] | None = None
        self._status_stamp: tuple[Stamp, ...] | None = None
        self._status_time = 0.0
        self._preview_stamp: Stamp = None

    def join(self, wake: Callable[[], None]) -> None:
        """Adds a viewer; `wake` is called when there is news."""
        self.viewers.add(wake)
        self._viewers_changed()
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    def leave(self, wake: Callable[[], None]) -> None:
        """Takes a viewer away; without viewers no file is read."""
        self.viewers.discard(wake)
        if self.viewers:
            self._viewers_changed()
        elif self._task is not None:
            self._task.cancel()
            self._task, self.ready = None, False
            self._messages.clear()
            self._old.clear()

    def _viewers_changed(self) -> None:
        self.status_version += 1
        self._wake()

    def _wake(self) -> None:
        for wake in tuple(self.viewers):
            wake()

    async def lines_from(self, start: int) -> Lines | None:
        """Returns the next lines for a viewer that has everything before byte `start`; None if there are none yet.

        A piece of older history is read once for a whole class that comes in: checking its lines takes tens of
        milliseconds.
        """
        if start >= self.end:
            return None
        for lines in self._recent:
            if lines.start == start:
                return lines
        key = self.file, start
        if key not in self._old:
            if len(self._old) >= OLD_KEPT:
                del self._old[next(iter(self._old))]
            self._old[key] = asyncio.create_task(anyio.to_thread.run_sync(self._reread, start, self.end))
        reading = self._old[key]
        old = await asyncio.shield(reading)  # who leaves takes it from nobody else
        if old is None and self._old.get(key) is reading:
            del self._old[key]
        return old

    def message(self, lines: Lines | None, status: bool) -> str:
        """Returns the message that brings these lines, the newest status with the number of viewers, or both."""
        key = self.file, lines and (lines.start, lines.end), self.status_version if status else None
        return self._messages.get(key, lambda: self._write(lines, status))

    def _write(self, lines: Lines | None, status: bool) -> str:
        parts = [f'"run":{json.dumps(self.path.name)}']
        if lines is not None:
            place = f'"file":{json.dumps(self.file)},"from":{lines.start},"offset":{lines.end}'
            parts.append(f'{place},"lines":[{lines.json}]')
        if status:
            parts.append(json.dumps({**(self.status or {}), "viewers": len(self.viewers)})[1:-1])
        return "{" + ",".join(parts) + "}"

    def _reread(self, start: int, end: int) -> Lines | None:
        try:
            with open(self._history.path, "rb") as file:
                return read_lines(file, start, end)[0]
        except OSError:
            return None  # replaced this very moment: the next look sees it

    async def _follow(self) -> None:
        while not self.gone:
            try:
                news = await anyio.to_thread.run_sync(self._look)
            except Exception:  # whatever lies in a run's folder, its viewers hear of the next change
                logging.getLogger(__name__).exception("run %r could not be read", self.path.name)
                await asyncio.sleep(1)
                continue
            self._apply(news)
            await asyncio.sleep(0 if news.more else pause(len(self.viewers)))

    def _look(self) -> News:
        """One look at all files, in a thread; touches nothing that viewers read.

        The status is read before the history: when a viewer hears of the end, it has been sent every line.
        """
        if not os.path.isfile(self.path / "config.json"):
            return News(gone=True)
        status, preview = self._look_at_status(), self._look_at_preview()
        lines, more = self._history.look()
        return News(status=status, preview=preview, lines=lines, more=more)

    def _apply(self, news: News) -> None:
        changed = not self.ready or news.gone or news.lines is not None or self.file != self._history.id
        self.ready, self.gone = True, news.gone
        if self.file != self._history.id:
            self._recent.clear()
        self.file, self.end = self._history.id, self._history.end
        if news.lines is not None:
            self._recent.append(news.lines)
            while len(self._recent) > 1 and self._recent[-1].end - self._recent[0].start > RECENT_LIMIT:
                self._recent.popleft()
        if news.preview is not None:
            self.preview = frame({"run": self.path.name, "bytes": len(news.preview)}, news.preview)
            self.preview_version, changed = self.preview_version + 1, True
        if news.status is not None and _without_clock(news.status) != _without_clock(self.status):
            self.status, self.status_version, changed = news.status, self.status_version + 1, True
        if changed:
            self._wake()

    def _look_at_status(self) -> dict[str, Any] | None:
        """Status, knobs and the newest weights, if their files changed or the process behind them may have died."""
        active = self.status is None or self.status["status"]["state"] in ACTIVE
        stamps = tuple(stamp(self.path / name) for name in ("status.json", "knobs.json", "manifest.json"))
        pause = STATUS_EVERY if stamps != self._status_stamp else PROBE_EVERY if active else float("inf")
        now = time.monotonic()
        if now - self._status_time < pause:
            return None
        self._status_time, self._status_stamp = now, stamps
        try:
            knobs: dict[str, Any] | None = dataclasses.asdict(read_knobs(self.path))
        except RunError:
            knobs = None
        try:
            weights = content_hash(self.path, WEIGHTS)
        except RunError:
            weights = None
        return {"status": dataclasses.asdict(read_status(self.path)), "knobs": knobs, "weights": weights}

    def _look_at_preview(self) -> bytes | None:
        path = self.path / "preview" / "live.bin"
        seen = stamp(path)
        if seen is None or seen == self._preview_stamp:
            return None
        self._preview_stamp = seen
        try:
            data = read_bytes(path, PREVIEW_LIMIT)
            read_header(data)
            return data
        except (OSError, Misfit, RunDamaged):
            return None


def pause(viewers: int) -> float:
    """Returns the seconds between two looks at the files of a run with so many viewers."""
    return max(LOOK_EVERY, min(VIEWER * viewers, LONGEST))


def stamp(path: Path) -> Stamp:
    """Returns what tells a file from its later self; None where there is no ordinary one. A pipe would never answer."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _without_clock(news: dict[str, Any] | None) -> Any:
    """What makes two statuses different to a reader: more than the heartbeat."""
    if news is None:
        return None
    return {k: v for k, v in news["status"].items() if k != "heartbeat"}, news["knobs"], news["weights"]
