"""Standard input, output and error: output that every terminal, pipe and file can take, input without `select`."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import queue
import sys
import threading
from pathlib import Path

# What formulas and sentences use beyond ASCII, in a console or file that has no such character (Windows' cp1252 has no
# minus sign): a number keeps its sign, and nothing that was computed is lost over a dash.
PLAIN = {
    "−": "-", "–": "-", "—": "-", "‑": "-", "±": "+/-", "×": "x", "·": "*", "≤": "<=", "≥": ">=", "≈": "~", "‖": "||",
    "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"', "→": "->", "²": "^2", "½": "1/2", "µ": "u",
}  # fmt: skip
BROKEN_PIPE = 141  # 128 + SIGPIPE: the exit status of what a closed pipe ends


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    plain = (PLAIN.get(c, c).encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(plain), error.end


codecs.register_error("plainly", _plainly)


def write_plainly() -> None:
    """Let print never fail for a character: where the encoding lacks it, a plain one stands in."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plainly")


def write_to_log(file: Path) -> None:
    """Send all output of this process to the end of `file`, in UTF-8, that of libraries too."""
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(log, number)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    os.close(log)


def drop_output() -> None:
    """Whoever read our output has gone, as `head` does: what is left to flush goes nowhere, without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # not a real file
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def read_line(patience: float | None = None) -> str:
    """One line from standard input, "" at its end or when nothing came for `patience` seconds. Read byte by byte: what
    follows stays for `watch_input`. A thread waits, because `select` knows only sockets on Windows."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        line = b""
        while (byte := os.read(0, 1)) not in (b"", b"\n"):
            line += byte
        lines.put(os.fsdecode(line))

    threading.Thread(target=read, daemon=True, name="line").start()
    try:
        return lines.get(timeout=patience)
    except queue.Empty:
        return ""


def watch_input(ended: threading.Event) -> None:
    """Set `ended` when standard input does: whoever holds it open lives."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        ended.set()

    threading.Thread(target=watch, daemon=True, name="input").start()
