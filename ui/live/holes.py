"""What the finding `holes` keeps, for whoever paints a map by it.

    GET /runs/{name}/holes/{sha}              {"n", "m", "k"}, then float32 score (n,): log q(z)/p(z) in nats of each
                                              held-out image's code by the finding's classifier; prior (m, k): draws;
                                              prior_score (m,)
    GET /runs/{name}/holes/{sha}?method=tsne  {"m"}, then float32 places (m, 2) of the first draws on a computed map

`sha` is the SHA-256 of the run's present weights. A refusal is a sentence: 404 where nobody has looked for holes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import Newest, check_current, weights_sha
from ui.live.codes import in_words
from ui.live.limiters import in_thread_of
from ui.live.map import FRESH, method_asked, places_on
from ui.network import base_path
from vae import runs
from vae.browser.framing import frame
from vae.diagnosis.results import FOLDER, VERSION, folder_of, read_result_arrays, read_status
from vae.errors import RunDamaged, RunError, RunNotFound
from vae.space import fit_process

NAME = "holes"
MOST = 1500  # draws that a fitted map places, as in ui/static/map/holes.js
_placed: Newest[bytes] = Newest(4)


def keeps_holes(path: Path) -> bool:
    """Returns whether the finding is kept for the run's newest weights."""
    if not (path / FOLDER).is_dir():
        return False  # and which weights those are need not be read
    try:
        folder = folder_of(path, weights_sha(path))
    except RunError:
        return False
    there = all((folder / f"{NAME}.{kind}").is_file() for kind in ("json", "npz"))
    return there and read_status(folder).version == VERSION


def read_holes(path: Path, sha: str) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Returns score (n,), prior (m, k) and prior_score (m,) of these weights. Raises RunNotFound where there are none,
    or the weights are not the run's newest; RunDamaged where they do not fit the run."""
    check_current(path, sha)
    folder = folder_of(path, sha)
    arrays = read_result_arrays(folder, NAME)
    status = read_status(folder)
    if not arrays or status.weights not in ("", sha) or status.version != VERSION:  # eight digits in common
        raise RunNotFound(f"run {path.name!r}: nobody has looked for holes yet; its Diagnose page does")
    k = runs.read_config(path)[0].latent_dim
    try:
        score, prior, prior_score = (arrays[name].astype("<f4") for name in ("score", "prior", "prior_score"))
    except KeyError as error:
        raise RunDamaged(f"{NAME}.npz holds no {error}; ask for the diagnosis again") from None
    if score.ndim != 1 or prior.ndim != 2 or prior.shape[1] != k or prior_score.shape != prior.shape[:1]:
        raise RunDamaged(f"{NAME}.npz does not fit a run with {k} latent dimensions; ask for the diagnosis again")
    return score, prior, prior_score


def holes(request: Request) -> Response:
    """Answers with the scores and the draws, or with the draws' places on a fitted map."""
    path, sha = runs.run_path(request.path_params["name"]), request.path_params["sha"]
    score, prior, prior_score = read_holes(path, sha)
    if "method" in request.query_params:
        places = _places(path, sha, method_asked(request), prior[:MOST])
        return Response(places, media_type="application/octet-stream", headers=FRESH)
    header = {"n": len(score), "m": len(prior), "k": prior.shape[1]}
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in (score, prior, prior_score))
    return Response(frame(header, body), media_type="application/octet-stream", headers=FRESH)


def _places(path: Path, sha: str, method: str, prior: NDArray[np.float32]) -> bytes:
    folder = fit_process.folder_of(path, method, sha)
    try:
        stamp = (folder / "final.npz").stat().st_mtime_ns
    except OSError:
        raise RunNotFound("this map is not finished; then it can place other codes") from None

    def place() -> bytes:
        places = places_on(folder, prior)
        if places is None:
            raise RunError("this map can place no other codes than its own")
        return frame({"m": len(places)}, np.ascontiguousarray(places, "<f4").tobytes())

    return _placed.get((folder, stamp, prior.tobytes()[:256]), place)


async def route(request: Request) -> Response:
    """Placing takes seconds: off the event loop, and off the threads that serve files."""
    return await in_thread_of("sending codes", in_words, holes, request)


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the route under the server's base path."""
    return [Route(f"{base}/runs/{{name}}/holes/{{sha}}", route, methods=["GET"])]


hole_routes: list[BaseRoute] = make_routes(base_path())
