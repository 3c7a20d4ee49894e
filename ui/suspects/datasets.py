"""The datasets that a run's model can score: here already, with images of the same size."""

from __future__ import annotations

from ui.own.shelf import visible
from ui.runs import owners
from ui.runs.run_view import RunView
from vae.config import YOURS
from vae.errors import ElboRoomError


def may_see(name: str) -> bool:
    """Returns whether this browser may see the images of that name: anybody may put a path of the server's machine, or
    the name of somebody's own images, into an address."""
    from vae.datasets import DATASETS

    return owners.at_this_machine() or name in (*DATASETS, *visible())


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
