"""The command line without a process of its own: what it prints and its exit status, without importing torch anew."""

from __future__ import annotations

import contextlib
import io
import signal
import subprocess
from pathlib import Path

import pytest

from vae.__main__ import main


def command(*arguments: str, runs: Path | None = None, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    """What `python -m vae` gives for these arguments; `runs` is ELBO_ROOM_RUNS, `encoding` the terminal's."""
    printed = io.BytesIO(), io.BytesIO()
    out, error = (io.TextIOWrapper(stream, encoding, write_through=True) for stream in printed)
    interrupt = signal.getsignal(signal.SIGINT)  # a training takes Ctrl-C for itself
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        if runs is not None:
            patch.setenv("ELBO_ROOM_RUNS", str(runs))
        try:
            code = main(list(arguments))
        except SystemExit as end:  # argparse's
            code = int(end.code or 0)
        finally:
            signal.signal(signal.SIGINT, interrupt)
    return subprocess.CompletedProcess(arguments, code, printed[0].getvalue(), printed[1].getvalue())
