from __future__ import annotations

from typing import Any

import pytest
from streamlit import config


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Streamlit's options as a test sets them; the others are as they are."""
    changed: dict[str, Any] = {}
    real = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: changed[name] if name in changed else real(name))
    monkeypatch.setattr(config, "set_option", changed.__setitem__)
    return changed
