"""A run at its moments, for the scrubber: each of its weights by content hash, so that a browser keeps what it got.

    GET /runs/{name}/stops                the moments and the newest weights (see `stops_of`), and why there are none
    GET /runs/{name}/at/{sha}/decoder     the packed decoder with these weights; 409 where no page can run it
    GET /runs/{name}/at/{sha}/decode?z=   its images, computed here (see `ui.live.decoder`)
    GET /runs/{name}/at/{sha}/codes       the codes of the first 2,000 held-out images under these weights
    GET /runs/{name}/at/{sha}/images      those images; ?first=0&count=1000 for a part of them
    GET /runs/{name}/at/{sha}/plane       the PCA plane of these codes: {"mean", "components", "explained"}

`sha`: the SHA-256 of a moment's file, or of the newest weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import Newest, model_kept, weights_sha
from ui.live.codes import IMMUTABLE, in_words, send, whole_number
from ui.live.decoder import FOR_EVER, FRESH, answer_about_run, decode_pixels, packed_decoder, read_numbers
from ui.live.limiters import in_thread_of
from ui.network import base_path
from vae import runs
from vae.runs.checkpoints import weights_step
from vae.runs.moments import list_moments, why_none
from vae.space.packed_codes import pack_codes

if TYPE_CHECKING:
    from vae.space.encodings import Codes, Images

MOST_IMAGES = 2000  # on the map
Answer = Callable[[Request], Any]

_codes: Newest[Codes] = Newest(4)
_packed: Newest[bytes] = Newest(48)
_images: Newest[Images] = Newest(1)


def stops_of(path: Path) -> list[dict[str, Any]]:
    """Returns the moments of a run in order and, where they are of a later step, its newest weights: run, sha, key
    (the step), label, its short form, C and why of each. Raises RunError where it has no weights at all."""
    stops = [_stop(path, m.sha256, m.step, m.C, m.why) for m in list_moments(path)]
    step, sha = weights_step(path), weights_sha(path)
    if not stops or (step is not None and step > stops[-1]["step"]):
        stops.append(_stop(path, sha, step, None, "newest"))
    return stops


def _stop(path: Path, sha: str, step: int | None, C: float | None, why: str) -> dict[str, Any]:
    label = "newest weights" if step is None else f"step {step:,}"
    return {
        "run": path.name,
        "sha": sha,
        "step": step,
        "key": "newest" if step is None else str(step),
        "label": label if C is None else f"{label} · C = {C:.3g}",
        "short": "newest" if step is None else f"{step:,}" + (f"\nC was {C:.3g}" if why == "C turned" else ""),
        "C": C,
        "why": why,
    }


def kept_codes(path: Path, sha: str) -> Codes:
    """Returns the codes of the run's first held-out images under these weights, computed once. Raises RunError,
    DataError."""
    return _codes.get((path, sha), lambda: _encode(path, sha))


def _encode(path: Path, sha: str) -> Codes:
    from vae.space.encodings import codes_of, images_of

    run = runs.load_run(path)
    run.model = model_kept(path, sha)
    stamp = (path / "config.json").stat().st_mtime_ns
    found = _images.get((path, stamp), lambda: images_of(run, "test"))  # its own, and loaded once for all moments
    return codes_of(run, "test", MOST_IMAGES, found=found)


def _stops(_: Request, path: Path) -> Response:
    return JSONResponse({"stops": stops_of(path), "why": why_none(path)}, headers=FRESH)


def _decoder(request: Request, path: Path) -> Response:
    data = packed_decoder(path, request.path_params["sha"])
    return Response(data, media_type="application/octet-stream", headers=FOR_EVER)


def _decode(request: Request, path: Path) -> Response:
    sha = request.path_params["sha"]
    pixels = decode_pixels(path, sha, read_numbers(request.query_params.get("z", "")))
    return Response(pixels, media_type="application/octet-stream", headers={**FRESH, "X-Weights": sha})


def _of(request: Request) -> tuple[Path, str]:
    return runs.run_path(request.path_params["name"]), request.path_params["sha"]


def _pack(request: Request) -> Response:
    path, sha = _of(request)
    if (data := _packed.find((path, sha))) is None:
        few = dataclasses.replace(kept_codes(path, sha), log_variance=None)  # nobody draws ellipses here
        data = _packed.get((path, sha), lambda: pack_codes(few))
    return send(request, data)


def _pictures(request: Request) -> Response:
    first, count = (whole_number(request, name) for name in ("first", "count"))
    part = kept_codes(*_of(request)).images[first or 0 :][:count]
    return send(request, np.ascontiguousarray(part.transpose(0, 2, 3, 1)).tobytes())


def _plane(request: Request) -> Response:
    from vae.space.projections import Pca

    path, sha = _of(request)
    plane = Pca()
    plane.fit(kept_codes(path, sha).loc)
    return JSONResponse({name: array.tolist() for name, array in plane.arrays().items()}, headers=IMMUTABLE)


def _about_run(kind: str, make: Callable[[Request, Path], Response]) -> Answer:
    async def route(request: Request) -> Response:
        return await in_thread_of(kind, answer_about_run, request, make)

    return route


def _about_codes(make: Callable[[Request], Response]) -> Answer:
    async def route(request: Request) -> Response:
        return await in_thread_of("computing codes", in_words, make, request)

    return route


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    at = f"{base}/runs/{{name}}/at/{{sha}}"
    return [
        Route(f"{base}/runs/{{name}}/stops", _about_run("packing decoders", _stops), methods=["GET"]),
        Route(f"{at}/decoder", _about_run("packing decoders", _decoder), methods=["GET"]),
        Route(f"{at}/decode", _about_run("decoding", _decode), methods=["GET"]),
        Route(f"{at}/codes", _about_codes(_pack), methods=["GET"]),
        Route(f"{at}/images", _about_codes(_pictures), methods=["GET"]),
        Route(f"{at}/plane", _about_codes(_plane), methods=["GET"]),
    ]


moments_routes: list[BaseRoute] = make_routes(base_path())


def forget() -> None:
    """Empties the caches of codes and images, as a new server has them."""
    for kept in (_codes, _packed, _images):
        kept.clear()
