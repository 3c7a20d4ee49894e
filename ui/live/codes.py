"""The codes of a run and the images behind them, for whatever in the page shows the latent space.

    GET /runs/{name}/codes/{sha}    header, loc, log-variance, rate, distortion, labels (see `vae.space.packed_codes`)
    GET /runs/{name}/images/{sha}   uint8 (n, height, width, channels); ?first=0&count=1000 for a part of them

Both take ?part=test|train. `sha` is the SHA-256 of the run's present weights, so that the browser may keep what it got
for ever; any other is answered with 404 and a sentence. torch is imported by the first request.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import Newest, codes_are_there, current_codes
from ui.live.limiters import in_thread_of
from ui.network import base_path
from vae.errors import ConfigError, ElboRoomError, RunNotFound
from vae.files import told
from vae.runs import run_path, runs_root
from vae.space.packed_codes import pack_codes

if TYPE_CHECKING:
    from vae.space.encodings import Codes

Make = Callable[[Request], Response]
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}


_packed: Newest[bytes] = Newest(3)


def codes(request: Request) -> Response:
    """Answers with the packed codes."""
    found = _current(request)
    return send(request, _packed.get(_key(request), lambda: pack_codes(found)))


def images(request: Request) -> Response:
    """Answers with the images behind the codes, or with some of them."""
    everything = _current(request).images
    first, count = (whole_number(request, name) for name in ("first", "count"))
    part = everything[first or 0 :][:count]
    return send(request, np.ascontiguousarray(part.transpose(0, 2, 3, 1)).tobytes())


def _current(request: Request) -> Codes:
    run_path(request.path_params["name"])  # refuses what is no name
    return current_codes(*_key(request))


def whole_number(request: Request, name: str) -> int | None:
    """Returns the whole number that the address has under `name`, None where it has none. Raises ConfigError."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ConfigError(f"{name}: expected a whole number, got {text[:20]!r}")
    return int(text)


def send(request: Request, data: bytes) -> Response:
    """Returns bytes that never change, packed where they go to another machine."""
    headers = {**IMMUTABLE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", "") and not _on_this_machine(request):
        data, headers["Content-Encoding"] = gzip.compress(data, 1), "gzip"
    return Response(data, media_type="application/octet-stream", headers=headers)


def _on_this_machine(request: Request) -> bool:
    """Packing takes longer than sending to the same machine."""
    return request.client is not None and request.client.host in ("127.0.0.1", "::1", "localhost")


def in_words(make: Make, request: Request) -> Response:
    """Returns what `make` answers, or its error's sentence: 404 not there, 400 asked wrongly, 409 anything else of
    ours."""
    try:
        return make(request)
    except RunNotFound as error:
        return PlainTextResponse(str(error), 404, {"Cache-Control": "no-store"})
    except ConfigError as error:
        return PlainTextResponse(str(error), 400, {"Cache-Control": "no-store"})
    except (ElboRoomError, OSError) as error:
        return PlainTextResponse(told(error), 409, {"Cache-Control": "no-store"})


def in_thread(make: Make) -> Callable[[Request], Awaitable[Response]]:
    """Returns the route that `make` answers, off the event loop."""

    async def route(request: Request) -> Response:
        return await anyio.to_thread.run_sync(in_words, make, request)

    return route


def with_codes(make: Make) -> Callable[[Request], Awaitable[Response]]:
    """Returns the route that `make` answers from the run's codes. Who waits for codes to be computed waits without a
    thread: those that serve static files, decoding and live data stay free, and so do those that send what is there."""

    async def route(request: Request) -> Response:
        return await answer_with_codes(make, request)

    return route


async def answer_with_codes(make: Make, request: Request) -> Response:
    """Returns what `make` answers, once the codes of the request's run are there."""
    if not codes_are_there(*_key(request)):
        refusal = await in_thread_of("computing codes", in_words, _ensure, request)
        if refusal.status_code != 204:
            return refusal
    return await in_thread_of("sending codes", in_words, make, request)


def _key(request: Request) -> tuple[Path, str, str]:
    """Run, weights and part of an address."""
    part = request.query_params.get("part", "test")
    return runs_root() / request.path_params["name"], request.path_params["sha"], part


def _ensure(request: Request) -> Response:
    """Compute the codes; 204 where they are there then."""
    _current(request)
    return Response(status_code=204)


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/runs/{{name}}/codes/{{sha}}", with_codes(codes), methods=["GET"]),
        Route(f"{base}/runs/{{name}}/images/{{sha}}", with_codes(images), methods=["GET"]),
    ]


codes_routes: list[BaseRoute] = make_routes(base_path())
