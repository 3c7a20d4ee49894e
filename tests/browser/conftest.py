"""A real server on a free port with an empty runs folder, and a real Chromium that notices what a user would not.

Server, Chromium and its tab are shared by all tests, because what each costs to start is most of what a test costs;
each test has a runs folder of its own, and the tab as a new one would be.
An installed Chromium or Chrome is used, else Playwright's own, which is installed on first use.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    Error,
    FloatRect,
    Locator,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

from tests.browser.proxy import Proxy
from tests.browser.watched import PATIENCE, Watched, context_of
from vae import runs
from vae.datasets.dataset import split_indices
from vae.errors import RunError

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FAILED = pytest.StashKey[bool]()


def digits_row(index: int) -> str:
    """The row in scikit-learn's digits of held-out image `index`, as the pages write it."""
    return f"{split_indices(1797)[1][index]:,}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A real browser on a crowded machine fails now and then for reasons that are not the app's (a page killed for
    memory, a process starved of its core): these tests, and no others, are run once more before they count as failed.
    The last line of the report counts the reruns, and the summary says what had failed."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed or (report.when != "setup" and item.stash.get(FAILED, False))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("rerun", []):
        reason = getattr(report.longrepr, "reprcrash", None)
        terminalreporter.line(f"RERUN {report.nodeid} ({report.when}): {reason.message if reason else report.longrepr}")


class Server:
    """`streamlit run app.py`, cold, from a folder that is not the application's. `runs`, its runs folder, is a link.

    Without spare processes, of which most servers would use none; `ELBO_ROOM_SPARES="1"` keeps them.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.runs = folder / "runs"
        self._folders = (folder / f"runs-{number}" for number in count(1))
        self.empty_runs()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        base = environment.get("STREAMLIT_SERVER_BASE_URL_PATH", "")
        self.url = f"http://localhost:{self.port}" + (f"/{base}" if base else "")
        self.log = folder / "server.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), "--server.port", str(self.port),
                 "--server.headless", "true"],
                cwd=folder, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "ELBO_ROOM_RUNS": str(self.runs), "ELBO_ROOM_SPARES": "0", **environment},
            )  # fmt: skip
        self._wait_until_healthy()

    def _wait_until_healthy(self) -> None:
        limit = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=PATIENCE):
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def empty_runs(self) -> None:
        """An empty runs folder; the engine, which resolves links, takes no run there for its namesake before."""
        folder = next(self._folders)
        folder.mkdir()
        link = self.runs.with_name("link")
        link.symlink_to(folder)
        link.replace(self.runs)

    def settle(self) -> None:
        """No map, finding or file is made any more, and no run is at work; a server that cannot end one is closed."""
        for module in ("vae.space.fit_process", "vae.diagnosis", "vae.exports.process"):
            for pid in self.workers(module):
                with contextlib.suppress(OSError):
                    if not waits_for_work(pid):
                        os.kill(pid, signal.SIGTERM)
        limit = time.monotonic() + PATIENCE
        while self.process.poll() is None and (working := [*filter(runs.is_locked, runs.list_runs(self.runs))]):
            if time.monotonic() > limit:
                self.close()
            for path in working:
                with contextlib.suppress(OSError, RunError):
                    runs.change_knobs(path, stop=True)
            time.sleep(0.2)

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the server has ended."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        return time.monotonic() - start

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def workers(self, module: str = "vae.engines.worker") -> list[int]:
        """Process ids of the training processes that belong to this server's runs folder, or of another module's."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                place = (folder / "environ").read_bytes()
            except OSError:
                continue
            if module.encode() in words and str(self.runs).encode() in place:
                found.append(int(folder.name))
        return found


def waits_for_work(pid: int) -> bool:
    """Whether a process is a spare one that nothing has been handed: it still writes where its server does. Another
    in its place takes seconds to import torch."""
    process = Path(f"/proc/{pid}")
    return b"--spare" in (process / "cmdline").read_bytes() and not os.readlink(process / "fd/1").endswith("/log.txt")


@pytest.fixture(scope="session")
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.close()


@pytest.fixture
def server(
    request: pytest.FixtureRequest, servers: list[Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The session's server with an empty runs folder; another where a test stopped it or failed."""
    if not servers or servers[-1].process.poll() is not None:
        servers.append(Server(tmp_path_factory.mktemp("server")))
    made = servers[-1]
    made.empty_runs()
    yield made
    if request.node.stash.get(FAILED, False):
        made.close()
    made.settle()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as made:
        yield made


@pytest.fixture(scope="session")
def launched(playwright: Playwright) -> Iterator[list[Browser]]:
    browsers: list[Browser] = []
    yield browsers
    for browser in browsers:
        browser.close()


@pytest.fixture
def chromium(playwright: Playwright, launched: list[Browser]) -> Browser:
    """One browser for all tests; another if it has crashed."""
    if not launched or not launched[-1].is_connected():
        launched.append(_launch(playwright))
    return launched[-1]


def _launch(playwright: Playwright) -> Browser:
    arguments = ["--disable-background-networking"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--no-sandbox")  # root cannot have one
    installed = next((path for path in map(shutil.which, NAMES) if path), None)
    patience = 3000 * PATIENCE  # milliseconds
    try:
        return playwright.chromium.launch(executable_path=installed, args=arguments, timeout=patience)
    except Error:
        if installed:
            raise
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    try:
        return playwright.chromium.launch(args=arguments, timeout=patience)
    except Error as error:
        pytest.fail(
            f"these tests need Chromium or Chrome: install one, or `python -m playwright install chromium` ({error})"
        )


@pytest.fixture(scope="session")
def windows() -> list[Watched]:
    """The window that the tests share, or none."""
    return []


@pytest.fixture
def window(
    request: pytest.FixtureRequest, chromium: Browser, server: Server, windows: list[Watched]
) -> Iterator[Watched]:
    """One person's browser; whatever a test does in it, the console stays clean and nothing leaves the machine."""
    host = f"localhost:{server.port}"
    if not windows or windows[0].context.browser is not chromium:
        windows[:] = [Watched(context_of(chromium), host)]
    watched = windows[0]
    watched.host = host
    yield watched
    if request.node.stash.get(FAILED, False) or server.process.poll() is not None:
        windows.clear()
        watched.close()
    else:
        watched.empty()


@pytest.fixture
def relay(server: Server, window: Watched) -> Iterator[Proxy]:
    """The window's way to the server: closed, it ends the server for the window, and for nobody else. The next server
    would take ten seconds of the processor to start."""
    proxy = Proxy()
    proxy.upstream = server.port
    window.ways.add(urlsplit(proxy.url).netloc)  # until its pages are closed, which ask for as long
    yield proxy
    proxy.close()


@pytest.fixture
def eventually() -> Callable[..., None]:
    def wait(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until the condition holds; an AssertionError inside it counts as not yet. Looking is work, too: it is done
        less often while nothing happens."""
        limit, pause = time.monotonic() + seconds, 0.05
        while True:
            found: AssertionError | None = None
            try:
                if condition():
                    return
            except AssertionError as error:
                found = error
            if time.monotonic() > limit:
                raise AssertionError(f"it did not happen in time: {found or 'it is not so'}")
            time.sleep(pause)
            pause = min(0.4, 1.3 * pause)

    return wait


@pytest.fixture
def settled(eventually: Callable[..., None]) -> Callable[..., Any]:
    def wait(page: Page, read: Callable[[], Any]) -> Any:
        """What is read once it no longer changes: two readings with half a second of the page's own time between them
        agree. A starved page only takes longer."""
        readings = [read()]

        def agree() -> bool:
            pass_time(page, 500)
            readings.append(read())
            return same(*readings[-2:])

        eventually(agree)
        return readings[-1]

    return wait


@pytest.fixture
def followed(eventually: Callable[..., None], settled: Callable[..., Any]) -> Callable[..., Any]:
    def wait(page: Page, read: Callable[[], Any], before: Any) -> Any:
        """What is read once it has left what was read before, and has come to rest elsewhere."""
        eventually(lambda: not same(read(), before))
        return settled(page, read)

    return wait


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other))


def pass_time(page: Page, milliseconds: int) -> None:
    """By the page's own clock: its timers that are due before have fired, and what it drew by then is drawn."""
    page.evaluate("wait => new Promise(go => setTimeout(() => requestAnimationFrame(() => go()), wait))", milliseconds)


def rested(page: Page) -> None:
    """Streamlit's script has run to its end: what it draws is there, and nothing moves any more for its sake."""
    expect(page.locator("[data-test-script-state]")).to_have_attribute("data-test-script-state", "notRunning")


def box_of(found: Locator) -> FloatRect:
    """Where an element is, in CSS pixels of the window, once it has stopped moving: x, y, width, height."""
    found.element_handle().wait_for_element_state("stable")
    box = found.bounding_box()
    assert box
    return box


class Traffic:
    """What a page sends: the addresses of its requests, "frame" for each websocket frame. To be made before the page
    goes anywhere."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.sent: list[str] = []
        self._unanswered: set[Request] = set()
        page.on("request", self._ask)
        page.on("requestfinished", self._hear)
        page.on("requestfailed", self._hear)
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: self.sent.append("frame")))

    def _ask(self, request: Request) -> None:
        self.sent.append(request.url)
        self._unanswered.add(request)

    def _hear(self, request: Request) -> None:
        self._unanswered.discard(request)

    def rests(self) -> bool:
        """Nothing is on its way, and nothing is sent for a second of the page's own time; to be asked until it is."""
        rested(self.page)
        before = len(self.sent)
        pass_time(self.page, 1000)
        return len(self.sent) == before and not self._unanswered
