"""How many files a server may have open: as many as the system allows, since a run that waits holds one."""

from __future__ import annotations

import pytest

from vae.machine import MOST_FILES, let_many_files_open

resource = pytest.importorskip("resource", reason="Windows has no such limit")


def test_a_low_limit_is_raised_as_far_as_the_system_allows_and_a_high_one_is_left() -> None:
    kind = resource.RLIMIT_NOFILE
    before = soft, hard = resource.getrlimit(kind)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    try:
        resource.setrlimit(kind, (min(512, most), hard))
        let_many_files_open()
        assert resource.getrlimit(kind) == (most, hard)
        let_many_files_open()
        assert resource.getrlimit(kind) == (most, hard)
    finally:
        resource.setrlimit(kind, before)
    assert resource.getrlimit(kind)[0] == soft
