"""An existing Ray cluster, by the jobs of its dashboard (HTTP): nothing of Ray is needed on this side.

Each group of runs is one job, with its CPUs and its part of a GPU; many small runs in one job train as one batched
step. A job whose machine is lost is submitted again, and its runs go on exactly from their last states.

Who reaches a Ray dashboard can run any program on that cluster. Ray 2.52 and later can ask for a token; one that asks
for nothing is refused here, unless the settings say in words that this is known.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vae.checked_json import Misfit, fields, items, optional, parse, text
from vae.engines.batches import PREFIX, Batch
from vae.engines.scheduled import Seen
from vae.engines.slurm import job_script
from vae.engines.states import LOG_TAIL
from vae.errors import ConfigError, EngineError

PATIENCE = 30.0  # seconds that the dashboard may take
MOST = 256 << 20  # bytes of an answer: it lists every job that the cluster remembers
IN_WORDS = "anybody who reaches this address can run programs there, and I know it"
STATES = {"PENDING": "waiting", "RUNNING": "working", "STOPPED": "ended", "SUCCEEDED": "ended", "FAILED": "ended"}
UNREACHED = (OSError, HTTPException, ValueError)  # the last: an address that can be none
NO_PLACE = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"  # Ray gives a job up that finds no place for a quarter of an hour
LISTED = items(
    fields(submission_id=optional(text(1000)), status=text(100), message=optional(text(1 << 20))), 10_000_000
)


class Ray:
    """A cluster, by its dashboard's address; `values` as `vae.engines.settings` names them."""

    name = "ray"

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.address = _address(str(values.get("address", "")))
        self.runs_per_job: int = values.get("runs_per_job", 1)
        self.tries: int = values.get("tries", 3)
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect).open
        self._token: str | None = None  # None: not known yet whether one is asked for
        self._ended: dict[str, str] = {}  # job -> why

    def send(self, batch: Batch) -> list[str]:
        """Submits one job a group; returns their ids, which say batch, group and try."""
        self._refuse_if_open_to_all()
        jobs: list[str] = []
        try:
            for index in range(len(batch.groups)):
                jobs.append(self.send_again(batch, index))
        except EngineError:
            for job in jobs:
                with contextlib.suppress(EngineError):
                    self.cancel([job])
            raise
        return jobs

    def send_again(self, batch: Batch, index: int) -> str:
        """Submits one group; returns its job's id. One that another server has just submitted is left to it."""
        old = batch.jobs[index] if batch.jobs else ""
        last = old.rpartition("-")[2]
        number = int(last) + 1 if last.isdecimal() else 0
        job = f"{batch.job_name}-{index}-{number}"
        asked = {"entrypoint": self._script(batch, index), "submission_id": job,
                 "entrypoint_num_cpus": self.values.get("cpus", 1)}  # fmt: skip
        if "gpus" in self.values:
            asked["entrypoint_num_gpus"] = self.values["gpus"]
        try:
            self._ask("POST", "/api/jobs/", asked)
        except EngineError as error:
            if "already exists" not in str(error):
                raise
        return job

    def _script(self, batch: Batch, index: int) -> str:
        ours = {name: value for name, value in os.environ.items()
                if name.startswith("ELBO_ROOM_") and not name.startswith("ELBO_ROOM_ENGINE")}  # fmt: skip
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(ours.items()))
        output = shlex.quote(str(batch.output(index)))  # Ray's own copy goes with a lost machine
        script = job_script(self.values, f"{shlex.quote(str(batch.file))} {index}", output)
        return exports + script.partition("\n")[2]

    def find(self, batch: Batch) -> list[str]:
        """Returns the ids of a batch, which its token tells, where all of them arrived."""
        jobs = [f"{batch.job_name}-{index}-0" for index in range(len(batch.groups))]
        return jobs if self.look().keys() >= set(jobs) else []

    def look(self) -> Mapping[str, Seen]:
        """Returns all jobs that came from here, by id."""
        listed = self._ask("GET", "/api/jobs/")
        try:
            every = LISTED(listed)
        except Misfit as error:
            raise EngineError(f"Ray at {self.address} answers in a way that is not known here: {error}.") from None
        seen = {}
        for job in every:
            name, status = job.get("submission_id") or "", job.get("status", "")
            if name.startswith(PREFIX):
                words = " ".join((job.get("message") or "").split())[:300]
                never = job.get("error_type") == NO_PLACE
                seen[name] = Seen(STATES.get(status, "working"), f"is {status.lower()}: {words}".rstrip(": ."), never)
                self._ended[name] = f"{status}: {words}".rstrip(": .")
        return seen

    def why(self, job: str) -> str:
        """Returns how a job ended, in Ray's words."""
        told = self._ended.get(job)
        return f"Ray job {job} ended before its run did ({told})" if told else f"Ray knows no more of its job {job}"

    def cancel(self, jobs: Sequence[str]) -> None:
        """Stops jobs."""
        for job in jobs:
            self._ask("POST", f"/api/jobs/{quote(job)}/stop")

    def check(self) -> str:
        """Returns the version of Ray, and whether it asks for a token. EngineError where it lets everybody in and the
        settings don't say that this is known."""
        self._refuse_if_open_to_all()
        version = self._ask("GET", "/api/version")
        told = version.get("ray_version", "?") if isinstance(version, dict) else "?"
        return f"Ray {str(told)[:40]} at {self.address}, {'by token' if self._token else 'open to everybody'}"

    def log_tail(self, job: str) -> str:
        """Returns the end of what a job printed."""
        told = self._ask("GET", f"/api/jobs/{quote(job)}/logs")
        printed = told.get("logs") if isinstance(told, dict) else ""
        return "\n".join(str(printed or "").splitlines()[-LOG_TAIL:])

    # ---- the dashboard

    def _refuse_if_open_to_all(self) -> None:
        if self._find_token() or self.values.get("without_authentication") == IN_WORDS:
            return
        raise EngineError(
            f"Ray at {self.address} asks nobody who they are: whoever reaches it can run programs there. Start it with "
            f'RAY_AUTH_MODE=token, or say in its settings "without_authentication": "{IN_WORDS}".'
        )

    def _find_token(self) -> str:
        """The token that the cluster asks for; "" where it asks for none. Nothing is sent before it asks."""
        if self._token is None:
            try:
                self._request("GET", "/api/jobs/", None, "")
                self._token = ""
            except urllib.error.HTTPError as error:
                with error:  # its connection stays open for as long as a raised error refers to it
                    if error.code not in (401, 403):
                        raise self._said(error) from None
                    self._token = self._read_token()
            except UNREACHED as error:
                raise self._unreached(error) from None
        return self._token

    def _read_token(self) -> str:
        named = self.values.get("token_file") or os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
        token = os.environ.get("RAY_AUTH_TOKEN") or _secret(named)
        if token.strip():
            return _one_word(token.strip(), named)
        raise EngineError(
            f"Ray at {self.address} asks for a token: put it into {named}, or into the variable RAY_AUTH_TOKEN."
        )

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            return parse(self._request(method, path, body, self._find_token()), MOST)
        except urllib.error.HTTPError as error:
            raise self._said(error) from None
        except Misfit as error:
            raise EngineError(f"Ray at {self.address} answers in a way that is not known here: {error}.") from None
        except UNREACHED as error:
            raise self._unreached(error) from None

    def _request(self, method: str, path: str, body: dict[str, Any] | None, token: str) -> bytes:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with self._open(request, timeout=PATIENCE) as answer:
            return bytes(answer.read(MOST + 1))

    def _said(self, error: urllib.error.HTTPError) -> EngineError:
        """What the dashboard refuses with: the last line of it, where it is Python's traceback."""
        lines: list[str] = []
        with error, contextlib.suppress(OSError, HTTPException):
            told = error.read(100_000).decode(errors="replace")
            lines = (told.replace(self._token, "…") if self._token else told).strip().splitlines()
        if error.code in (401, 403):
            self._token = None  # another one may be there the next time
        return EngineError(f"Ray at {self.address} refuses: {(lines or [error.reason])[-1][:300]} ({error.code}).")

    def _unreached(self, error: Exception) -> EngineError:
        return EngineError(
            f"Ray cannot be reached at {self.address} ({str(getattr(error, 'reason', error))[:200].strip()})."
        )


def _address(given: str) -> str:
    """The dashboard's address without a slash at its end. Raises ConfigError, which does not repeat a password."""
    got = "one with a name or a password, which Ray does not take" if "@" in given else repr(given[:80] or "nothing")
    if given.startswith(("http://", "https://")) and "@" not in given:
        return given.rstrip("/")
    raise ConfigError(
        f"ray: address: expected the cluster's dashboard, such as http://head:8265, got {got}; it stands in the file "
        "that ELBO_ROOM_ENGINES names"
    )


def _secret(named: str) -> str:
    """What a token's file holds; "" where there is none. EngineError where every user of this machine may read it."""
    try:
        with open(Path(named).expanduser(), encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & 0o004:
                raise EngineError(f"Ray's token in {named} can be read by everybody here: chmod 600 {named}")
            return file.read(10_000)
    except (OSError, RuntimeError, UnicodeDecodeError):
        return ""


def _one_word(token: str, named: str) -> str:
    if token.isascii() and token.isprintable() and " " not in token:
        return token
    raise EngineError(f"Ray's token, from {named} or RAY_AUTH_TOKEN, is not one word of plain letters and digits.")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address that the settings name, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None
