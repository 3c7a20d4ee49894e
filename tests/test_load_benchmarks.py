"""benchmarks/thirty.py and benchmarks/soak.py: their arithmetic, and that a session follows Streamlit's messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks import soak, thirty
from benchmarks.people import Log, Session


def test_the_95th_percentile_is_a_time_that_was_taken() -> None:
    told = thirty.summary([float(n) for n in range(100, 0, -1)])
    assert told == {"count": 100, "median": 50.5, "p95": 95.0, "max": 100.0}
    assert thirty.summary([2.0])["p95"] == 2.0
    assert thirty.summary([]) == {"count": 0}


def test_speed_is_compared_within_a_turn() -> None:
    alone, crowded = [{"steps": 100.0}, {"steps": 50.0}], [{"steps": 90.0}, {"steps": 50.0}]
    assert thirty.ratios(alone, crowded, "steps") == [0.9, 1.0]


def samples(**a_record: float) -> list[dict[str, Any]]:
    """Forty samples of a run with 2,000 records between two; kinds of memory grow by so many bytes a record."""
    start = {"heap": 20e6, "tab": 200e6, "server": 400e6, "nodes": 1000.0, "listeners": 300.0}
    return [
        {
            "records": 2000 * n,
            **{kind: size + a_record.get(kind, 0.0) * 2000 * n for kind, size in start.items()},
        }
        for n in range(40)
    ]


def test_growth_that_the_history_explains_is_none() -> None:
    found = soak.judge(samples(tab=200.0, heap=8.0))
    assert all(told["explained"] for told in found.values())
    assert found["tab"]["bytes_per_record"] == pytest.approx(200)
    assert found["tab"]["an_hour"] == pytest.approx(200 * 72_000)


@pytest.mark.parametrize(("kind", "bytes_per_record"), [("heap", 120), ("tab", 1100), ("server", 800)])
def test_growth_beyond_it_is_told(kind: str, bytes_per_record: float) -> None:
    found = soak.judge(samples(**{kind: bytes_per_record}))
    assert [name for name, told in found.items() if not told["explained"]] == [kind]


def test_nodes_that_stay_in_the_page_are_told() -> None:
    found = soak.judge(samples(nodes=0.01))  # one at every hundredth record
    assert [name for name, told in found.items() if not told["explained"]] == ["nodes"]


def message(**values: Any) -> ForwardMsg:
    return ForwardMsg(**values)


def test_a_session_ends_a_rerun_with_its_script_and_repeats_fragments_until_the_next() -> None:
    async def told() -> None:
        log = Log()
        session = Session(0, log, "train", "run=a", 0)
        begins = message(new_session={"page_script_hash": "main"})
        session._take(begins)
        session._take(message(navigation={"page_script_hash": "abc"}))
        session._take(message(auto_rerun={"fragment_id": "f", "interval": 60.0}))
        assert (session.page_hash, list(session.fragments)) == ("abc", ["f"])
        fragment = message(new_session={"page_script_hash": "main"}, metadata={"run": {"fragment_ids": ["f"]}})
        session._take(fragment)
        session._take(message(script_finished=ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
        session._take(message(script_finished=ForwardMsg.FINISHED_EARLY_FOR_RERUN))
        assert (session.page_hash, list(session.fragments)) == ("abc", ["f"])
        assert not session.finished.is_set()
        session._take(message(script_finished=ForwardMsg.FINISHED_SUCCESSFULLY))
        assert session.finished.is_set()
        session._take(begins)
        assert session.fragments == {}
        failed = {"new_element": {"exception": {"message": "it broke"}}}
        session._take(message(delta=failed, hash="h", metadata={"cacheable": True}))
        assert (log.errors, session.hashes) == (["train: it broke"], {"h"})

    asyncio.run(told())
