"""The live connection and the previews, on a bare Starlette application."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ui.live import live as module
from ui.live.live import routes, thumbnail_png
from ui.live.run_watcher import CHUNK, HistoryFile, Lines, News, RunWatcher, pause, read_lines
from vae.config import Config
from vae.files import write_atomically
from vae.runs import Status, append_history, change_knobs, create_run, history_size, truncate_history, write_status

HOSTILE = [
    "",
    "..",
    "../../etc",
    "a/b",
    "a\0b",
    "-rf",
    ".trash",
    "x" * 300,
    "\u202erun",
    "run\n",
    "CON",
    "%2e%2e",
    "no-such-run",
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(root: Path) -> Path:
    path = create_run(Config(), {"name": "digits"}, name="one")
    write_status(path, Status(state="finished"))
    return path


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    # No `with`: TestClient's lifespan thread hangs when it is entered twice in a process, and none is needed.
    yield TestClient(Starlette(routes=routes))
    module._watchers.clear()


def record(step: int) -> dict[str, Any]:
    return {"step": step, "train": {"distortion": -0.5 * step}}


def write_history(path: Path, lines: list[dict[str, Any]]) -> None:
    write_atomically(path / "history.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())


def preview_bytes(count: int = 8, height: int = 2, width: int = 3, channels: int = 1) -> bytes:
    size = count * height * width * channels
    header = json.dumps({"step": 7, "count": count, "height": height, "width": width, "channels": channels}).encode()
    header += b" " * (-(4 + len(header)) % 8)
    pixels = np.concatenate([np.zeros(size, np.uint8), np.arange(size).astype(np.uint8)])
    return struct.pack("<I", len(header)) + header + pixels.tobytes()


def write_preview(path: Path, data: bytes) -> None:
    (path / "preview").mkdir(exist_ok=True)
    write_atomically(path / "preview" / "live.bin", data)


class Tab:
    """A browser tab's end of the connection: keeps what came, waits for what should come."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def watch(self, run: str, offset: object = 0, file: object = None) -> None:
        self.socket.send_json({"watch": run, "offset": offset, "file": file})

    def next(self, key: str) -> Any:
        """The next text message that has `key`; what comes before it is dropped."""
        for _ in range(50):
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                raise WebSocketDisconnect(message["code"])
            if "text" in message and message["text"] is not None and key in json.loads(message["text"]):
                return json.loads(message["text"])
            if key == "bytes" and message.get("bytes"):
                return message["bytes"]
        raise AssertionError(f"50 messages without {key!r}")

    def steps(self, last: int) -> list[int]:
        """The steps of the lines that come, up to step `last`."""
        steps: list[int] = []
        while not steps or steps[-1] < last:
            self.latest = self.next("lines")
            steps += [line["step"] for line in self.latest["lines"]]
        return steps


def test_history_comes_as_it_grows_and_resumes_from_its_offset(client: TestClient, run: Path) -> None:
    for step in range(5):
        append_history(run, record(step))
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        assert tab.steps(4) == [0, 1, 2, 3, 4]
        assert tab.latest["from"] == 0
        assert tab.latest["offset"] == (run / "history.jsonl").stat().st_size
        append_history(run, record(5))
        assert tab.steps(5) == [5]
        offset, file = tab.latest["offset"], tab.latest["file"]
    append_history(run, record(6))
    with client.websocket_connect("/live") as socket:  # the tab was hidden and is shown again
        tab = Tab(socket)
        tab.watch("one", offset, file)
        assert tab.steps(6) == [6]
        assert tab.latest["from"] == offset
        assert tab.latest["file"] == file


def test_two_tabs_get_the_same_lines_and_count_each_other(client: TestClient, run: Path) -> None:
    append_history(run, record(0))
    with client.websocket_connect("/live") as first, client.websocket_connect("/live") as second:
        Tab(first).watch("one")
        assert Tab(first).steps(0) == [0]
        Tab(second).watch("one")
        assert Tab(second).next("viewers")["viewers"] == 2
        append_history(run, record(1))
        assert Tab(first).steps(1)[-1] == 1
        assert Tab(second).steps(1) == [0, 1]
        second.send_json({"unwatch": "one"})
        while Tab(first).next("viewers")["viewers"] != 1:
            pass


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of the run, for each look at a run's files that has begun."""
    begun: list[str] = []
    look = RunWatcher._look
    monkeypatch.setattr(RunWatcher, "_look", lambda self: (begun.append(self.path.name), look(self))[1])
    return begun


def wait_for_looks(looks: list[str], run: str, more: int) -> None:
    wanted, limit = looks.count(run) + more, time.monotonic() + 60
    while looks.count(run) < wanted:
        assert time.monotonic() < limit, f"nobody looks at {run!r}"
        time.sleep(0.01)


def test_a_torn_last_line_waits_for_its_end(client: TestClient, run: Path, looks: list[str]) -> None:
    append_history(run, record(0))
    line = json.dumps(record(1))
    with open(run / "history.jsonl", "a") as file:
        file.write(line[:9])
        file.flush()
        with client.websocket_connect("/live") as socket:
            tab = Tab(socket)
            tab.watch("one")
            assert tab.steps(0) == [0]
            whole = tab.latest["offset"]
            file.write(line[9:20])
            file.flush()
            wait_for_looks(looks, "one", 3)
            file.write(line[20:] + "\n")
            file.flush()
            assert tab.steps(1) == [1]
            assert tab.latest["from"] == whole


def test_lines_that_are_no_json_objects_are_left_out(client: TestClient, run: Path) -> None:
    (run / "history.jsonl").write_text('{"step":0}\n{"step":1,"tr{"step":2}\n{"step":NaN}\n7\n\n{"step":3}\n')
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        assert tab.steps(3) == [0, 3]


def test_a_rewritten_history_starts_over(client: TestClient, run: Path) -> None:
    append_history(run, record(0))
    append_history(run, record(1))
    second = history_size(run)
    append_history(run, record(2))
    append_history(run, record(3))
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        tab.steps(3)
        file, offset = tab.latest["file"], tab.latest["offset"]
        truncate_history(run, second)
        assert tab.next("reset")["run"] == "one"
        assert tab.steps(1) == [0, 1]
        assert tab.latest["file"] != file
    with client.websocket_connect("/live") as socket:  # a tab that was away meanwhile
        tab = Tab(socket)
        tab.watch("one", offset, file)
        assert tab.next("reset")
        assert tab.steps(1) == [0, 1]


def test_a_history_replaced_while_nobody_watched_is_noticed_even_with_the_same_inode(run: Path) -> None:
    file = HistoryFile(run / "history.jsonl")
    write_history(run, [record(step) for step in range(9)])
    lines, _ = file.look()
    assert lines is not None
    assert lines.end == os.path.getsize(run / "history.jsonl")
    before = file.id
    inode = os.stat(run / "history.jsonl").st_ino
    with open(run / "history.jsonl", "r+") as same:  # stands for a file system that gives the inode out again
        same.truncate(0)
        same.write("".join(json.dumps(record(100 + step)) + "\n" for step in range(12)))
    assert os.stat(run / "history.jsonl").st_ino == inode
    lines, _ = file.look()
    assert file.id != before
    assert lines is not None
    assert lines.start == 0


def test_a_long_history_comes_in_pieces_that_fit_together(client: TestClient, run: Path) -> None:
    write_history(run, [{**record(step), "pad": "x" * 200} for step in range(5000)])
    assert (run / "history.jsonl").stat().st_size > 4 * CHUNK
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        assert tab.steps(4999) == list(range(5000))
        assert tab.latest["offset"] - tab.latest["from"] <= CHUNK


def test_a_line_longer_than_a_message_comes_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps({"step": 0, "pad": "x" * (2 * CHUNK)}) + "\n" + '{"step":1}\n')
    with open(path, "rb") as file:
        lines, data = read_lines(file, 0, path.stat().st_size)
    assert lines is not None
    assert json.loads(f"[{lines.json}]")[0]["step"] == 0
    assert lines.end == len(data)
    assert HistoryFile(path).look()[0] is not None


def test_status_and_knobs_come_when_they_change(client: TestClient, run: Path) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        first = tab.next("status")
        assert first["status"]["state"] == "finished"
        assert first["knobs"]["C"] is None
        assert first["viewers"] == 1
        change_knobs(run, C=2.0)
        assert tab.next("status")["knobs"]["C"] == 2.0
        write_status(run, Status(state="stopped", step=12))
        assert tab.next("status")["status"]["step"] == 12


def test_an_active_run_whose_process_died_is_reported_as_interrupted(client: TestClient, run: Path) -> None:
    write_status(run, Status(state="running", step=3))
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        assert tab.next("status")["status"]["state"] == "interrupted"


def test_what_viewers_lack_is_written_once_for_all_of_them(
    client: TestClient, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[Any, bool]] = []
    write = RunWatcher._write
    monkeypatch.setattr(RunWatcher, "_write", lambda self, *news: (written.append(news), write(self, *news))[1])
    with contextlib.ExitStack() as tabs:
        sockets = [tabs.enter_context(client.websocket_connect("/live")) for _ in range(4)]
        for number, socket in enumerate(sockets, 1):
            Tab(socket).watch("one")
            while Tab(socket).next("viewers")["viewers"] != number:
                pass
        for socket in sockets[:-1]:
            while Tab(socket).next("viewers")["viewers"] != 4:
                pass
        written.clear()
        append_history(run, record(0))
        assert [Tab(socket).steps(0) for socket in sockets] == [[0]] * 4
        assert len(written) == 1


def test_a_class_that_comes_in_has_old_lines_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_history(run, [record(step) for step in range(60_000)])
    watcher = RunWatcher(run)
    starts: list[int] = []
    read = watcher._reread

    def reread(start: int, end: int) -> Lines | None:
        starts.append(start)
        return read(start, end)

    monkeypatch.setattr(watcher, "_reread", reread)

    async def comes_in() -> int:
        start = lines = 0
        while (piece := await watcher.lines_from(start)) is not None:
            assert piece.start == start
            start, lines = piece.end, lines + len(json.loads(f"[{piece.json}]"))
        return lines

    async def class_comes_in() -> list[int]:
        watcher.join(lambda: None)
        while watcher.end < history_size(run):
            await asyncio.sleep(0.01)
        leaving = asyncio.create_task(comes_in())
        await asyncio.sleep(0)
        leaving.cancel()  # takes what it has begun from nobody
        found = await asyncio.gather(*(comes_in() for _ in range(10)))
        watcher.leave(next(iter(watcher.viewers)))
        return found

    assert asyncio.run(class_comes_in()) == [60_000] * 10
    assert len(starts) == len(set(starts)) > 1


def test_new_lines_and_the_status_after_them_come_in_one_message(
    client: TestClient, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        tab.next("status")
        holder = module._watchers[run]
        news = News(status={"status": {"state": "stopped"}, "knobs": None, "weights": None})
        monkeypatch.setattr(
            RunWatcher, "_look", lambda self: (append_history(run, record(3)), news, set_lines(self))[1]
        )

        def set_lines(watcher: RunWatcher) -> None:
            news.lines, news.more = watcher._history.look()

        message = tab.next("lines")
        assert [line["step"] for line in message["lines"]] == [3]
        assert message["status"] == {"state": "stopped"}
        assert (message["viewers"], message["offset"]) == (1, holder.end)


def test_the_more_people_watch_the_fewer_looks_there_are() -> None:
    assert [pause(viewers) for viewers in (1, 12, 30, 1000)] == [0.12, 0.12, 0.3, 0.5]


def test_every_line_comes_before_the_last_status(client: TestClient, run: Path) -> None:
    write_status(run, Status(state="queued"))
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        tab.next("status")
        for step in range(300):
            append_history(run, record(step))
        write_status(run, Status(state="finished"))
        steps: list[int] = []
        while True:
            message = json.loads(socket.receive()["text"])
            steps += [line["step"] for line in message.get("lines", [])]
            if message.get("status", {}).get("state") == "finished":
                break
        assert steps == list(range(300))


def test_the_preview_comes_as_binary(client: TestClient, run: Path) -> None:
    data = preview_bytes()
    write_preview(run, data)
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        message = tab.next("bytes")
        (length,) = struct.unpack_from("<I", message)
        assert (4 + length) % 8 == 0
        assert json.loads(message[4 : 4 + length]) == {"run": "one", "bytes": len(data)}
        assert message[4 + length :] == data
        write_preview(run, preview_bytes(height=5))
        assert tab.next("bytes")[-1] == 8 * 5 * 3 - 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_answered_by_a_sentence(client: TestClient, run: Path, name: str) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch(name)
        assert "no run named" in tab.next("error")["error"]
        tab.watch("one")  # the connection lives on
        assert tab.next("status")["run"] == "one"


@pytest.mark.parametrize(
    "text",
    ["", "{", "7", "[]", '{"watch":7}', '{"watch":["a"]}', "[" * 4000, '{"watch":' * 400, "[{" * 2048, "9" * 4000],
)
def test_what_is_no_wish_is_answered_by_a_sentence(client: TestClient, run: Path, text: str) -> None:
    with client.websocket_connect("/live") as socket:
        socket.send_text(text)
        assert "expected" in Tab(socket).next("error")["error"]
        socket.send_bytes(b"\0\1")
        assert "expected" in Tab(socket).next("error")["error"]


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_a_message_that_is_too_long_ends_the_connection(
    client: TestClient, run: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one", file="x" * 4000)
        assert tab.next("status")["run"] == "one"
        monkeypatch.setattr(module, "read_message", lambda text: pytest.fail(f"read {len(text)} characters"))
        socket.send({"type": "websocket.receive", kind: "x" * 4097 if kind == "text" else b"x" * 4097})
        with pytest.raises(WebSocketDisconnect) as ended:
            tab.next("none")
        assert ended.value.code == 1009


@pytest.mark.parametrize(("offset", "file"), [(-1, "x"), (10**12, "x"), ("0", "x"), (True, "x"), (None, None), (5, 7)])
def test_an_offset_that_does_not_hold_starts_from_the_beginning(
    client: TestClient, run: Path, offset: object, file: object
) -> None:
    append_history(run, record(0))
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one", offset, file)
        assert tab.steps(0) == [0]


def test_a_run_that_is_deleted_ends_with_a_sentence(client: TestClient, run: Path) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        tab.next("status")
        run.rename(run.with_name("two"))
        assert "renamed or deleted" in tab.next("error")["error"]
        tab.watch("two")
        assert tab.next("status")["run"] == "two"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://testserver.evil.example", "null", "http://[", "http://testserver:81"]
)
def test_a_foreign_origin_is_refused(client: TestClient, run: Path, origin: str) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers={"origin": origin}):
        pass


@pytest.mark.parametrize("headers", [{}, {"origin": "http://testserver"}, {"origin": "https://TESTSERVER"}])
def test_its_own_origin_is_let_in(client: TestClient, run: Path, headers: dict[str, str]) -> None:
    with client.websocket_connect("/live", headers=headers) as socket:
        Tab(socket).watch("one")
        assert Tab(socket).next("status")


def test_more_runs_than_a_tab_can_show_are_refused(client: TestClient, root: Path) -> None:
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        for number in range(module.RUNS_LIMIT + 1):
            create_run(Config(), {}, name=f"r{number}")
            tab.watch(f"r{number}")
        assert "at a time" in tab.next("error")["error"]


def test_nothing_is_read_while_nobody_watches(client: TestClient, run: Path, looks: list[str]) -> None:
    create_run(Config(), {"name": "digits"}, name="other")
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        tab.next("status")
        wait_for_looks(looks, "one", 2)
        socket.send_json({"unwatch": "one"})
        tab.watch("other")
        while tab.next("status")["run"] != "other":  # wishes are taken in turn: nobody watches the first any more
            pass
        before = looks.count("one")
        wait_for_looks(looks, "other", 6)
        assert looks.count("one") <= before + 1  # one may have been about to begin


def test_a_file_that_breaks_the_reader_does_not_end_the_watch(client: TestClient, run: Path) -> None:
    (run / "knobs.json").write_text("[]")
    (run / "status.json").write_text("[]")
    with client.websocket_connect("/live") as socket:
        tab = Tab(socket)
        tab.watch("one")
        assert tab.next("status")["knobs"] is None
        append_history(run, record(0))
        assert tab.steps(0) == [0]


def test_the_thumbnail_is_the_sheet_of_reconstructions(client: TestClient, run: Path) -> None:
    from PIL import Image

    write_preview(run, preview_bytes(height=2, width=3))
    answer = client.get("/runs/one/thumbnail.png")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    sheet = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert sheet.shape == (4, 12)
    assert sheet[:2, :3].tolist() == [[0, 1, 2], [3, 4, 5]]  # the first image
    assert sheet[2:, 3:6].tolist() == [[30, 31, 32], [33, 34, 35]]  # the sixth


@pytest.mark.parametrize(
    ("count", "channels", "shape"), [(3, 1, (2, 9)), (8, 3, (4, 12, 3)), (5, 1, (2, 12)), (1, 3, (2, 3, 3))]
)
def test_the_sheet_fits_what_there_is(count: int, channels: int, shape: tuple[int, ...]) -> None:
    from PIL import Image

    png = thumbnail_png(preview_bytes(count=count, channels=channels))
    assert np.asarray(Image.open(io.BytesIO(png))).shape == shape


def test_previews_are_cached_by_content(client: TestClient, run: Path) -> None:
    data = preview_bytes()
    write_preview(run, data)
    answer = client.get("/runs/one/preview")
    tag = answer.headers["etag"]
    assert answer.content == data
    assert "no-cache" in answer.headers["cache-control"]
    assert client.get("/runs/one/preview", headers={"if-none-match": tag}).status_code == 304
    for_ever = client.get("/runs/one/preview", params={"v": tag.strip('"')})
    assert "immutable" in for_ever.headers["cache-control"]
    write_preview(run, preview_bytes(count=4))
    assert client.get("/runs/one/preview", headers={"if-none-match": tag}).status_code == 200
    assert "no-cache" in client.get("/runs/one/preview", params={"v": tag.strip('"')}).headers["cache-control"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name and "/" not in name and name != ".."])
def test_hostile_names_have_no_preview(client: TestClient, run: Path, name: str) -> None:
    from urllib.parse import quote

    for what in ("preview", "thumbnail.png"):
        answer = client.get(f"/runs/{quote(name, safe='')}/{what}")
        assert answer.status_code == 404


def test_a_run_without_a_preview_says_so(client: TestClient, run: Path) -> None:
    assert client.get("/runs/one/thumbnail.png").text == "run 'one' has no preview yet"


@pytest.mark.parametrize("data", [b"", b"\1", b"\xff\xff\xff\xff{}", preview_bytes()[:-1], preview_bytes(channels=2)])
def test_a_damaged_preview_is_a_sentence(client: TestClient, run: Path, data: bytes) -> None:
    write_preview(run, data)
    answer = client.get("/runs/one/thumbnail.png")
    assert answer.status_code == 404
    assert "damaged" in answer.text
