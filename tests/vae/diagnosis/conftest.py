"""The registry of findings as a test wants it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.vae.diagnosis.made import keep_the_quick_ones
from vae.diagnosis.finding import Finding
from vae.diagnosis.findings import FINDINGS


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
