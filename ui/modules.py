"""The browser's modules, styles and kernels of `ui/static/`, at addresses that hold the hash of them all.

    GET /modules/{version}/{name}

A browser keeps them for ever: the next of our pages, which import some fifty of them, asks for none again. As they
import each other by relative addresses, those of two versions never meet. What is served was read when this file was
imported: who changes a module starts the server anew, or saves any file of ui/ where a file watcher is on.
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
GONE = "This server has no such module: load the page again; its modules may be newer."


def read_modules(folder: Path) -> tuple[str, dict[str, bytes]]:
    """Returns a hash of all modules below the folder, names and contents, and each by its name, as `map/map.js`."""
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix in TYPES and path.is_file()
    }
    found = {name: files[name].read_bytes() for name in sorted(files)}
    version = hashlib.sha256()
    for name, content in found.items():
        version.update(f"{name}\n{len(content)}\n".encode() + content)
    return version.hexdigest()[:16], found


VERSION, MODULES = read_modules(STATIC)


async def module(request: Request) -> Response:
    """Answers with a module of this version."""
    import ui.modules as now  # a file watcher imports this file anew, and the pages with it: not the routes

    name = request.path_params["name"]
    content = now.MODULES.get(name) if request.path_params["version"] == now.VERSION else None
    if content is None:
        return PlainTextResponse(GONE, 404, {"Cache-Control": "no-store"})
    return Response(content, media_type=TYPES[Path(name).suffix], headers=FOR_EVER)


module_routes: list[BaseRoute] = [Route(f"{base_path()}/modules/{{version}}/{{name:path}}", module, methods=["GET"])]
