"""The caches that pages and routes share."""

from __future__ import annotations

import threading

import pytest

from ui.live.cache import Newest


def test_the_cache_keeps_the_last_few_and_no_failures() -> None:
    made: list[int] = []
    cache: Newest[int] = Newest(2)
    for key in (1, 2, 1, 3, 1, 2):
        assert cache.get(key, lambda key=key: made.append(key) or key) == key
    assert made == [1, 2, 3, 2]
    with pytest.raises(ZeroDivisionError):
        cache.get(9, lambda: 1 // 0)
    assert cache.get(9, lambda: 5) == 5


def test_what_is_there_does_not_wait_for_what_is_being_made() -> None:
    cache: Newest[str] = Newest(2)
    cache.keep("there", "at once")
    began, go_on, made = threading.Event(), threading.Event(), []

    def slow() -> str:
        made.append("slow")
        began.set()
        assert go_on.wait(120)
        return "late"

    threads = [threading.Thread(target=cache.get, args=("slow", slow), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert began.wait(120)
    assert cache.get("there", lambda: pytest.fail("it is there")) == "at once"
    assert cache.find("slow") is None
    go_on.set()
    for thread in threads:
        thread.join(120)
    assert (cache.find("slow"), made) == ("late", ["slow"])
