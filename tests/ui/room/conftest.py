from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ui.room import identity
from ui.room import settings as room_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of runs with a key of its own, no images, and no settings but the test's."""
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ELBO_ROOM_DATA", str(tmp_path / "data"))
    for name in room_settings.Room.__dataclass_fields__:
        monkeypatch.delenv(room_settings.PREFIX + name.upper(), raising=False)
    for cached in (identity.signing_key, room_settings.room):
        cached.cache_clear()
    yield tmp_path / "runs"
    for cached in (identity.signing_key, room_settings.room):
        cached.cache_clear()


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Callable[..., None]:
    """Sets some of [room], as if the server had been started with it, open to its network or at localhost."""

    def give(shared: bool = True, **settings: object) -> None:
        options["server.address"] = "0.0.0.0" if shared else "127.0.0.1"
        options["secrets.files"] = []
        for name, value in settings.items():
            monkeypatch.setenv(room_settings.PREFIX + name.upper(), str(value))
        room_settings.room.cache_clear()

    return give
