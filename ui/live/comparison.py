"""Two runs compared, for the Compare page.

    GET /runs/{name}/comparison/{sha}?other=NAME&other_sha=SHA    a frame (`vae.browser.framing`)

`sha`: the SHA-256 of a run's newest weights, or of one of its moments. While it is computed the header is {"state":
"working", "fraction", "words"}; then the whole of `pack` comes, keyed by the weights of both, so that the browser may
keep it. Work that nobody asks for any more ends: to stop it, stop asking.
A refusal is a sentence: 404 not there, or other weights by now; 409 what cannot be compared.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ui.live.cache import check_current, model_kept, moment_step
from ui.live.codes import IMMUTABLE, in_thread
from ui.network import base_path
from vae import runs
from vae.browser.framing import frame
from vae.errors import ElboRoomError
from vae.files import told

if TYPE_CHECKING:
    from vae.comparison.comparison import Comparison

FRESH = {"Cache-Control": "no-store"}
KEPT = 4  # comparisons
ABANDONED = 8.0  # seconds without a question after which nobody waits for an answer: hidden pages ask once a second
Side = tuple[Path, str]  # a run and the SHA-256 of its weights


class Work:
    """One comparison, computed in a thread of its own; `asked` is when somebody last wanted it."""

    turn = threading.Lock()  # one at a time: each takes all cores anyway

    def __init__(self, a: Side, b: Side) -> None:
        self.sides = a, b
        self.fraction, self.words = 0.0, "waiting for another comparison"
        self.data: bytes | None = None
        self.fault: Exception | None = None
        self.asked = time.monotonic()
        self.thread = threading.Thread(target=self._run, daemon=True, name="comparison")
        self.thread.start()

    @property
    def over(self) -> bool:
        """Whether there will be no answer: it failed, or was abandoned."""
        return self.data is None and not self.thread.is_alive()

    def _run(self) -> None:
        from vae.comparison.comparison import Stopped

        with self.turn:
            try:
                self.data = self._compute()
            except Stopped:
                pass
            except Exception as error:  # told to whoever asks next
                self.fault = error

    def _compute(self) -> bytes:
        from vae.comparison.comparison import compare

        self._tell(0.0, "reading both models")
        a, b = (_opened(path, sha) for path, sha in self.sides)
        return pack(compare(a, b, self._tell))

    def _tell(self, fraction: float, words: str) -> None:
        from vae.comparison.comparison import Stopped

        self.fraction, self.words = fraction, words
        if time.monotonic() - self.asked > ABANDONED:
            raise Stopped


def _opened(path: Path, sha: str) -> runs.Run:
    check_kept(path, sha)
    run = runs.Run(path)
    run.model = model_kept(path, sha)
    return run


def check_kept(path: Path, sha: str) -> None:
    """Raises RunNotFound where these are neither the run's newest weights nor those of one of its moments."""
    if moment_step(path, sha) is None:
        check_current(path, sha)


_works: OrderedDict[tuple[Side, Side], Work] = OrderedDict()
_lock = threading.Lock()


def work_on(a: Side, b: Side) -> Work:
    """Returns the comparison of these two, under way or done; it begins where there is none."""
    with _lock:
        work = _works.get((a, b))
        if work is None or (work.over and work.fault is None):
            work = _works[a, b] = Work(a, b)
        _works.move_to_end((a, b))
        while len(_works) > KEPT:
            _works.popitem(last=False)
    work.asked = time.monotonic()
    return work


def comparison(request: Request) -> Response:
    """Answers with the comparison, or with how far it is."""
    query = request.query_params
    a = runs.run_path(request.path_params["name"]), request.path_params["sha"]
    b = runs.run_path(query.get("other", "")), query.get("other_sha", "")
    for side in (a, b):
        check_kept(*side)
    work = work_on(a, b)
    if work.fault is not None:
        with _lock:
            _works.pop((a, b), None)  # whoever asks again may have mended it
        if isinstance(work.fault, (ElboRoomError, OSError)):
            return PlainTextResponse(told(work.fault), 409, FRESH)
        raise work.fault
    if work.data is None:
        header = {"state": "working", "fraction": work.fraction, "words": work.words}
        return Response(frame(header), media_type="application/octet-stream", headers=FRESH)
    return Response(work.data, media_type="application/octet-stream", headers=IMMUTABLE)


def pack(found: Comparison) -> bytes:
    """Returns a frame: names, terms, sentences, matches, sizes; behind it little-endian float32 arrays: loc of A
    (n, k_a) and of B (n, k_b); of each places (n, 2), distortion (n,), rate (n,); movement (n,), the share of
    neighbours kept (n,) for each of `neighbours`, rotation (k, k), mean of A and of B (k,), k the larger of both."""
    from vae.comparison import words

    places, alignment = found.places, found.alignment
    origins = [None if at is None else at.tolist() for at in (places.origin_a, places.origin_b)]
    header = {
        "state": "done",
        "names": found.names,
        "n": found.n,
        "k": [found.a.loc.shape[1], found.b.loc.shape[1]],
        "supports": found.supports,
        "source": found.source,
        "terms": [_finite(asdict(term)) for term in found.terms],
        "incomparable": found.incomparable,
        "noise": found.noise,
        "about_terms": words.about_terms(found),
        "about_movement": words.about_movement(found),
        "about_neighbours": {k: words.about_neighbours(found, k) for k in found.kept},
        "neighbours": list(found.kept),
        "matches": [asdict(match) for match in found.matches],
        "turns": alignment.turns,
        "axes": places.axes,
        "origins": origins,
    }
    a, b = found.a, found.b
    of_both = [a.loc, b.loc, places.a, places.b, a.distortion, b.distortion, a.rate, b.rate]
    arrays = [*of_both, found.movement, *found.kept.values(), alignment.rotation, alignment.mean_a, alignment.mean_b]
    return frame(header, *(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays))


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """The same with null for what is no number: JSON has none."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def forget() -> None:
    """Empties the cache, as a new server has it."""
    with _lock:
        _works.clear()


def make_routes(base: str = "") -> list[BaseRoute]:
    """Returns the route under the server's base path."""
    return [Route(f"{base}/runs/{{name}}/comparison/{{sha}}", in_thread(comparison), methods=["GET"])]


comparison_routes: list[BaseRoute] = make_routes(base_path())
