"""What the Map page fetches besides codes (see `ui/live/codes.py`).

    GET  /runs/{name}/plane/{sha}?method=pca     a linear projection of the codes: {"method", "mean", "components",
                                                 "explained"}
    GET  /runs/{name}/layout/{sha}?method=tsne   a fit's status and newest places; &seen=TAG: places only if changed
    GET  /runs/{name}/posterior/{sha}?index=5    the spread of q(z|x) of one image: {"log_variance", "covariance"}
    POST /runs/{name}/encode/{sha}               a PNG or JPEG as the body -> where the model puts it, and notes on it
                                                 (&drawn=1: a drawing; &method=tsne: also its place on that map)

All take ?part=test|train.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import Newest, current_codes, model_of
from ui.live.codes import IMMUTABLE, answer_with_codes, in_thread, with_codes
from ui.network import base_path
from vae.browser.framing import frame
from vae.errors import ConfigError, DataError, RunDamaged, RunError, RunNotFound
from vae.runs import run_path
from vae.space.fit_process import folder_of, read_fit, read_frame, read_projection
from vae.space.parts import check_part
from vae.space.projection import LinearProjection
from vae.space.projections import PROJECTIONS, Pca

if TYPE_CHECKING:
    from vae.space.projection import Projection

FRESH = {"Cache-Control": "no-store"}
_planes: Newest[dict[str, Any]] = Newest(8)
_placing = threading.Lock()  # a fitted projection is shared, and moves while it places


def _asked(request: Request) -> tuple[Path, str, str]:
    """Run, weights and part of an address."""
    part = check_part(request.query_params.get("part", "test"))
    return run_path(request.path_params["name"]), request.path_params["sha"], part


def method_asked(request: Request, usual: str = "") -> str:
    """Returns the projection that an address names. Raises ConfigError where there is none of that name."""
    method = request.query_params.get("method", usual)
    if method not in PROJECTIONS:
        raise ConfigError(f"method: expected one of {', '.join(PROJECTIONS)}, got {method[:20]!r}")
    return method


def plane(request: Request) -> Response:
    """Answers with the PCA of the codes."""
    path, sha, part = _asked(request)
    method = method_asked(request, Pca.name)
    codes = current_codes(path, sha, part)
    plane = _planes.get((path, sha, part, method), lambda: _plane(method, codes.loc))
    return JSONResponse(plane, headers=IMMUTABLE)


def _plane(method: str, loc: np.ndarray) -> dict[str, Any]:
    projection = PROJECTIONS[method]()
    if not isinstance(projection, LinearProjection):
        raise ConfigError(f"method: {projection.title} is no plane; its places are those of its layout")
    projection.fit(loc)
    return {"method": projection.name, **{name: array.tolist() for name, array in projection.arrays().items()}}


def layout(request: Request) -> Response:
    """Answers with a frame: {...FitStatus, "tag": of the places, "places": whether they follow}, then
    float32 places (n, 2)."""
    path, sha, part = _asked(request)
    if len(sha) != 64 or not sha.isalnum():
        raise RunNotFound("these are no weights of this run")
    folder = folder_of(path, method_asked(request), sha, part)
    status, places, tag = read_fit(folder), b"", ""
    try:
        file = folder / "frame.bin"
        tag = str(file.stat().st_mtime_ns)
        if tag != request.query_params.get("seen"):
            places = np.ascontiguousarray(read_frame(folder).places).tobytes()
    except OSError:
        pass  # no frame yet
    except RunDamaged as error:
        status.state, status.message = "failed", str(error)
    if status.weights not in ("", sha):  # eight digits in common
        raise RunNotFound("these are no weights of this run")
    header = {**dataclasses.asdict(status), "tag": tag, "places": bool(places)}
    return Response(frame(header, places), media_type="application/octet-stream", headers=FRESH)


def posterior(request: Request) -> Response:
    """Answers with the spread of q(z|x) of one image."""
    import torch

    path, sha, part = _asked(request)
    codes = current_codes(path, sha, part)
    index = request.query_params.get("index", "")
    if not (index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(codes)):
        raise ConfigError(f"index: expected 0 to {len(codes) - 1:,}, got {index[:20]!r}")
    model = model_of(path, sha)
    with torch.no_grad():
        x = codes.x(int(index)).to(next(model.parameters()).dtype)
        return JSONResponse(_spread(model.encode(x)), headers=IMMUTABLE)


def _spread(qz_x: Any) -> dict[str, list[float] | None]:
    """Of the first of a batch: the log-variances where z's parts are independent, the covariance row by row where they
    are not, neither where z is made of bits."""
    found = {name: getattr(qz_x, name, None) for name in ("log_variance", "covariance")}
    return {name: None if values is None else _finite(values[0].ravel()).tolist() for name, values in found.items()}


def _finite(values: Any) -> Any:
    """The values as they are. RunError where they are not all finite numbers, which JSON does not have."""
    if not values.isfinite().all():
        raise RunError("q(z|x) of this picture is not made of finite numbers: the run has diverged, or was altered")
    return values


async def encode(request: Request) -> Response:
    """Answers where the model puts a picture: z, log-variance, rate (nats), the picture as the model saw it. 413:
    too large, 415: neither a PNG nor a JPEG, 422: empty, broken or of too many pixels."""
    from vae.datasets.pictures import MOST_BYTES  # with torch, which takes its time

    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return PlainTextResponse(f"picture: too large; at most {MOST_BYTES / 1e6:.0f} MB", 413, FRESH)
    return await answer_with_codes(lambda asked: _encode(asked, bytes(body)), request)


def _encode(request: Request, body: bytes) -> Response:
    import torch

    from vae.datasets.pictures import is_picture, layout_of, place_on_frame, read_picture

    path, sha, part = _asked(request)
    model, codes = model_of(path, sha), current_codes(path, sha, part)
    channels, height, width = model.shape
    try:
        picture, note = read_picture(body, channels)
    except DataError as error:
        return PlainTextResponse(str(error), 422 if is_picture(body) or not body else 415, FRESH)
    seen = place_on_frame(picture, height, width, layout_of(codes.images), request.query_params.get("drawn") == "1")
    if model.likelihood.support == "binary":
        seen = (seen >= 0.5).astype(np.float32)
    with torch.no_grad():
        low, high = codes.limits  # a picture's black and white are the data's
        x = low + (high - low) * torch.from_numpy(np.ascontiguousarray(seen.transpose(2, 0, 1)))[None]
        qz_x = model.encode(x.to(next(model.parameters()).dtype))
        rate = model.latent.rate(qz_x)
    loc = qz_x.mean[0]
    result: dict[str, Any] = {
        "z": _finite(loc).tolist(),
        **_spread(qz_x),
        "rate": float(_finite(rate)[0]),
        "image": (seen * 255).round().astype(int).ravel().tolist(),
        "place": None,
        "note": note,
    }
    if "method" in request.query_params:
        places = places_on(folder_of(path, method_asked(request), sha, part), loc.numpy()[None])
        result["place"] = None if places is None else places[0].tolist()
    return JSONResponse(result, headers=FRESH)


def places_on(folder: Path, z: np.ndarray) -> np.ndarray | None:
    """Returns where codes z (n, k) land on a fitted map, (n, 2); None where there is none."""
    try:
        stamp = (folder / "final.npz").stat().st_mtime_ns
        with _placing:
            return _projection(folder, stamp).transform(z)
    except (OSError, RunDamaged, ValueError):  # none yet, or of other codes
        return None


@functools.lru_cache(maxsize=4)
def _projection(folder: Path, _: int) -> Projection:
    return read_projection(folder)


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the routes under the server's base path."""
    return [
        Route(f"{base}/runs/{{name}}/plane/{{sha}}", with_codes(plane), methods=["GET"]),
        Route(f"{base}/runs/{{name}}/layout/{{sha}}", in_thread(layout), methods=["GET"]),
        Route(f"{base}/runs/{{name}}/posterior/{{sha}}", with_codes(posterior), methods=["GET"]),
        Route(f"{base}/runs/{{name}}/encode/{{sha}}", encode, methods=["POST"]),
    ]


map_routes: list[BaseRoute] = make_routes(base_path())
