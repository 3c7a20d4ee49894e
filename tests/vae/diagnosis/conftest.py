"""Findings that learn or sample do so with less, for tests that look at what they tell and not at how sharply."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vae.diagnosis.made import keep_the_quick_ones
from vae.diagnosis.finding import Finding
from vae.diagnosis.findings import FINDINGS


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier of fewer steps, fewer images and samples for the bound."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 150)
    monkeypatch.setattr("vae.bound.density_ratio.DRAWS", 10_000)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.IMAGES", 20)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.SAMPLES", (20, 100, 500))


@pytest.fixture
def registry() -> Iterator[dict[str, Finding]]:
    """FINDINGS, to be changed; afterwards it is as it was, in its order."""
    before = dict(FINDINGS)
    yield FINDINGS
    FINDINGS.clear()
    FINDINGS.update(before)


@pytest.fixture
def the_quick_ones(registry: dict[str, Finding]) -> None:
    """A registry of those findings alone that take no time."""
    keep_the_quick_ones(registry)
