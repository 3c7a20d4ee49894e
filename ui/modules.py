"""The browser's modules, styles and kernels of `ui/static/`, at addresses that hold the hash of them all.

    GET /modules/{version}/{name}

A browser keeps them for ever: the next of our pages, which import some fifty of them, asks for none again. As they
import each other by relative addresses, those of two versions never meet. What is served was read when the server
started: who changes a module starts the server anew.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.network import base_path

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm"}
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
GONE = "The server has other modules now: load the page again."


def read_modules(folder: Path) -> tuple[str, dict[str, bytes]]:
    """Returns a hash of all modules below the folder, names and contents, and each by its name, as `map/map.js`."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.suffix in TYPES}
    found = {name: files[name].read_bytes() for name in sorted(files)}
    version = hashlib.sha256()
    for name, content in found.items():
        version.update(f"{name}\n{len(content)}\n".encode() + content)
    return version.hexdigest()[:16], found


VERSION, MODULES = read_modules(STATIC)


async def module(request: Request) -> Response:
    """Answers with a module of this version."""
    name = request.path_params["name"]
    content = MODULES.get(name) if request.path_params["version"] == VERSION else None
    if content is None:
        return PlainTextResponse(GONE, 404, {"Cache-Control": "no-store"})
    return Response(content, media_type=TYPES[Path(name).suffix], headers=FOR_EVER)


module_routes: list[BaseRoute] = [Route(f"{base_path()}/modules/{{version}}/{{name:path}}", module, methods=["GET"])]
