"""A browser window that notices what a user would not."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize

PATIENCE = 60.0  # seconds that anything may take which waits for a browser or a process: nothing is slow for so long
SIZE: ViewportSize = {"width": 1280, "height": 900}
ALLOWED_404 = ("/_stcore/health", "/_stcore/host-config")  # Streamlit asks for both below the page's own path first


class Watched:
    """A browser window whose pages are watched: foreign requests, console errors, uncaught exceptions."""

    def __init__(self, context: BrowserContext, host: str) -> None:
        self.context, self.host = context, host
        self.ways: set[str] = set()  # other hosts that lead to the same server
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.watching = True
        self._emptied: Page | None = None

    def page(self, beside: Page | None = None) -> Page:
        """A tab; the first of a test is the one of the test before, emptied. One that `beside` opens shares its
        process, in which the application lies compiled."""
        if self._emptied is not None:
            page, self._emptied = self._emptied, None
            return page
        page = page_of(self.context, beside)
        page.on("console", lambda message: self._console(message.type, message.text, message.location.get("url", "")))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", lambda socket: self._request(socket.url))
        return page

    def close(self) -> None:
        """Nothing left the machine and the console is clean; a connection that is cut while it opens is our doing."""
        self._hear_out()
        self.context.close()
        assert (self.foreign, self.complaints) == ([], []), f"{self.foreign} {self.complaints}"

    def empty(self) -> None:
        """The same, and one tab stays, as a new one would be: the application lies compiled in its process, and opens
        in half the time."""
        self._hear_out()
        self.context.unroute_all()
        self.context.set_offline(False)
        for page in self.context.pages[1:]:
            page.close()
        for page in self.context.pages:
            page.unroute_all()
            with contextlib.suppress(Error):  # of a page that the browser wrote there is none
                page.evaluate("localStorage.clear(); sessionStorage.clear()")
            page.goto(f"http://{self.host}/_stcore/health")  # of the same site: another one is another process
            page.set_viewport_size(SIZE)
            page.emulate_media(color_scheme="light")
            page.mouse.move(0, 0)
            debugger = self.context.new_cdp_session(page)
            debugger.send("Page.resetNavigationHistory")
            debugger.detach()
            self._emptied = page
        self.context.clear_cookies()
        complaints, foreign = self.complaints, self.foreign
        self.complaints, self.foreign, self.watching, self.ways = [], [], True, set()
        assert (foreign, complaints) == ([], []), f"{foreign} {complaints}"

    def _hear_out(self) -> None:
        for page in self.context.pages:
            with contextlib.suppress(Error):
                page.evaluate("0")  # what it has said so far has arrived
        self.watching = False

    def _console(self, kind: str, text: str, address: str) -> None:
        if self.watching and kind in ("error", "warning") and not address.endswith(ALLOWED_404):
            self.complaints.append(f"{kind}: {text} ({address})")

    def _request(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("data", "blob") and parts.netloc not in (self.host, *self.ways):
            self.foreign.append(address)


def context_of(browser: Browser, **options: Any) -> BrowserContext:
    """A person's browser of its own. Motion is drawn by the processor, and dear: it is asked for less of it."""
    return browser.new_context(**{"viewport": SIZE, "reduced_motion": "reduce", **options})


def page_of(context: BrowserContext, beside: Page | None = None) -> Page:
    """A page as patient as all others, in a window of its own; `beside`: the page that opens it."""
    if beside is None:
        page = context.new_page()
    else:
        with beside.expect_popup() as opened:
            beside.evaluate("() => void open()")
        page = opened.value
    page.set_default_timeout(1000 * PATIENCE)
    return page
