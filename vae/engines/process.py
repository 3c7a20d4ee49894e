"""A worker process as an engine sees it: started, sent its run, asked to end, killed."""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from vae.engines.parent import REST
from vae.errors import ConfigError


def spares_wanted() -> bool:
    """Returns whether processes are kept at hand that have imported torch: unless `ELBO_ROOM_SPARES` is 0. Raises
    ConfigError where it is anything but 0 or 1."""
    wanted = os.environ.get("ELBO_ROOM_SPARES") or "1"
    if wanted not in ("0", "1"):
        raise ConfigError(f"ELBO_ROOM_SPARES: expected 1, or 0 to keep no process at hand, got {wanted!r}")
    return wanted == "1"


class WorkerProcess:
    """A worker process and the pipe that it lives on.

    log: where its output goes; None for a spare worker, which opens its run's log itself. device: what it gets as
    CUDA_VISIBLE_DEVICES. OSError if the process cannot be started.
    """

    def __init__(self, command: Sequence[str], log: IO[bytes] | None = None, device: str | None = None) -> None:
        self.device, self.is_spare = device, "--spare" in command
        # Unbuffered and with the faults' traces, so that the log of a killed worker tells what it was doing.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        root = str(Path(__file__).resolve().parents[2])  # `vae` is found from any folder, installed or not
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C in the terminal reaches the server only
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )

    def hand(self, path: Path) -> bool:
        """Sends a spare worker its run; False if it is not there any more."""
        if self.exit_code() is not None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(os.fsencode(path) + b"\n")
        except OSError:
            return False
        return True

    def exit_code(self) -> int | None:
        """Returns the exit status, below zero the signal that ended it; None while it lives."""
        code = self._process.poll()
        if code is not None:
            self.let_end()
        return code

    def let_rest(self) -> None:
        """Asks it to save and end because its run is paused and another one waits, and closes the pipe."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(REST)
        self.let_end()

    def let_end(self) -> None:
        """Closes the pipe: the worker saves and ends."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def kill(self) -> None:
        """Kills it at once, with all that it started; works on a suspended process too. `exit_code` reaps it later."""
        if self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()


def end_all(workers: Sequence[WorkerProcess], deadline: float) -> list[WorkerProcess]:
    """Closes the pipes, waits until `deadline` (monotonic), kills the rest; returns those that had to be killed. None
    is left."""
    for worker in workers:
        worker.let_end()
    _wait(workers, deadline)
    killed = [worker for worker in workers if worker.exit_code() is None]
    for worker in killed:
        worker.kill()
    _wait(killed, time.monotonic() + 10)  # at once, but for a machine that is short of everything
    return killed


def _wait(workers: Sequence[WorkerProcess], deadline: float) -> None:
    while any(worker.exit_code() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)


def describe_exit(code: int) -> str:
    """Returns how a process ended, for a sentence in brackets."""
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
    return f"signal {name}; often the memory was full" if name == "SIGKILL" else f"signal {name}"


def gpus() -> list[str]:
    """Returns the GPUs that torch will see, by the names that CUDA_VISIBLE_DEVICES gives them; found without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number in range(len(glob.glob("/dev/nvidia[0-9]*")))]
