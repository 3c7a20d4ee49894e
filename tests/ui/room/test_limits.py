"""Which starts a shared server refuses, with which numbers; how much lies in the folder, and whose it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ui.own.drops import Drops
from ui.own.shelf import folder_of
from ui.room import disk, limits
from ui.room.disk import in_words, measure, size
from ui.room.limits import disk_words, place_for
from ui.runs import owners
from vae import runs
from vae.config import Config
from vae.errors import ConfigError

Give = Callable[..., None]
GB = 10**9
CONFIG = Config(likelihood="gaussian", C=1.0, epochs=10, batch_size=128, lr=1e-3)
DIGITS = {
    "name": "digits", "shape": [1, 8, 8], "support": "unit", "scale": 16, "train": 1437, "test": 360, "classes": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_special(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "is_teacher", lambda: False)
    monkeypatch.setattr(limits, "usage", lambda fresh=False: disk.usage(fresh=True))


@pytest.fixture
def make(folder: Path) -> Callable[..., Path]:
    """A run of so many bytes; sparse, so that it takes none of this disk."""

    def made(name: str, owner: str = "ada", state: str = "finished", count: int = 0, told: int = 0) -> Path:
        path = runs.create_run(CONFIG, DIGITS, name, folder)
        owners.record_owner(path, owner, told)
        runs.write_status(path, runs.Status(state=state))
        (path / "moments").mkdir()
        with open(path / "moments" / "weights", "wb") as file:
            file.truncate(count)
        return path

    return made


def refused(owner: str, **asked: float) -> str:
    """What a start is refused with, "" where it is not."""
    try:
        with place_for(owner, asked.pop("disk", 0), **asked):  # type: ignore[arg-type]
            return ""
    except ConfigError as error:
        return str(error)


def test_a_server_at_localhost_refuses_nothing(given: Give, make: Callable[..., Path]) -> None:
    given(shared=False)
    for number in range(30):
        make(f"run-{number}", state="queued")
    assert refused("ada", disk=1e15, epochs=10**9, count=500) == ""
    assert disk_words() == (False, "")


def test_runs_are_counted_by_person_and_in_all(given: Give, make: Callable[..., Path]) -> None:
    given(runs_per_person="3", runs_in_all="5")
    for number in range(2):
        make(f"ada-{number}", "ada", "queued")
        make(f"bob-{number}", "bob", "resting")
        make(f"old-{number}", "ada", "finished")
    assert refused("ada") == ""
    sentence = refused("ada", count=2)
    assert sentence.startswith("At most 3 runs of a person may train or wait on this server: 2 of yours do, and 2 more")
    assert refused("eve") == ""
    assert refused("eve", count=2).startswith("At most 5 runs may train or wait on this server: 4 do, and 2 more were")
    assert refused("ada", count=0) == "", "a run that does not train takes no place"


def test_a_sweep_counts_as_all_of_its_runs(given: Give) -> None:
    given(runs_per_person="7")
    assert refused("ada", count=7) == ""
    assert "0 of yours do, and 8 more were asked for" in refused("ada", count=8)


def test_epochs_are_limited(given: Give) -> None:
    given(epochs_per_run="100")
    assert refused("ada", epochs=100) == ""
    assert refused("ada", epochs=101).startswith("epochs: a run may have at most 100 on this server, got 101")


def test_the_disk_is_counted_by_person_and_in_all(given: Give, make: Callable[..., Path], folder: Path) -> None:
    given(disk_per_person="2", disk_in_all="4")
    make("a", "ada", count=GB)
    make("b", "bob", "queued", count=GB // 10, told=GB)  # what it will have
    assert refused("ada", disk=0.9 * GB) == ""
    sentence = refused("ada", disk=1.5 * GB)
    assert "may take 2 GB of this server's disk: you take 1.0 GB, 0 MB of it in the trash, and this needs" in sentence
    assert refused("eve", disk=1.9 * GB) == ""
    runs.delete_run(make("gone", "ada", count=GB))
    assert "you take 2.0 GB, 1.0 GB of it in the trash, and this needs 900 MB" in refused("ada", disk=0.9 * GB)
    assert "they take 3.0 GB, 1.0 GB of it in the trash, and this needs 1.5 GB" in refused("eve", disk=1.5 * GB)
    assert measure(folder).by_owner.keys() == {"ada", "bob"}
    runs.empty_trash(folder, 0, which=lambda path: owners.recorded_owner(path) == "bob")
    assert measure(folder).trash_by_owner == {"ada": pytest.approx(GB, rel=1e-3)}, "others empty theirs alone"
    runs.empty_trash(folder, 0, which=lambda path: owners.recorded_owner(path) == "ada")
    assert refused("ada", disk=0.9 * GB) == ""


def test_all_that_a_visitor_brings_about_counts(given: Give, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared images, a file to take away, and what was dropped on a page."""
    given(disk_per_person="1", disk_in_all="10")
    made = Drops()
    monkeypatch.setattr(disk, "drops", lambda: made)
    for path, count in ((folder_of("faces"), 3), (folder / ".exports" / ("0" * 32), 4)):
        path.mkdir(parents=True)
        owners.record_owner(path, "ada")
        with open(path / "data", "wb") as file:
            file.truncate(count * GB // 10)
    drop = made.find(made.begin("ada"))
    assert drop is not None
    made.grow(drop, GB // 5)
    assert disk.usage(fresh=True).by_owner["ada"] == pytest.approx(0.9 * GB, rel=1e-3)
    assert disk.usage().whole == pytest.approx(0.9 * GB, rel=1e-3)
    assert refused("ada", disk=GB // 20, count=0) == ""
    made.grow(drop, GB // 10)
    assert "you take 1.0 GB" in refused("ada", count=0), "nothing more at the limit, however small"
    assert refused("bob", count=0) == ""


def test_nothing_new_starts_on_a_full_disk(given: Give, make: Callable[..., Path]) -> None:
    given(disk_in_all="1")
    make("a", "ada", "resting", told=GB)
    assert "All visitors together may take 1 GB" in refused("eve")
    assert "All visitors together may take 1 GB" in refused("eve", count=0)
    assert disk_words()[1].endswith("until something is deleted; what trains or waits has its room and goes on.")


def test_starts_count_until_the_next_look_and_what_was_deleted_at_once(
    given: Give, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given(disk_in_all="4")
    looks: list[bool] = []
    monkeypatch.setattr(limits, "usage", lambda fresh=False: (looks.append(fresh), disk.usage(fresh))[1])
    old = make("old", count=2 * GB)
    disk.usage(fresh=True)
    assert refused("ada", disk=1.5 * GB) == ""
    assert looks == [False]
    assert disk.usage().by_owner["ada"] == pytest.approx(3.5 * GB, rel=1e-3)
    shutil.rmtree(old)
    assert refused("bob", disk=GB) == ""
    assert looks == [False, False, True], "refused by what was known, so it was looked at anew"


def test_the_teacher_has_only_the_limits_of_all(
    given: Give, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given(runs_per_person="1", runs_in_all="3", epochs_per_run="10", disk_per_person="1", disk_in_all="3")
    monkeypatch.setattr(limits, "is_teacher", lambda: True)
    make("one", "teacher", "queued", told=2 * GB)
    assert refused("teacher", epochs=1000, count=2, disk=GB // 2) == ""
    assert "At most 3 runs" in refused("teacher", count=3)
    assert "may take 3 GB" in refused("teacher", disk=2 * GB)


def test_the_page_warns_from_four_fifths_on(given: Give, make: Callable[..., Path]) -> None:
    given(disk_in_all="10")
    make("a", count=79 * GB // 10)
    assert disk_words() == (False, "")
    make("b", count=GB // 10)
    full, sentence = disk_words()
    assert not full
    assert sentence == "Visitors take 8.0 GB of 10 GB (80%). Delete what nobody needs."
    runs.delete_run(make("c", count=2 * GB))
    full, sentence = disk_words()
    assert full
    assert sentence.startswith(
        "Visitors take 10 GB of 10 GB (100%), 2.0 GB of them in the trash, which goes after a day."
    )


def test_the_trash_of_yesterday_goes_while_the_server_runs(
    given: Give, make: Callable[..., Path], folder: Path
) -> None:
    given()
    trashed = runs.delete_run(make("a", count=GB))
    assert disk.usage(fresh=True).trash > GB - 1
    stem, stamp = trashed.name.rsplit(".", 1)
    trashed.rename(trashed.with_name(f"{stem}.{int(stamp) - 86_401 * 10**9}"))
    assert disk.usage(fresh=True).trash == 0
    assert list((folder / ".trash").iterdir()) == []


def test_sizes_do_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 1000)
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "deep" / "file").write_bytes(b"x" * 10)
    os.symlink(tmp_path, inside / "around")
    links = sum(entry.lstat().st_size for entry in [inside / "around"])
    assert size(inside) == 10 + links
    assert size(tmp_path / "nowhere") == 0


def test_sizes_are_short() -> None:
    told = [in_words(count) for count in (0, 4e6, 3.14e8, 1.55e9, 5e10)]
    assert told == ["0 MB", "4 MB", "314 MB", "1.6 GB", "50 GB"]
