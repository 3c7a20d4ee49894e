"""What the Suspects page shows, as the address says it: `?run=name&part=train&kind=exact&sort=copies&k=10&page=2`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vae.diagnosis.suspects.options import KS
from vae.diagnosis.suspects.table import KINDS, SECOND_KINDS, SORTS

FIELDS = ("part", "sort", "order", "k", "kind", "label", "page", "second")
SECOND = "second"  # as a part: the second dataset's images
MOST_NAME = 400


@dataclass(frozen=True)
class SuspectsView:
    """part: train, test or second. sort: a name in SORTS; order: "" as it says, or flipped. label: a class's number, or
    -1 for all. page: from 1 on. second: a dataset's name, where one is chosen."""

    part: str = "train"
    sort: str = "disagreement"
    order: str = ""
    k: int = 10
    kind: str = "all"
    label: int = -1
    page: int = 1
    second: str = ""

    def to_query(self) -> dict[str, str]:
        """Returns the view as the address has it, without what is as usual."""
        usual = SuspectsView(part=self.part)
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: str(value) for name, value in values.items() if name == "part" or value != getattr(usual, name)}


def read_view(
    values: Mapping[str, Any], parts: tuple[str, ...], sort: str, may_see: Callable[[str], bool]
) -> tuple[SuspectsView, list[str]]:
    """Returns the view that these values ask for, and the names of those that cannot be and were left out. parts: of
    which there are images; sort: what is sorted by where nothing is said; may_see: whether this visitor may see the
    dataset of that name."""
    refused: list[str] = []

    def choice(name: str, allowed: tuple[str, ...], usual: str) -> str:
        asked = values.get(name)
        if asked is None or str(asked) in allowed:
            return usual if asked is None else str(asked)
        refused.append(name)
        return usual

    def whole(name: str, usual: int, least: int) -> int:
        asked = str(values.get(name, usual))
        if asked.removeprefix("-").isdecimal() and len(asked) < 10 and int(asked) >= least:
            return int(asked)
        refused.append(name)
        return usual

    second = str(values.get("second", ""))
    if second and (len(second) > MOST_NAME or not may_see(second)):
        refused.append("second")
        second = ""
    part = choice("part", (*parts, SECOND) if second else parts, parts[0])
    kinds = SECOND_KINDS if part == SECOND else KINDS
    usual = "elbo" if part == SECOND else sort
    view = SuspectsView(
        part,
        choice("sort", tuple(SORTS), usual),
        choice("order", ("", "flipped"), ""),
        int(choice("k", tuple(map(str, KS)), "10")),
        choice("kind", kinds, "all"),
        whole("label", -1, -1),
        whole("page", 1, 1),
        second,
    )
    return view, refused
