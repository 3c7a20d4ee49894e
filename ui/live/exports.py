"""The files that were made of runs, as they are downloaded.

    GET /exports/{token}/{name}    the file; ranges and HEAD too

A token is guessed by nobody; it is good as long as the file lies there. Whatever is in a file, no browser shows it as a
page of this server: it is saved, and should a browser show it all the same, it runs nothing and has no origin.
"""

from __future__ import annotations

import os
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.network import base_path
from vae.exports.work_folder import TOKEN, folder_of, made_file, read_status
from vae.runs import runs_root

HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",  # the gate leaves it as it is
    "X-Content-Type-Options": "nosniff",
}
GONE = "This file is not here any more: it is kept for a day at most, and as long as the server runs. Make it again."


async def download(request: Request) -> Response:
    """Answers with the file, to be saved under its name."""
    found = await anyio.to_thread.run_sync(_find, request.path_params["token"], request.path_params["name"])
    if found is None:
        return PlainTextResponse(GONE, 404, {"Cache-Control": "no-store"})
    file, stat = found
    return FileResponse(
        file, filename=file.name, media_type="application/octet-stream", headers=HEADERS, stat_result=stat
    )


def _find(token: str, name: str) -> tuple[Path, os.stat_result] | None:
    if not TOKEN.fullmatch(token):
        return None
    folder = folder_of(runs_root(), token)
    file = made_file(folder, read_status(folder))
    try:
        return None if file is None or file.name != name else (file, file.stat())
    except OSError:
        return None


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [Route(f"{base}/exports/{{token}}/{{name}}", download, methods=["GET"])]


export_routes: list[BaseRoute] = make_routes(base_path())
