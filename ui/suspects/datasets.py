"""The datasets that a run's model can score: here already, with images of the same size."""

from __future__ import annotations

from ui.own.shelf import visible
from ui.runs.run_view import RunView
from vae.config import YOURS
from vae.errors import ElboRoomError


def like_these(run: RunView) -> list[str]:
    """Returns the names of other datasets whose images have the size and the kind of values of the run's."""
    from vae.datasets import DATASETS, describe, is_here

    if run.config.dataset == YOURS:
        return []
    found = []
    for name in (*DATASETS, *visible()):
        try:
            info = describe(name) if name != run.config.dataset and is_here(name) else None
        except (ElboRoomError, OSError):
            continue
        if info is not None and info.shape == tuple(run.data["shape"]):
            found.append(name)
    return found
