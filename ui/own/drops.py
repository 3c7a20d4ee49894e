"""Files that a visitor drops on a page, on their way to a dataset.

    PUT    /own/drop/{token}?name=cat/1.png    one file, as the body; 413 with a sentence where it is too much, of the
                                               drop, of the server, or of what this visitor may have on its disk
    DELETE /own/drop/{token}                   all of them

A token is made by the page, known to nobody else, and good for one drop. The files lie in a folder of the system's for
temporary files, under numbers; their names are only remembered. They are removed when they have been used, when the
visitor drops others, after an hour without a sign of them, and when the server stops.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import anyio.to_thread
import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.network import base_path
from ui.room.identity import TEACHER, is_granted
from vae.errors import ConfigError

MOST_BYTES = 2 * 10**9  # of one drop
MOST_OF_ALL = 8 * 10**9  # of all visitors together
SPARE = 10**9  # of the disk, that is left free
IDLE = 3600.0  # seconds
OLD = 24 * 3600.0  # of what a killed server left
PREFIX = "elbo-room-drop-"
FRESH = {"Cache-Control": "no-store"}


@dataclass
class Drop:
    """What one visitor dropped: (name, place) of each file. owner: the visitor's owner id."""

    folder: Path
    owner: str
    files: list[tuple[str, Path]] = field(default_factory=list)
    bytes: int = 0
    touched: float = field(default_factory=time.monotonic)


class TooMuch(Exception):
    """A sentence: what is not taken."""


class Drops:
    """All drops of a server."""

    def __init__(self) -> None:
        self._drops: dict[str, Drop] = {}
        self._lock = threading.Lock()

    def begin(self, owner: str) -> str:
        """The token of a new, empty drop."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            now = time.monotonic()
            for idle in [name for name, drop in self._drops.items() if now - drop.touched > IDLE]:
                _clear(self._drops.pop(idle))
            self._drops[token] = Drop(Path(tempfile.gettempdir()) / f"{PREFIX}{secrets.token_hex(8)}", owner)
        return token

    def find(self, token: str) -> Drop | None:
        with self._lock:
            drop = self._drops.get(token)
            if drop is not None:
                drop.touched = time.monotonic()
            return drop

    def empty(self, token: str) -> None:
        with self._lock:
            drop = self._drops.get(token)
            if drop is not None:
                _clear(drop)

    def close(self, token: str | None = None) -> None:
        """Remove one drop, or all of them."""
        with self._lock:
            for name in [token] if token is not None else list(self._drops):
                drop = self._drops.pop(name, None)
                if drop is not None:
                    _clear(drop)

    def reserve(self, drop: Drop, name: str) -> Path:
        """The place of another file. TooMuch."""
        from vae.datasets.own.entries import ARCHIVES, ARRAYS, MOST_DROPPED, PICTURES, TABLES  # brings torch

        with self._lock:
            if len(drop.files) >= MOST_DROPPED:
                raise TooMuch(f"More than {MOST_DROPPED:,} files are too many to drop; pack them into a zip.")
            drop.folder.mkdir(mode=0o700, exist_ok=True)
            if shutil.disk_usage(drop.folder).free < SPARE:
                raise TooMuch("This server's disk is too full to take files; make room.")
            suffix = PurePosixPath(name).suffix.lower()
            known = suffix if suffix in (*PICTURES, *TABLES, *ARRAYS, *ARCHIVES) else ".other"
            path = drop.folder / f"{len(drop.files):06d}{known}"
            drop.files.append((name, path))
            return path

    def by_owner(self) -> dict[str, int]:
        """The bytes of each owner's drops."""
        with self._lock:
            found = Counter[str]()
            for drop in self._drops.values():
                found[drop.owner] += drop.bytes
            return found

    def grow(self, drop: Drop, count: int) -> None:
        """Count bytes before they are written. TooMuch."""
        with self._lock:
            if drop.bytes + count > MOST_BYTES:
                raise TooMuch(f"More than {MOST_BYTES / 1e9:.0f} GB are too much to drop; give the path of a folder.")
            if sum(one.bytes for one in self._drops.values()) + count > MOST_OF_ALL:
                raise TooMuch("This server holds as many dropped files as it takes; try again later.")
            drop.bytes += count
            drop.touched = time.monotonic()


def _clear(drop: Drop) -> None:
    shutil.rmtree(drop.folder, ignore_errors=True)
    drop.files, drop.bytes = [], 0


@st.cache_resource(show_spinner=False)
def drops() -> Drops:
    """The server's; what a killed one left long ago is removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > OLD:
                shutil.rmtree(left, ignore_errors=True)
    return Drops()


async def put(request: Request) -> Response:
    """Take one file."""
    name = request.query_params.get("name", "")[:500]
    drop = drops().find(request.path_params["token"])
    if drop is None:
        return PlainTextResponse("This page is older than the server's memory of it; reload it.", 404, FRESH)
    from ui.room.limits import check_disk  # which counts what lies here

    teacher = is_granted(TEACHER, request.cookies)
    try:
        path = drops().reserve(drop, name)  # first: files that come together keep the order that a person gave them
        await anyio.to_thread.run_sync(check_disk, drop.owner, _length(request), teacher)
        with open(path, "xb") as file:
            async for chunk in request.stream():
                drops().grow(drop, len(chunk))
                await anyio.to_thread.run_sync(file.write, chunk)
    except (TooMuch, ConfigError) as error:
        drops().empty(request.path_params["token"])
        return PlainTextResponse(str(error), 413, FRESH)
    except OSError as error:
        return PlainTextResponse(f"The file could not be kept ({error.strerror}); see to the disk.", 507, FRESH)
    return Response(status_code=204)


def _length(request: Request) -> int:
    told = request.headers.get("content-length", "")
    return int(told) if told.isdecimal() and len(told) < 16 else MOST_BYTES


def delete(request: Request) -> Response:
    drops().empty(request.path_params["token"])
    return Response(status_code=204)


def make_routes(base: str = "") -> list[BaseRoute]:
    """The routes under the server's base path."""
    return [
        Route(f"{base}/own/drop/{{token}}", put, methods=["PUT"]),
        Route(f"{base}/own/drop/{{token}}", delete, methods=["DELETE"]),
    ]


drop_routes: list[BaseRoute] = make_routes(base_path())
