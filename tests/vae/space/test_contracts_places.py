"""Projections keep to their contracts; those that are broken on purpose do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.newcomers import TwoAxes, Unrolled
from tests.vae.contracts_places import projection_keeps_places, projection_says_what_it_is
from vae.space.projection import LinearProjection, NeighbourProjection, Projection
from vae.space.projections import PROJECTIONS, Pca, installed

EVERY: list[type[Projection]] = [*PROJECTIONS.values(), TwoAxes, Unrolled]
THERE = [cls for cls in EVERY if cls.name in installed() or cls.__module__ == "tests.newcomers"]


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.name)
def test_the_page_knows_every_projection_by_its_descriptor(cls: type[Projection]) -> None:
    assert cls.__module__ == "tests.newcomers" or PROJECTIONS[cls.name] is cls
    projection_says_what_it_is(cls)


def test_no_two_projections_are_called_the_same() -> None:
    assert len({cls.title for cls in EVERY}) == len({cls.name for cls in EVERY}) == len(EVERY)


@pytest.mark.parametrize("cls", THERE, ids=lambda cls: cls.name)
def test_every_projection_keeps_its_places(cls: type[Projection]) -> None:
    projection_keeps_places(cls)


@pytest.mark.parametrize("missing", ["name", "title", "about", "kind"])
def test_a_projection_without_a_descriptor_is_found_out(missing: str) -> None:
    facts = {"name": "nobody", "title": "Nobody", "about": "what nobody said", "kind": "fitted"}
    del facts[missing]
    with pytest.raises(AssertionError):
        projection_says_what_it_is(type("Nobody", (Projection,), facts))  # type: ignore[type-abstract]


class Moved(Pca):
    def transform(self, x: Any) -> Any:
        return super().transform(x) + np.float32(1)


class Slanted(Pca):
    def fit(self, x: Any, on_frame: Any = None) -> Any:
        super().fit(x)
        self.components = self.components + 0.1
        return self.transform(x)


class Forgetful(Unrolled):
    def arrays(self) -> Any:
        return {**super().arrays(), "y": np.zeros_like(self.y)}


class Elsewhere(Unrolled):
    def transform(self, x: Any) -> Any:
        return NeighbourProjection.transform(self, x)[::-1]


@pytest.mark.parametrize("broken", [Moved, Slanted, Forgetful, Elsewhere])
def test_a_broken_projection_is_found_out(broken: type[Projection]) -> None:
    projection_keeps_places(LinearProjection.__subclasses__()[0])
    with pytest.raises(AssertionError):
        projection_keeps_places(broken)
