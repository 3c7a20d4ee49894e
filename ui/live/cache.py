"""The small caches that pages and routes share: the models of runs and the codes of their images, by weights.

A run is told from its later self by the SHA-256 of its weights, so nothing here goes stale: a key that is out of date
is refused.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from vae import runs
from vae.errors import RunError, RunNotFound
from vae.files import sha256
from vae.runs.moments import list_moments, model_at

if TYPE_CHECKING:
    from vae.model.vae import Model
    from vae.space.encodings import Codes

MOST_IMAGES = 100_000  # of one part that are encoded; the first ones of a larger set
T = TypeVar("T")


class Newest(Generic[T]):
    """The values that were asked for last, by key. Each is made once, and one at a time: making takes all cores anyway.
    Whoever asks for one that is there never waits for one that is being made. Failures are not kept."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()  # of the dictionary, held for a moment
        self._making = threading.Lock()

    def find(self, key: Hashable) -> T | None:
        """Returns the value of a key, or None where there is none."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def keep(self, key: Hashable, value: T) -> None:
        """Adds a value; the one that was not asked for longest goes."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self.most:
                self._values.popitem(last=False)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Returns the value of a key, made by `make` where there is none. Raises what `make` raises."""
        if (value := self.find(key)) is not None:
            return value
        with self._making:
            if (value := self.find(key)) is None:
                self.keep(key, value := make())
            return value

    def clear(self) -> None:
        """Forgets all values."""
        with self._lock:
            self._values.clear()


_models: Newest[Model] = Newest(3)
_moments: Newest[Model] = Newest(2)
_codes: Newest[Codes] = Newest(3)


def weights_sha(path: Path) -> str:
    """Returns the SHA-256 of the run's newest published weights. Raises RunError where it has none yet."""
    sha = runs.content_hash(path, runs.WEIGHTS)
    if sha is None:
        raise RunError(f"run {path.name!r} has no weights yet; they come with its first step")
    return sha


def model_of(path: Path, sha: str) -> Model:
    """Returns the model with exactly these weights, shared: never change it. Raises RunError where there are newer."""
    return _models.get((path, sha), lambda: _read_model(path, sha))


def _read_model(path: Path, sha: str) -> Model:
    if sha256(runs.read_checked(path, runs.WEIGHTS)) == sha:
        model = runs.Run(path).model
        if sha256(runs.read_checked(path, runs.WEIGHTS)) == sha:  # a save may have come in between
            return model
    raise RunError(f"run {path.name!r} has other weights by now; ask for its decoder again")


def model_kept(path: Path, sha: str) -> Model:
    """Returns the model with exactly these weights, be they the run's newest or those of one of its moments; shared as
    those of `model_of` are. Raises RunError where they are neither."""
    for kept in (_models, _moments):
        if (model := kept.find((path, sha))) is not None:
            return model
    step = moment_step(path, sha)
    return model_of(path, sha) if step is None else _moments.get((path, sha), lambda: model_at(path, step))


def moment_step(path: Path, sha: str) -> int | None:
    """Returns the step of the run's moment with these weights; None where it has none such."""
    return next((moment.step for moment in list_moments(path) if moment.sha256 == sha), None)


def current_codes(path: Path, sha: str, part: str = "test") -> Codes:
    """Returns the codes of a part of the data for exactly these weights, computed once. Raises RunNotFound where the
    run has moved on to others, ConfigError for another part than test and train."""
    check_current(path, sha)
    return _codes.get((path, sha, part), lambda: _encode(path, sha, part))


def codes_are_there(path: Path, sha: str, part: str) -> bool:
    """Returns whether `current_codes` would answer at once."""
    return _codes.find((path, sha, part)) is not None


def check_current(path: Path, sha: str) -> None:
    """Raises RunNotFound where these are not the run's newest weights."""
    if weights_sha(path) != sha:
        raise RunNotFound(f"run {path.name!r} has other weights by now: ask for its newest")


def _encode(path: Path, sha: str, part: str) -> Codes:
    from vae.space.encodings import codes_of

    check_current(path, sha)  # whoever waited for this to be computed may have waited long
    run = runs.load_run(path)
    run.model = model_of(path, sha)
    return codes_of(run, part, MOST_IMAGES)  # type: ignore[arg-type]  # checked there


def forget() -> None:
    """Empties the caches of models and codes, as a new server has them."""
    _models.clear()
    _moments.clear()
    _codes.clear()
