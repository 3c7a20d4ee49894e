"""What the Map page shows, as the address says it: `?run=name&method=dims&i=0&j=3&colour=rate&part=test`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vae.space.map_kinds import methods_for
from vae.space.parts import PARTS

FIELDS = ("method", "i", "j", "colour", "part")


@dataclass(frozen=True)
class MapView:
    """method: plane (d = 2), line (d = 1), dims, or a projection. i, j: the dimensions of `dims`. colour: label, rate,
    distortion, hole (where the finding of holes is kept) or z0, z1, ... part: test or train."""

    method: str
    i: int = 0
    j: int = 1
    colour: str = "label"
    part: str = "test"

    def to_json(self) -> dict[str, Any]:
        """Returns the view as the browser has it."""
        return asdict(self)

    def to_query(self) -> dict[str, str]:
        """Returns the view as the address has it."""
        return {name: str(value) for name, value in asdict(self).items()}


def read_view(
    values: Mapping[str, Any], k: int, support: str = "real", holes: bool = False
) -> tuple[MapView, list[str]]:
    """Returns the view that these values ask for, and the names of those that cannot be and were left out. `holes`:
    whether the finding of holes is kept."""
    methods = methods_for(k, support)
    refused = []

    def choice(name: str, allowed: list[str], usual: str) -> str:
        asked = values.get(name)
        if asked is None or str(asked) in allowed:
            return usual if asked is None else str(asked)
        refused.append(name)
        return usual

    def dimension(name: str, usual: int) -> int:
        return int(choice(name, [str(d) for d in range(k)], str(usual)))

    method = choice("method", methods, methods[0])
    i, j = dimension("i", 0), dimension("j", min(1, k - 1))
    if i == j and k > 1:
        refused += [name for name in ("j",) if name in values]
        j = (i + 1) % k
    colours = ["label", "rate", "distortion", *(["hole"] if holes else []), *(f"z{d}" for d in range(k))]
    view = MapView(method, i, j, choice("colour", colours, "label"), choice("part", list(PARTS), "test"))
    return view, refused
