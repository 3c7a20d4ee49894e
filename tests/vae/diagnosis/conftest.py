"""Findings that learn or sample do so with less, for tests that look at what they tell and not at how sharply."""

from __future__ import annotations

import pytest


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier of fewer steps, fewer images and samples for the bound."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 150)
    monkeypatch.setattr("vae.bound.density_ratio.DRAWS", 10_000)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.IMAGES", 20)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.SAMPLES", (20, 100, 500))
