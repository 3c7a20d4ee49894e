"""Findings that learn or sample do so with less, for tests that look at what they tell and not at how sharply."""

from __future__ import annotations

import pytest

from tests.vae.diagnosis.made import keep_the_quick_ones
from vae.diagnosis.findings import FINDINGS


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier of fewer steps, fewer images and samples for the bound."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 150)
    monkeypatch.setattr("vae.bound.density_ratio.DRAWS", 10_000)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.IMAGES", 20)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.SAMPLES", (20, 100, 500))


@pytest.fixture
def the_quick_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of those findings alone that take no time."""
    left = dict(FINDINGS)
    keep_the_quick_ones(left)
    for name in FINDINGS.keys() - left.keys():
        monkeypatch.delitem(FINDINGS, name)
