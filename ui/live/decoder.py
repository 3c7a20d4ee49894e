"""The decoder of a run, for the browser: packed for the page, or run here where the page cannot.

    GET /runs/{name}/decoder         {"sha": SHA-256 of the newest published weights, "step": the step they are from,
                                     "k", "height", "width", "channels"}
    GET /runs/{name}/decoder/{sha}   the packed decoder (`vae.browser.decoder_export`); 409 where no page can run it
    GET /runs/{name}/decode?z=...    n·k numbers between commas -> (n, height, width, channels) as bytes: the data's
                                     display limits are 0 and 255. The mean of p(x|z), or with &seed=7 a draw from it

The answer of `decode` names in X-Weights the weights it was computed with. A refusal is a sentence; 409 carries
"X-Decode: server": this decoder is run by the third address. Weights are read, exported and run off the event loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import Newest, model_kept, weights_sha
from ui.live.limiters import in_thread_of
from ui.network import base_path
from vae import runs
from vae.errors import DecoderUnsupported, ElboRoomError, RunError
from vae.runs.checkpoints import weights_step

CODES_LIMIT = 256  # codes that one request may decode
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "private, no-cache"}


_packed: Newest[bytes | DecoderUnsupported] = Newest(8)
_older: Newest[bytes | DecoderUnsupported] = Newest(4)  # moments: a browser keeps what it got
_limits: Newest[tuple[float, float]] = Newest(8)  # of a run's pictures: reading them takes longer than decoding one


def packed_decoder(path: Path, sha: str) -> bytes:
    """Returns the decoder with these weights, packed for the page. Raises DecoderUnsupported where the page cannot
    run it."""
    cache = _packed if weights_sha(path) == sha else _older
    made = cache.get((path, sha), lambda: _export(path, sha))
    if isinstance(made, DecoderUnsupported):
        raise DecoderUnsupported(str(made))
    return made


def _export(path: Path, sha: str) -> bytes | DecoderUnsupported:
    from vae.browser.decoder_export import pack_decoder
    from vae.space.encodings import display_limits_of

    try:
        return pack_decoder(model_kept(path, sha), sha, display_limits_of(runs.Run(path)))
    except DecoderUnsupported as error:
        return error


def decode_pixels(path: Path, sha: str, numbers: list[float], seed: int | None = None) -> bytes:
    """Returns (n, height, width, channels) bytes for n·k numbers, between the display limits of the run's data.
    Raises ValueError with a sentence, RunError."""
    import torch

    from vae.datasets.scale import to_bytes
    from vae.space.encodings import display_limits_of

    model = model_kept(path, sha)
    limits = _limits.get((path, sha), lambda: display_limits_of(runs.Run(path)))
    codes = len(numbers) // model.k
    if not numbers or len(numbers) != codes * model.k:
        raise ValueError(f"z: expected a multiple of {model.k} numbers, got {len(numbers)}")
    if codes > CODES_LIMIT:
        raise ValueError(f"z: at most {CODES_LIMIT} codes at a time, got {codes}")
    weight = next(model.decoder.parameters())
    with torch.no_grad():
        px_z = model.decode(torch.tensor(numbers, dtype=weight.dtype, device=weight.device).reshape(codes, model.k))
        image = px_z.mean if seed is None else px_z.sample(torch.Generator(weight.device).manual_seed(seed))
    pixels = to_bytes(image, limits)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()


def read_numbers(text: str) -> list[float]:
    """Reads finite numbers between commas. Raises ValueError with a sentence."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError("z: expected numbers between commas, such as z=0.5,-1.2") from None
    if not all(math.isfinite(number) and abs(number) < 1e30 for number in numbers):
        raise ValueError("z: every number should be finite")
    return numbers


def read_seed(text: str | None) -> int | None:
    """Reads a whole number that a generator takes, or None. Raises ValueError with a sentence."""
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise ValueError("seed: expected a whole number")
    return int(text)


async def decoder(request: Request) -> Response:
    """Answers which weights are the newest."""
    return await anyio.to_thread.run_sync(answer_about_run, request, _newest)


async def packed(request: Request) -> Response:
    """Answers with the packed decoder with the weights {sha}."""
    return await in_thread_of("packing decoders", answer_about_run, request, _pack)


async def decode(request: Request) -> Response:
    """Images of codes, computed here."""
    return await in_thread_of("decoding", answer_about_run, request, _decode)


def answer_about_run(request: Request, make: Callable[[Request, Path], Response]) -> Response:
    """What `make` answers, or the sentence that says why not."""
    try:
        return make(request, runs.run_path(request.path_params["name"]))
    except DecoderUnsupported as error:
        return PlainTextResponse(str(error), 409, {**FRESH, "X-Decode": "server"})
    except ElboRoomError as error:
        return PlainTextResponse(str(error), 404, FRESH)
    except ValueError as error:
        return PlainTextResponse(str(error), 400, FRESH)


def _newest(_: Request, path: Path) -> Response:
    sha = weights_sha(path)
    config, data = runs.read_config(path)
    runs.check_known(path, config)
    channels, height, width = data["shape"]
    sizes = {"k": config.latent_dim, "height": height, "width": width, "channels": channels}
    return JSONResponse({"sha": sha, "step": weights_step(path), **sizes}, headers=FRESH)


def _pack(request: Request, path: Path) -> Response:
    sha = request.path_params["sha"]
    if sha != weights_sha(path):
        raise RunError(f"run {path.name!r} has other weights by now; ask for its decoder again")
    return Response(packed_decoder(path, sha), media_type="application/octet-stream", headers=FOR_EVER)


def _decode(request: Request, path: Path) -> Response:
    numbers = read_numbers(request.query_params.get("z", ""))
    seed = read_seed(request.query_params.get("seed"))
    sha = weights_sha(path)
    pixels = decode_pixels(path, sha, numbers, seed)
    return Response(pixels, media_type="application/octet-stream", headers={**FRESH, "X-Weights": sha})


def make_decoder_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/runs/{{name}}/decoder", decoder, methods=["GET"]),
        Route(f"{base}/runs/{{name}}/decoder/{{sha}}", packed, methods=["GET"]),
        Route(f"{base}/runs/{{name}}/decode", decode, methods=["GET"]),
    ]


decoder_routes: list[BaseRoute] = make_decoder_routes(base_path())
