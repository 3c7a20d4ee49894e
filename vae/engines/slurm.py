"""Slurm, as universities have it: `sbatch --array`, `squeue`, `scancel`, `scontrol`. No package is needed.

Each group of runs is one element of an array. Slurm signals the job `signal` seconds before its wall time, and where it
takes the place back (`--signal=B:USR1@N`): the worker saves, the job queues itself again, and the run goes on exactly.
No accounting database is asked, so the smallest cluster will do.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vae.engines.batches import PREFIX, Batch
from vae.engines.scheduled import Seen
from vae.errors import EngineError

PATIENCE = 30.0  # seconds that a command of Slurm may take
REQUEUE_LIMIT = 100.0  # seconds that a job tries to queue itself again
IS_UP = " is UP"  # in the answer to a ping
OVER = (
    "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY",
    "REVOKED",
)  # fmt: skip
WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "CONFIGURING", "RESV_DEL_HOLD", "SPECIAL_EXIT")
WHY = {
    "CANCELLED": "was cancelled there",
    "TIMEOUT": "reached its wall time before its run could save: ask for more `time`, or a longer `signal`",
    "NODE_FAIL": "lost its machine",
    "PREEMPTED": "had to leave its place to another",
    "OUT_OF_MEMORY": "had too little memory: ask for more with `options`, such as --mem=8G",
    "COMPLETED": "ended before its run did",
}


class Slurm:
    """A cluster, by its commands; `values` as `vae.engines.settings` names them."""

    name, tries = "slurm", 1  # Slurm itself starts a job again whose machine it lost

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.runs_per_job: int = values.get("runs_per_job", 1)

    def send(self, batch: Batch) -> list[str]:
        """Submits arrays of at most `array` elements; returns an id for each element, 17_0, 17_1, ..."""
        count, most = len(batch.groups), self.values.get("array", 1000)
        jobs: list[str] = []
        try:
            for first in range(0, count, most):
                jobs += self._send(batch, first, min(count, first + most))
        except EngineError:
            with contextlib.suppress(EngineError):
                self.cancel(jobs)
            raise
        return jobs

    def _send(self, batch: Batch, first: int, end: int) -> list[str]:
        limit = f"%{self.values['at_once']}" if "at_once" in self.values else ""
        words = [f"--array=0-{end - first - 1}{limit}", *self._words(batch)]
        answer = _call("sbatch", *words, stdin=self._script(batch, first))
        job = answer.strip().splitlines()[-1].split(";")[0] if answer.strip() else ""
        if not job.isdecimal():
            raise EngineError(f"sbatch: expected the number of the new job, got {answer[:200]!r}")
        return [f"{job}_{index}" for index in range(end - first)]

    def _words(self, batch: Batch) -> list[str]:
        passed = [
            f"--{name}={self.values[name]}" for name in ("partition", "account", "time", "gres") if name in self.values
        ]
        out = f"{batch.file.parent.name}/{batch.token}-%a.out"  # below --chdir, whose own name may have a % in it
        return [
            "--parsable", f"--job-name={batch.job_name}", f"--output={out}", "--open-mode=append", "--requeue",
            f"--signal=B:USR1@{self.values.get('signal', 120)}", f"--chdir={batch.file.parents[1]}", *passed,
            *self.values.get("options", []),
        ]  # fmt: skip

    def _script(self, batch: Batch, first: int) -> str:
        """What the job runs; `exec`, so that the signal reaches Python."""
        return job_script(self.values, f"{shlex.quote(str(batch.file))} $((SLURM_ARRAY_TASK_ID + {first}))")

    def send_again(self, batch: Batch, index: int) -> str:
        """Submits one group once more; returns the new job's id."""
        return self._send(batch, index, index + 1)[0]

    def find(self, batch: Batch) -> list[str]:
        """Returns the ids of a batch by its jobs' name."""
        lines = _call(
            "squeue", "--me", "--states=all", "--array", "--noheader", f"--name={batch.job_name}", "--format=%i"
        ).split()
        found = sorted(lines, key=lambda job: [int(part) for part in job.split("_") if part.isdecimal()])
        return found if len(found) == len(batch.groups) else []

    def look(self) -> Mapping[str, Seen]:
        """Returns our jobs of this user, by id, and none of theirs: what runs, waits, and what ended in the last
        minutes. EngineError where the answer is no list of jobs: then nothing counts as gone."""
        lines = _call("squeue", "--me", "--states=all", "--array", "--noheader", "--format=%j|%i|%T|%r|%N").splitlines()
        told = [line.split("|") for line in lines if line.startswith(PREFIX)]
        if any(len(words) != 5 for words in told) or (lines and not any(line.count("|") >= 4 for line in lines)):
            raise EngineError(f"squeue answers in a way that is not known here: {' '.join(lines)[:200]!r}.")
        seen = {}
        for _, job, state, reason, node in told:
            if state in OVER:
                seen[job] = Seen("ended", f"has ended ({state})")
            elif state in WAITS:
                seen[job] = Seen("waiting", f"waits ({reason})")
            else:
                seen[job] = Seen("working", f"is at work on {node}" if node else f"is {state.lower()}")
        return seen

    def why(self, job: str) -> str:
        """Returns how a job ended: its state, what that means, and the signal or exit status."""
        try:
            told = _call("scontrol", "show", "job", "--oneliner", job)
        except EngineError:
            return f"Slurm job {job} is over, and Slurm knows no more of it"
        facts = dict(word.split("=", 1) for word in told.split() if "=" in word)
        state = facts.get("JobState", "unknown")
        status, _, signal = facts.get("ExitCode", "0:0").partition(":")
        how = f", signal {signal}" if signal not in ("", "0") else f", exit status {status}" if status != "0" else ""
        return f"Slurm job {job} {WHY.get(state, 'ended before its run did')} ({state}{how})"

    def cancel(self, jobs: Sequence[str]) -> None:
        """Ends jobs with `scancel`."""
        if jobs:
            _call("scancel", "--quiet", *jobs)

    def check(self) -> str:
        """Returns the version of Slurm whose controller answers."""
        answer = _call("scontrol", "ping")
        if IS_UP not in answer:
            raise EngineError(f"Slurm's controller does not answer: {' '.join(answer.split())[:200]}")
        return _call("sbatch", "--version").strip()

    def log_tail(self, job: str) -> str:
        """Its output lies in the folder of the batch, and nowhere else."""
        return ""


def job_script(values: dict[str, Any], arguments: str) -> str:
    """Returns a shell script that sets the environment up as the settings say and becomes `vae.engines.job`."""
    root = Path(__file__).resolve().parents[2]
    python = values.get("python") or sys.executable
    return (
        f"#!/bin/sh\n{values.get('setup', '')}\n"
        f"PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+:$PYTHONPATH}}; export PYTHONPATH\n"
        f"exec {shlex.quote(python)} -m vae.engines.job {arguments}\n"
    )


def requeue() -> str:
    """Puts the job that this process is back into the queue; returns "", or why that could not be. A controller that is
    being restarted is waited for."""
    end, was_up = time.monotonic() + REQUEUE_LIMIT, False
    while True:
        try:
            _call("scontrol", "requeue", os.environ["SLURM_JOB_ID"])
            return ""
        except (EngineError, KeyError) as error:
            if was_up or time.monotonic() > end:  # it answers, and refuses
                return str(error)
        with contextlib.suppress(EngineError):
            was_up = IS_UP in _call("scontrol", "ping")
        time.sleep(1.0)


def _call(command: str, *words: str, stdin: str = "") -> str:
    """What a command of Slurm prints. Raises EngineError, in a sentence, where it fails."""
    if shutil.which(command) is None:
        raise EngineError(f"Slurm's {command} is not installed on this machine: run this where you would call sbatch")
    try:
        done = subprocess.run(
            [command, *words], input=stdin, capture_output=True, text=True, timeout=PATIENCE, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise EngineError(f"Slurm cannot be reached: {command} gave no answer in {PATIENCE:.0f} s.") from None
    except OSError as error:
        raise EngineError(f"Slurm's {command} cannot be started ({error.strerror}).") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        lost = "Unable to contact" in said or "Connection refused" in said or "Socket timed out" in said
        raise EngineError(f"Slurm cannot be reached: {said}." if lost else f"{command}: {said or done.returncode}.")
    return done.stdout
