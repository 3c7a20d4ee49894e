"""The decoder of a run, for the browser: packed for the page, or run here where the page cannot.

    GET /runs/{name}/decoder         {"sha": SHA-256 of the newest published weights, "step": the step they are from,
                                     "k", "height", "width", "channels"}
    GET /runs/{name}/decoder/{sha}   the packed decoder (`vae.browser.decoder_export`); 409 where no page can run it
    GET /runs/{name}/decode?z=...    n·k numbers between commas -> (n, height, width, channels) as bytes: the data's
                                     display limits are 0 and 255. The mean of p(x|z), or with &seed=7 a draw from it

The answer of `decode` names in X-Weights the weights it was computed with. A refusal is a sentence; 409 carries
"X-Decode: server": this decoder is run by the third address. Weights are read, exported and run off the event loop,
but for a few codes through a small decoder whose run was looked at a moment ago: a thread would take longer to wake
than these take.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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

if TYPE_CHECKING:
    import torch

    from vae.model.vae import Model

T = TypeVar("T")
CODES_LIMIT = 256  # codes that one request may decode
LOOK_EVERY = 0.2  # seconds between two looks at a run's files, however many move its sliders
AT_ONCE = 1e-3  # seconds of decoding that the event loop does itself
SHORT = 4096  # bytes of a query whose numbers it reads itself
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "private, no-cache"}


@dataclass(frozen=True)
class ReadyDecoder:
    """A run's newest decoder as it was at `looked` (monotonic seconds), and the seconds that it takes for a code."""

    model: Model
    sha: str
    limits: tuple[float, float]
    looked: float
    seconds: float

    @property
    def size(self) -> list[torch.Size]:
        """The shapes of the weights: other weights of these shapes take as long."""
        return [weight.shape for weight in self.model.decoder.parameters()]

    def is_fresh(self) -> bool:
        """Returns whether the run was looked at a moment ago."""
        return time.monotonic() - self.looked < LOOK_EVERY


_ready: Newest[ReadyDecoder] = Newest(3)  # by the run's directory; each holds a model
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
    return pixels_of(model_kept(path, sha), _limits_of(path, sha), numbers, seed)


def _limits_of(path: Path, sha: str) -> tuple[float, float]:
    from vae.space.encodings import display_limits_of

    return _limits.get((path, sha), lambda: display_limits_of(runs.Run(path)))


def pixels_of(model: Model, limits: tuple[float, float], numbers: list[float], seed: int | None = None) -> bytes:
    """Returns what `decode_pixels` does, of a model that is there. Raises ValueError with a sentence."""
    import torch

    from vae.datasets.scale import to_bytes

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
        if pixels.shape[1] > 1:
            pixels = pixels.permute(0, 2, 3, 1)
        return pixels.contiguous().cpu().numpy().tobytes()


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
    ready = _ready.find(runs.runs_root() / request.path_params["name"])
    if ready is not None and ready.is_fresh() and len(request.scope["query_string"]) <= SHORT:
        answer = in_words(lambda: _at_once(request, ready))
        if answer is not None:
            return answer
    return await in_thread_of("decoding", answer_about_run, request, _decode)


def _at_once(request: Request, ready: ReadyDecoder) -> Response | None:
    """The images; None where the event loop should not wait for so many."""
    numbers = read_numbers(request.query_params.get("z", ""))
    return _images(request, ready, numbers) if len(numbers) / ready.model.k * ready.seconds < AT_ONCE else None


def answer_about_run(request: Request, make: Callable[[Request, Path], Response]) -> Response:
    """What `make` answers, or the sentence that says why not."""
    return in_words(lambda: make(request, runs.run_path(request.path_params["name"])))


def in_words(make: Callable[[], T]) -> T | Response:
    """What `make` answers, or the sentence that says why not."""
    try:
        return make()
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
    from vae.model.vae import Model

    sha, now = weights_sha(path), time.monotonic()
    ready = ReadyDecoder(model_kept(path, sha), sha, _limits_of(path, sha), now, math.inf)
    began = time.perf_counter()
    numbers = read_numbers(request.query_params.get("z", ""))
    answer = _images(request, ready, numbers)
    seconds = (time.perf_counter() - began) * ready.model.k / len(numbers)
    before = _ready.find(path)  # the least is nearest: whatever else runs here adds to it
    if before is not None and before.size == ready.size:
        seconds = min(seconds, before.seconds)
    if type(ready.model) is Model:  # nobody knows how long another's own takes for the next code
        _ready.keep(path, dataclasses.replace(ready, seconds=seconds))
    return answer


def _images(request: Request, ready: ReadyDecoder, numbers: list[float]) -> Response:
    pixels = pixels_of(ready.model, ready.limits, numbers, read_seed(request.query_params.get("seed")))
    return Response(pixels, media_type="application/octet-stream", headers={**FRESH, "X-Weights": ready.sha})


def make_decoder_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/runs/{{name}}/decoder", decoder, methods=["GET"]),
        Route(f"{base}/runs/{{name}}/decoder/{{sha}}", packed, methods=["GET"]),
        Route(f"{base}/runs/{{name}}/decode", decode, methods=["GET"]),
    ]


decoder_routes: list[BaseRoute] = make_decoder_routes(base_path())
