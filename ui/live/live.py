"""Read-only data for the browser: a run's history as it grows, its status and its previews.

    ws  /live                      one connection per tab, any number of runs on it; see `live`
    GET /runs/{name}/preview       preview/live.bin
    GET /runs/{name}/thumbnail.png the reconstructions in it, as a sheet

Names go through `vae.runs.run_path`. Nothing here writes, and nothing here imports torch.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ui.live.decoder import decoder_routes
from ui.live.run_watcher import Lines, RunWatcher
from ui.network import base_path, origin_allowed
from vae.checked_json import Misfit, parse, read_bytes
from vae.errors import RunDamaged, RunNotFound
from vae.runs import run_path
from vae.runs.preview_file import PREVIEW_LIMIT, read_header

RUNS_LIMIT = 32  # runs that one tab may watch at a time
MESSAGE_LIMIT = 4096  # characters of a message from a browser
SEND_LIMIT = 30.0  # seconds; a viewer that takes nothing for so long is let go

_watchers: dict[Path, RunWatcher] = {}


def _watcher(path: Path) -> RunWatcher:
    """The run's watcher. Idle ones are kept for a while: a tab that comes back resumes with the same file id."""
    watcher = _watchers.get(path)
    if watcher is None or watcher.gone:
        for idle in [p for p, t in _watchers.items() if not t.viewers][: max(0, len(_watchers) - 64)]:
            del _watchers[idle]
        watcher = _watchers[path] = RunWatcher(path)
    return watcher


async def live(socket: WebSocket) -> None:
    """Serves the live connection of one tab.

    Receives {"watch": run, "offset": bytes, "file": id or null} and {"unwatch": run}. Sends per run:
    {"run", "file", "from", "offset", "lines"} (history; resume with the last offset and file), {"run", "reset": true}
    (forget what came, the history starts over), {"run", "status", "knobs", "weights", "viewers"} (weights: the
    SHA-256 of the newest published ones, or null), these and lines in one where both are new, {"run", "error"}, and
    binary previews: uint32 length of a padded JSON {"run", "bytes"}, the JSON, the bytes of live.bin.
    """
    if not origin_allowed(socket.headers):  # as the gate; here again, because a socket is no request of the page's
        await socket.close(1008)  # before accept: the handshake is answered by 403
        return
    await socket.accept()
    viewer = Viewer(socket)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(viewer.send_news, tasks.cancel_scope)
            await viewer.receive_messages()
            tasks.cancel_scope.cancel()
    finally:
        viewer.leave_all()


def read_message(text: str) -> Any:
    """Returns what a tab's message says; None where it is no JSON of a few levels."""
    try:
        return parse(text.encode(errors="replace"), 4 * MESSAGE_LIMIT)  # bytes of so many characters
    except Misfit:
        return None


@dataclass
class Watch:
    """What one viewer has of one run."""

    watcher: RunWatcher
    file: str | None
    offset: int
    status_version: int = -1
    preview_version: int = 0


@dataclass
class Viewer:
    """One tab: what it watches, and the loop that sends it what it lacks."""

    socket: WebSocket
    watches: dict[str, Watch] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive_messages(self) -> None:
        """Reads messages until the tab closes the connection."""
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or ""
            if len(text) > MESSAGE_LIMIT or len(message.get("bytes") or b"") > MESSAGE_LIMIT:
                await self.socket.close(1009, f"a message may have {MESSAGE_LIMIT:,} characters")
                return
            request = read_message(text)
            if isinstance(request, dict) and isinstance(request.get("watch"), str):
                await self.watch(request["watch"], request.get("offset"), request.get("file"))
            elif isinstance(request, dict) and isinstance(request.get("unwatch"), str):
                self.unwatch(request["unwatch"])
            else:
                self.refuse(None, 'expected {"watch": run, "offset": bytes, "file": id} or {"unwatch": run}')

    async def watch(self, run: str, offset: object, file: object) -> None:
        """Starts sending a run from `offset` of `file`, or from its start where these do not hold any more."""
        if run not in self.watches and len(self.watches) >= RUNS_LIMIT:
            self.refuse(run, f"one tab can watch {RUNS_LIMIT} runs at a time; close some first")
            return
        try:
            path = await anyio.to_thread.run_sync(run_path, run)
        except RunNotFound as error:
            self.refuse(run, str(error))
            return
        known = type(offset) is int and offset >= 0 and isinstance(file, str)
        self.unwatch(run)
        watch = Watch(_watcher(path), file, offset) if known else Watch(_watcher(path), None, 0)  # type: ignore[arg-type]
        self.watches[run] = watch
        watch.watcher.join(self.news.set)
        self.news.set()

    def unwatch(self, run: str) -> None:
        """Stops sending a run."""
        watch = self.watches.pop(run, None)
        if watch is not None:
            watch.watcher.leave(self.news.set)

    def leave_all(self) -> None:
        """Stops sending all runs."""
        for run in list(self.watches):
            self.unwatch(run)

    def refuse(self, run: str | None, sentence: str) -> None:
        """Has a sentence about a run sent to the tab."""
        self.errors = [*self.errors[-15:], {"run": run and run[:200], "error": sentence}]
        self.news.set()

    async def send_news(self, scope: anyio.CancelScope) -> None:
        """Sends what is new, in turn for each run, as fast as the tab takes it."""
        try:
            while True:
                await self.news.wait()
                self.news.clear()
                while self.errors:
                    await self.send_text(json.dumps(self.errors.pop(0)))
                for run, watch in list(self.watches.items()):
                    if await self.send_run(run, watch):
                        self.news.set()
        except (WebSocketDisconnect, TimeoutError, RuntimeError, OSError):
            scope.cancel()  # the tab is gone, or takes nothing any more

    async def send_run(self, run: str, watch: Watch) -> bool:
        """Goes one round for one run: the next lines, the newest preview, the newest status. Returns whether lines
        remain."""
        watcher, head = watch.watcher, f'{{"run":{json.dumps(run)},'
        if not watcher.ready or self.watches.get(run) is not watch:
            return False
        if watcher.gone:
            self.unwatch(run)
            await self.send_text(head + '"error":"this run was renamed or deleted"}')
            return False
        if watch.status_version < 0:
            await self.send_news_of(watch, None, True)
        if watch.file != watcher.file or watch.offset > watcher.end:
            if watch.file is not None:
                await self.send_text(head + '"reset":true}')
            watch.file, watch.offset = watcher.file, 0
        file, lines = watcher.file, await watcher.lines_from(watch.offset)
        if file != watcher.file:
            lines = None  # of a history that was replaced meanwhile
        at_end = (watch.offset if lines is None else lines.end) >= watcher.end
        status = at_end and watch.status_version != watcher.status_version
        if lines is not None or status:
            await self.send_news_of(watch, lines, status)
        if watch.preview_version != watcher.preview_version and watcher.preview is not None:
            watch.preview_version = watcher.preview_version
            with anyio.fail_after(SEND_LIMIT):
                await self.socket.send_bytes(watcher.preview)
        return lines is not None and watch.offset < watcher.end

    async def send_news_of(self, watch: Watch, lines: Lines | None, status: bool) -> None:
        """Sends the next lines, the newest status, or both."""
        version = watch.watcher.status_version  # a change after this is sent again
        message = watch.watcher.message(lines, status)
        if lines is not None:
            watch.offset = lines.end
        if status:
            watch.status_version = version
        await self.send_text(message)

    async def send_text(self, text: str) -> None:
        """Sends a text; raises TimeoutError where the tab takes nothing."""
        with anyio.fail_after(SEND_LIMIT):
            await self.socket.send_text(text)


async def preview(request: Request) -> Response:
    """Answers with the bytes of live.bin."""
    return await anyio.to_thread.run_sync(_answer, request, "application/octet-stream", lambda data: data)


async def thumbnail(request: Request) -> Response:
    """Answers with a PNG of the reconstructions, one pixel per pixel; the page enlarges it without smoothing."""
    return await anyio.to_thread.run_sync(_answer, request, "image/png", thumbnail_png)


def _answer(request: Request, media_type: str, make: Any) -> Response:
    """A file made from live.bin, cached by its content: for ever where the address carries the content's `v`."""
    name = request.path_params["name"]
    try:
        file = run_path(name) / "preview" / "live.bin"
        data = read_bytes(file, PREVIEW_LIMIT)
        read_header(data)
        tag = hashlib.sha256(data).hexdigest()[:16]
        for_ever = request.query_params.get("v") == tag
        headers = {
            "ETag": f'"{tag}"',
            "Cache-Control": "private, max-age=31536000, immutable" if for_ever else "private, no-cache",
        }
        if f'"{tag}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(make(data), media_type=media_type, headers=headers)
    except RunNotFound as error:
        return PlainTextResponse(str(error), 404)
    except FileNotFoundError:
        return PlainTextResponse(f"run {name!r} has no preview yet", 404)
    except (Misfit, RunDamaged) as error:
        return PlainTextResponse(f"run {name!r}: its preview is damaged ({error}); training makes it anew", 404)


def thumbnail_png(data: bytes, columns: int = 4) -> bytes:
    """Returns the reconstructions of a live.bin as a sheet of 4 x 2 (less where there are fewer). Raises RunDamaged
    if it is none."""
    import numpy as np
    from PIL import Image

    header = read_header(data)
    count, height, width, channels = shape = (header.count, header.height, header.width, header.channels)
    if channels not in (1, 3):
        raise RunDamaged(f"preview: expected 1 or 3 channels for a picture, got {channels:,}")
    images = np.frombuffer(data, np.uint8, offset=header.at)[-math.prod(shape) :].reshape(shape)
    columns = min(columns, count)
    rows = min(2, count // columns)
    sheet = images[: rows * columns].reshape(rows, columns, height, width, channels)
    sheet = sheet.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if channels == 1 else np.ascontiguousarray(sheet)).save(file, "PNG", optimize=True)
    return file.getvalue()


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path, for `st.App(routes=...)`."""
    return [
        WebSocketRoute(f"{base}/live", live),
        Route(f"{base}/runs/{{name}}/preview", preview, methods=["GET"]),
        Route(f"{base}/runs/{{name}}/thumbnail.png", thumbnail, methods=["GET"]),
    ]


routes: list[BaseRoute] = [*make_routes(base_path()), *decoder_routes]
