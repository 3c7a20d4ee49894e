"""People at the application without browsers: what a tab says on the wire, for benchmarks/thirty.py.

A `Watcher` moves sliders on the server route, opens maps and watches trainings; a `Session` is a Streamlit tab that has
its page run again every few seconds. All live in one event loop and write into one `Log`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

PATIENCE = 60.0  # seconds for any answer
DRAG = (4, 12)  # pictures of one movement of a slider
REST = (0.5, 3.0)  # seconds between two movements
MAP_EVERY = 20.0  # seconds between two maps that one person opens, about
RERUN_EVERY = (3.0, 6.0)  # seconds between two reruns of one session


ASKS = (  # what Chromium says with each request, about
    "Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0\r\n"
    "Accept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
)


class Log:
    """What was waited for, in seconds by kind, and what went wrong."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.messages = 0

    @contextlib.contextmanager
    def timed(self, kind: str) -> Any:
        began = time.perf_counter()
        yield
        self.seconds[kind].append(time.perf_counter() - began)


class Http:
    """One connection that stays open, as a browser keeps it; reads whole answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Returns status and body. Raises OSError and TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            if self.streams is None:
                self.streams = await asyncio.open_connection("127.0.0.1", self.port)
            reader, writer = self.streams
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{ASKS}\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if "transfer-encoding: chunked" in head:
                return int(head.split()[1]), await self._chunks(reader)
            size = next(line[15:] for line in head.split("\r\n") if line.startswith("content-length:"))
            return int(head.split()[1]), await reader.readexactly(int(size))

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        """A body that is packed while it is sent."""
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return body

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None  # whoever comes back opens another one


class Watcher:
    """One person: `explored` is moved through by sliders and mapped, `runs` are watched."""

    def __init__(self, port: int, log: Log, runs: list[str], explored: str, seed: int) -> None:
        self.port, self.log, self.runs, self.explored = port, log, runs, explored
        self.random = random.Random(seed)
        self.http = Http(port)

    async def live(self) -> None:
        """Looks at trainings, and throws away what a tab would draw."""
        async with connect(f"ws://localhost:{self.port}/live", max_size=None, open_timeout=PATIENCE) as socket:
            for run in self.runs:
                await socket.send(json.dumps({"watch": run, "offset": 0, "file": None}))
            async for message in socket:
                self.log.messages += 1
                if isinstance(message, str) and message[:400].find('"error":') >= 0:
                    self.log.errors.append(f"live: {message[:200]}")

    async def explore(self) -> None:
        """Moves sliders, one picture after the other, and opens a map now and then."""
        await asyncio.sleep(self.random.uniform(0, REST[1]))
        next_map = time.monotonic() + self.random.uniform(0, MAP_EVERY)
        status, body = await self.http.get(f"/runs/{self.explored}/decoder")
        k = json.loads(body)["k"] if status == 200 else 2
        while True:
            for _ in range(self.random.randint(*DRAG)):
                z = ",".join(f"{self.random.gauss(0, 1):.3f}" for _ in range(k))
                await self.ask("decode", f"/runs/{self.explored}/decode?z={z}")
                await asyncio.sleep(0.05)  # the hand is no faster
            await asyncio.sleep(self.random.uniform(*REST))
            if time.monotonic() > next_map:
                next_map += MAP_EVERY
                await self.open_map()

    async def open_map(self) -> None:
        """Asks for what the Map page shows, the newest codes first."""
        status, body = await self.http.get(f"/runs/{self.explored}/decoder")
        if status != 200:
            self.log.errors.append(f"map of {self.explored}: {status}")
            return
        sha = json.loads(body)["sha"]
        with self.log.timed("map"):
            for path in (f"codes/{sha}", f"plane/{sha}?method=pca", f"images/{sha}?first=0&count=200"):
                status, body = await self.http.get(f"/runs/{self.explored}/{path}")
                if status != 200 and b"other weights" not in body:  # a run that trains has moved on
                    self.log.errors.append(f"{path[:10]} of {self.explored}: {status} {body[:120]!r}")
                    return

    async def ask(self, kind: str, path: str) -> None:
        """One timed request."""
        with self.log.timed(kind):
            status, body = await self.http.get(path)
        if status != 200:
            self.log.errors.append(f"{path[:60]}: {status} {body[:120]!r}")

    async def both(self) -> None:
        """All that this person does."""
        try:
            await asyncio.gather(self.live(), self.explore())
        finally:
            self.http.close()


class Session:
    """A Streamlit tab, in its own words: protobuf messages over its websocket. Reruns its page every few seconds, and
    its fragments as often as the page asks for."""

    def __init__(self, port: int, log: Log, page: str, query: str, seed: int) -> None:
        self.port, self.log, self.page, self.query = port, log, page, query
        self.random = random.Random(seed)
        self.hashes: set[str] = set()  # of the messages that a browser keeps
        self.page_hash = ""
        self.finished = asyncio.Event()
        self.fragments: dict[str, asyncio.Task[None]] = {}

    async def stay(self) -> None:
        """Opens the page, and stays."""
        address = f"ws://localhost:{self.port}/_stcore/stream"
        kind = [Subprotocol("streamlit")]
        async with connect(address, max_size=None, subprotocols=kind, open_timeout=PATIENCE) as self.socket:
            reading = asyncio.create_task(self._read())
            try:
                await asyncio.sleep(self.random.uniform(0, RERUN_EVERY[1]))
                await self.rerun(f"first {self.page or 'home'}")
                while not reading.done():
                    await asyncio.sleep(self.random.uniform(*RERUN_EVERY))
                    await self.rerun(self.page or "home")
                await reading
            finally:
                reading.cancel()
                self._stop_repeating()

    async def rerun(self, kind: str) -> None:
        """Has the whole page run, and waits until it has."""
        self.finished.clear()
        with self.log.timed(kind):
            await self._send()
            async with asyncio.timeout(PATIENCE):
                await self.finished.wait()

    async def _send(self, fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.query, self.page_hash
        if not self.page_hash:
            state.page_name = self.page
        state.cached_message_hashes.extend(self.hashes)
        if fragment:
            state.fragment_id, state.is_auto_rerun = fragment, True
        await self.socket.send(message.SerializeToString())

    async def _read(self) -> None:
        async for data in self.socket:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            self._take(message)

    def _take(self, message: ForwardMsg) -> None:
        self.log.messages += 1
        if message.metadata.cacheable:
            self.hashes.add(message.hash)
        kind = message.WhichOneof("type")
        if kind == "navigation":  # a new session names the main script alone
            self.page_hash = message.navigation.page_script_hash
        elif kind == "new_session":
            if not message.metadata.run.fragment_ids:
                self._stop_repeating()  # the page says anew what repeats
        elif kind == "delta" and message.delta.new_element.HasField("exception"):
            self.log.errors.append(f"{self.page}: {message.delta.new_element.exception.message[:200]}")
        elif kind == "page_not_found":
            self.log.errors.append(f"{self.page}: page not found")
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY:
            if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                self.finished.set()
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._stop_repeating(fragment)
        elif kind == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)

    def _stop_repeating(self, *fragments: str) -> None:
        for fragment in fragments or list(self.fragments):
            if task := self.fragments.pop(fragment, None):
                task.cancel()

    def _repeat(self, fragment: str, interval: float) -> None:
        """A fragment with a clock: the browser's timer, not the server's."""
        if fragment in self.fragments:
            return

        async def again() -> None:
            while True:
                await asyncio.sleep(interval)
                await self._send(fragment)

        self.fragments[fragment] = asyncio.create_task(again())


@contextlib.asynccontextmanager
async def present(people: list[Callable[[], Coroutine[Any, Any, None]]], log: Log) -> AsyncIterator[None]:
    """They come, and leave at the end; whoever leaves early has met an error."""
    tasks = [asyncio.create_task(person()) for person in people]
    try:
        yield
    finally:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                log.errors.append(f"{type(error).__name__}: {str(error)[:200]}")
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
