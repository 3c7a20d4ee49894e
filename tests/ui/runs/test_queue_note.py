"""What a waiting run is told about those ahead of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ui.runs.owners import record_owner
from ui.runs.queue_note import _in_about, sentence
from vae import runs


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    monkeypatch.setattr("vae.runs.status.is_locked", lambda path: True)

    def make(name: str, owner: str = "", state: str = "running", seconds_left: float | None = None) -> Path:
        path = tmp_path / name
        path.mkdir()
        record_owner(path, owner)
        runs.write_status(path, runs.Status(state=state, seconds_left=seconds_left))
        return path

    return make


def test_the_first_in_the_queue_is_told_what_trains_whose_it_is_and_for_how_long(run: Callable[..., Path]) -> None:
    training = run("faces", "ada", seconds_left=118.0)
    told = (
        "Waiting: number 1 in the queue. “faces” ({}) trains now and is done in about 2 minutes. It starts by itself."
    )
    assert sentence([], [training], "ada") == told.format("yours")
    assert sentence([], [training], "bob") == told.format("another browser’s")
    (training / "owner.json").unlink()
    assert sentence([], [training], "bob") == told.format("started from the command line")


def test_the_place_that_is_free_first_counts(run: Callable[..., Path]) -> None:
    at_work = [run("slow", "ada", seconds_left=700.0), run("quick", "ada", seconds_left=41.0), run("new", "ada")]
    assert "“quick” (yours) trains now and is done in about 40 seconds." in sentence([], at_work, "ada")
    ahead = [run("early", "bob", "queued")]
    told = sentence(ahead, at_work, "ada")
    assert told.startswith(
        "Waiting: number 2 in the queue. “early” (another browser’s) waits just ahead of it. “quick”"
    )
    assert "Its own turn comes in about 12 minutes." in told
    assert "turn comes" not in sentence([*ahead, run("later", "bob", "queued")], at_work, "ada"), "nobody knows"


def test_what_is_not_known_is_not_told(run: Callable[..., Path]) -> None:
    assert sentence([], [run("new", "ada")], "ada") == (
        "Waiting: number 1 in the queue. “new” (yours) trains now; how long it will take is not known yet. "
        "It starts by itself."
    )
    assert sentence([], [], "ada") == "Waiting: number 1 in the queue. It starts by itself."
    paused = run("halted", "ada", "paused")
    assert "“halted” (yours) is paused and gives its place up in a few seconds." in sentence([], [paused], "ada")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds"),
        (14, "10 seconds"),
        (94, "90 seconds"),
        (95, "2 minutes"),
        (600, "10 minutes"),
        (9000, "2 h"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert words in _in_about(seconds)
