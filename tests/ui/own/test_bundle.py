"""A bundle that was dropped: what is shown of it before it is taken in, and what is left where it is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui.own import bundle
from ui.own.bundle import look, take_in
from ui.own.work import Stopped
from vae import runs
from vae.errors import ElboRoomError
from vae.exports.bundle import BUNDLE
from vae.exports.bundle_layout import BARE, WHOLE
from vae.exports.export import unheard
from vae.runs import load_run
from vae.runs.moments import list_moments

DEMO = Path(__file__).resolve().parents[3] / "checkpoints" / "demo-digits-2d"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("bundle") / "x.zip"
    BUNDLE.write(load_run(DEMO), BARE, file, unheard, made_by="Ada *L*")
    return file.read_bytes()


@pytest.fixture
def dropped(tmp_path: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path / "runs"))
    (tmp_path / "drop").mkdir()
    file = tmp_path / "drop" / "000000.zip"
    file.write_bytes(packed)
    return file


def test_it_says_what_a_bundle_holds_and_keeps_nothing(dropped: Path, packed: bytes) -> None:
    report = look(dropped, "mine.zip", unheard)
    assert report.name == "demo-digits-2d"
    assert report.rows["Made by"].startswith("Ada *L*, ")
    assert report.rows["Model"].startswith("digits · d = 2 · gaussian, C = 19.5")
    assert report.rows["Terms"] == "distortion −19.6, rate 5.8, ELBO 13.8 ± 1.2 nats, held out"
    assert report.rows["Training"] == "step 3,368"
    assert report.rows["Images"] == "none: the map needs the data themselves here"
    assert report.rows["Size"].startswith(f"{len(packed) / 1e3:.3g} kB, unpacked ")
    assert list(dropped.parent.iterdir()) == [dropped]
    assert not runs.runs_root().exists()


def test_it_says_which_images_and_moments_come_along(dropped: Path) -> None:
    BUNDLE.write(load_run(DEMO), WHOLE, dropped, unheard)
    rows = look(dropped, "mine.zip", unheard).rows
    assert rows["Images"] == "360 held-out ones"
    assert rows["Training"] == f"step 3,368, {len(list_moments(DEMO)):,} moments"


def test_taken_in_it_is_a_run_with_the_name_that_was_chosen(dropped: Path) -> None:
    path = take_in(dropped, "mine.zip", None, "again", unheard)
    assert path == runs.runs_root() / "again"
    assert runs.content_hash(path, runs.WEIGHTS) == runs.content_hash(DEMO, runs.WEIGHTS)
    assert take_in(dropped, "mine.zip", None, "again", unheard).name == "again-2"


def test_what_is_none_is_refused_by_the_visitors_own_name_for_it(dropped: Path, packed: bytes) -> None:
    for content in (b"", b"PK", packed[: len(packed) // 2], b"<html>"):
        dropped.write_bytes(content)
        with pytest.raises(ElboRoomError, match=r"^mine \(1\)\.zip: ") as refused:
            look(dropped, "mine (1).zip", unheard)
        assert "000000" not in str(refused.value)
        assert list(dropped.parent.iterdir()) == [dropped]


def test_stopped_it_leaves_nothing(dropped: Path) -> None:
    def stop(fraction: float, words: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        look(dropped, "mine.zip", stop)
    with pytest.raises(Stopped):
        take_in(dropped, "mine.zip", None, None, stop)
    assert list(dropped.parent.iterdir()) == [dropped]
    assert runs.list_runs() == []


def test_a_full_disk_is_said(dropped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "take_in", full)
    with pytest.raises(ElboRoomError, match=r"mine\.zip: cannot be read here \(No space left on device\)"):
        look(dropped, "mine.zip", unheard)
