"""Dropped files: what is taken, for whom, how much, and that nothing of it stays."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from ui.gate import Gate
from ui.own import drops as drops_module
from ui.own import places
from ui.own.drops import PREFIX, Drops, drop_routes
from ui.own.work import Stopped, Work
from vae.errors import ConfigError, DataError


@pytest.fixture
def drops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Drops]:
    monkeypatch.setattr(drops_module.tempfile, "gettempdir", lambda: str(tmp_path))
    made = Drops()
    monkeypatch.setattr(drops_module, "drops", lambda: made)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def client(drops: Drops) -> TestClient:
    return TestClient(Starlette(routes=drop_routes))


def test_files_lie_under_numbers_and_keep_their_names(drops: Drops, client: TestClient, tmp_path: Path) -> None:
    token = drops.begin("ada")
    for name in ("cat/1.png", "../../etc/passwd", "C:\\x\\2.JPG", "Größe.parquet", ""):
        assert client.put(f"/own/drop/{token}", params={"name": name}, content=name.encode()).status_code == 204
    drop = drops.find(token)
    assert drop is not None
    assert [name for name, _ in drop.files] == ["cat/1.png", "../../etc/passwd", "C:\\x\\2.JPG", "Größe.parquet", ""]
    stored = [path.name for _, path in drop.files]
    assert stored == ["000000.png", "000001.other", "000002.jpg", "000003.parquet", "000004.other"]
    assert {path.parent for _, path in drop.files} == {drop.folder}
    assert [path.read_bytes().decode() for _, path in drop.files] == [name for name, _ in drop.files]
    assert drop.folder.stat().st_mode & 0o77 == 0
    assert client.delete(f"/own/drop/{token}").status_code == 204
    assert (drop.files, drop.bytes, list(tmp_path.iterdir())) == ([], 0, [])


def test_a_token_is_known_or_nothing_is_taken(drops: Drops, client: TestClient, tmp_path: Path) -> None:
    answer = client.put("/own/drop/guessed", params={"name": "a.png"}, content=b"x")
    assert (answer.status_code, "reload" in answer.text) == (404, True)
    token = drops.begin("ada")
    drops.close(token)
    assert client.put(f"/own/drop/{token}", content=b"x").status_code == 404
    assert client.get(f"/own/drop/{drops.begin('ada')}").status_code == 405
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "value", "sentence"),
    [("MOST_BYTES", 250, "too much to drop"), ("MOST_OF_ALL", 250, "as many dropped files as it takes"),
     ("SPARE", 10**18, "too full")],
)  # fmt: skip
def test_too_much_is_refused_and_what_came_before_is_gone(
    limit: str, value: int, sentence: str, drops: Drops, client: TestClient, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    token = drops.begin("ada")
    assert client.put(f"/own/drop/{token}", params={"name": "a.png"}, content=bytes(200)).status_code == 204
    monkeypatch.setattr(drops_module, limit, value)
    answer = client.put(f"/own/drop/{token}", params={"name": "b.png"}, content=bytes(100))
    assert (answer.status_code, sentence in answer.text) == (413, True)
    assert list(tmp_path.iterdir()) == []


def test_a_visitor_drops_no_more_than_the_disk_has_room_for(
    drops: Drops, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, float, bool]] = []

    def check_disk(owner: str, disk: float, teacher: bool) -> None:
        asked.append((owner, disk, teacher))
        if drops.by_owner()[owner] + disk > 250:
            raise ConfigError("Too much for you.")

    monkeypatch.setattr("ui.room.limits.check_disk", check_disk)
    token = drops.begin("ada")
    assert client.put(f"/own/drop/{token}", params={"name": "a.png"}, content=bytes(200)).status_code == 204
    assert drops.by_owner() == {"ada": 200}
    answer = client.put(f"/own/drop/{token}", params={"name": "b.png"}, content=bytes(100))
    assert (answer.status_code, answer.text) == (413, "Too much for you.")
    assert asked == [("ada", 200, False), ("ada", 100, False)]
    assert list(tmp_path.iterdir()) == []


def test_too_many_files_are_refused(drops: Drops, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.datasets.own.entries.MOST_DROPPED", 2)
    token = drops.begin("ada")
    codes = [client.put(f"/own/drop/{token}", params={"name": f"{i}.png"}).status_code for i in range(3)]
    assert codes == [204, 204, 413]


def test_idle_drops_and_those_of_a_killed_server_are_removed(
    drops: Drops, client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, young = drops.begin("ada"), drops.begin("ada")
    for token in (old, young):
        client.put(f"/own/drop/{token}", params={"name": "a.png"}, content=b"x")
    gone = drops.find(old)
    assert gone is not None
    gone.touched -= drops_module.IDLE + 1
    drops.begin("ada")
    assert drops.find(old) is None
    assert not gone.folder.exists()
    assert drops.find(young) is not None
    left = tmp_path / f"{PREFIX}killed"
    left.mkdir()
    monkeypatch.undo()
    monkeypatch.setattr(drops_module.tempfile, "gettempdir", lambda: str(tmp_path))
    drops_module.drops.clear()
    drops_module.drops()
    assert left.exists()
    os.utime(left, (time.time() - drops_module.OLD - 9,) * 2)
    drops_module.drops.clear()
    drops_module.drops()
    assert not left.exists()
    drops_module.drops.clear()


def test_paths_are_for_this_machine_or_inside_what_the_owner_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, secret = tmp_path / "allowed", tmp_path / "secret"
    for folder in (allowed / "cats", secret):
        folder.mkdir(parents=True)
    (allowed / "way").symlink_to(secret)
    monkeypatch.setattr(places.owners, "at_this_machine", lambda: True)
    monkeypatch.delenv(places.ALLOWED, raising=False)
    assert places.may_give_paths()
    assert places.checked(f" {secret} ") == secret
    monkeypatch.setattr(places.owners, "at_this_machine", lambda: False)
    assert not places.may_give_paths()
    with pytest.raises(ConfigError, match="for those who sit at it only"):
        places.checked(str(secret))
    monkeypatch.setenv(places.ALLOWED, f"{allowed}{os.pathsep}")
    assert places.may_give_paths()
    assert places.checked(f"{allowed}/cats") == allowed / "cats"
    for outside in (secret, allowed / "way", f"{allowed}/../secret", "/", f"{allowed}-not"):
        with pytest.raises(ConfigError, match=f"only {allowed}"):
            places.checked(str(outside))
    with pytest.raises(ConfigError, match="a zero byte"):
        places.checked(f"{allowed}/\0")


def test_work_says_how_far_it_is_stops_and_says_what_went_wrong() -> None:
    def endless(progress: object) -> None:
        while True:
            progress(0.25, "half way")  # type: ignore[operator]
            time.sleep(0.01)

    work = Work(endless)
    limit = time.monotonic() + 120
    while work.share != 0.25 and time.monotonic() < limit:
        time.sleep(0.01)
    assert (work.share, work.text, work.running) == (0.25, "half way", True)
    work.stop()
    work.wait(120)
    assert (work.running, work.problem, work.result) == (False, "Stopped. Nothing was kept.", None)

    def wrong(progress: object) -> None:
        raise DataError("a sentence")

    refused = Work(wrong)
    refused.wait(120)
    assert (refused.problem, refused.error) == ("a sentence", None)
    done = Work(lambda progress: 7)
    done.wait(120)
    assert (done.result, done.problem) == (7, "")
    assert issubclass(Stopped, Exception)


def test_another_sites_page_cannot_drop_files_here(drops: Drops, tmp_path: Path) -> None:
    app = Starlette(routes=drop_routes, middleware=[Middleware(Gate)])
    browser, token = TestClient(app, base_url="http://localhost"), drops.begin("ada")
    for method in ("PUT", "DELETE"):
        answer = browser.request(method, f"/own/drop/{token}", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
    assert list(tmp_path.iterdir()) == []
    own = browser.put(f"/own/drop/{token}?name=a.png", content=b"x", headers={"Origin": "http://localhost"})
    assert own.status_code == 204
