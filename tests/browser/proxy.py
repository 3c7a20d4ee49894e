"""A small reverse proxy, as somebody puts one in front of the app: websockets pass. To a page that came through it, the
server has ended when it is closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Proxy:
    """Serves an upstream of this machine at `http://127.0.0.1:{port}{prefix}/` from a thread of its own.

    `strip`: the prefix is taken off before the upstream sees the path. `rewrite`: the upstream sees its own address as
    Host instead of the one that the browser asked.
    """

    def __init__(self, prefix: str = "", strip: bool = False, rewrite: bool = False) -> None:
        self.prefix, self.strip, self.rewrite = prefix, strip, rewrite
        self.upstream = 0  # the port, once it is known
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._here(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = self.origin + prefix

    def _here(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        """Ends the proxy and what goes through it; nothing happens the second time."""
        if self._loop.is_closed():
            return
        self._here(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), _closing(writer):
            head = self._translated(await reader.readuntil(b"\r\n\r\n"))
            if head:
                answers, asks = await asyncio.open_connection("127.0.0.1", self.upstream)
                with _closing(asks):
                    asks.write(head)
                    await asyncio.gather(_copy(reader, asks), _copy(answers, writer))
            else:
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def _translated(self, head: bytes) -> bytes:
        """The request as the upstream gets it, one to a connection; empty where it is not below the prefix."""
        (method, path, version), *lines = [line.split(b" ", 2) for line in head[:-4].split(b"\r\n")]
        prefix = self.prefix.encode()
        if path != prefix and not path.startswith(prefix + b"/"):
            return b""
        headers = {name.lower(): b" ".join(rest) for name, *rest in lines}
        if b"upgrade:" not in headers:
            headers[b"connection:"] = b"close"
        if self.rewrite:
            headers[b"host:"] = b"127.0.0.1:%d" % self.upstream
        first = b" ".join([method, (path.removeprefix(prefix) or b"/") if self.strip else path, version])
        return b"\r\n".join([first, *(name + b" " + value for name, value in headers.items()), b"", b""])


@contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Closed however it ends; at once, and whatever it has still to send, where the proxy itself is closed: what is
    open when its loop ends stays open for ever."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError), _closing(writer):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
