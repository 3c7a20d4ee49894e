"""The factors of dSprites by row number, against those that the file holds."""

from __future__ import annotations

import numpy as np
import pytest

from vae.datasets import data_root
from vae.datasets.factors import GRIDS, factors_of


def test_the_grid_is_the_published_one() -> None:
    kept = data_root() / "dsprites" / "dsprites_downsampled.npz"
    if not kept.is_file():
        pytest.skip(f"dSprites is not at {kept}")
    with np.load(kept) as published:
        every = published["latents_classes"][:, -5:]
    rows = np.random.default_rng(0).permutation(46_080)
    found = factors_of("dsprites", 46_080, rows)
    assert found is not None
    assert found.names == ("shape", "scale", "orientation", "x", "y")
    np.testing.assert_array_equal(found.values, every[rows])


def test_a_grid_has_as_many_images_as_it_says() -> None:
    for (_, images), grid in GRIDS.items():
        assert np.prod([size for _, size in grid]) == images


def test_what_is_not_known_is_not_guessed() -> None:
    rows = np.arange(10)
    for asked in (("mnist", 70_000, rows), ("dsprites", 100, rows), ("dsprites", 46_080, None)):
        assert factors_of(*asked) is None
    assert factors_of("dsprites", 46_080, np.array([-1, 5])) is None
    assert factors_of("dsprites", 46_080, np.array([46_080])) is None
