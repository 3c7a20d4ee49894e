"""The app where people put it: below a path, behind proxies, in a frame."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.conftest import Server, rested
from tests.browser.proxy import Proxy
from tests.browser.test_app_browser import curves, start, state
from tests.browser.watched import ALLOWED_404, Watched, context_of, page_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def hiding() -> Iterator[Proxy]:
    """One that hides the Host: its server has to know its origin."""
    made = Proxy("/elbo", rewrite=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def below_a_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below a path, and nothing else said."""
    made = Server(tmp_path_factory.mktemp("below"), STREAMLIT_SERVER_BASE_URL_PATH="elbo")
    yield made
    made.close()


@pytest.fixture(scope="module")
def told_more(hiding: Proxy, course: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below a path, which knows one proxy's origin, and lets one site frame it."""
    options = {
        "STREAMLIT_SERVER_BASE_URL_PATH": "elbo",
        "STREAMLIT_SERVER_CORS_ALLOWED_ORIGINS": hiding.origin,
        "ELBO_ROOM_FRAME_ANCESTORS": course.site,
    }
    made = Server(tmp_path_factory.mktemp("told"), **options)
    yield made
    made.close()


@pytest.fixture(params=["stripping", "keeping", "rewriting"])
def proxied(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Proxy]]:
    """The app behind a proxy that takes the prefix off, one that leaves it, and one that hides the Host too."""
    kind = request.param
    named = {"stripping": "server", "keeping": "below_a_path", "rewriting": "told_more"}
    server = request.getfixturevalue(named[kind])
    proxy = request.getfixturevalue("hiding") if kind == "rewriting" else Proxy("/elbo", strip=kind == "stripping")
    proxy.upstream = server.port
    if kind != "stripping":
        server.empty_runs()
    yield server, proxy
    if kind != "rewriting":
        proxy.close()


class Below(Watched):
    """A window that also notes what is asked beside the prefix, and what is answered by an error."""

    def __init__(self, browser: Browser, proxy: Proxy) -> None:
        super().__init__(context_of(browser), urlsplit(proxy.origin).netloc)
        self.prefix = proxy.prefix
        self.wrong: list[str] = []
        self.context.on("response", self._hear)

    def _hear(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith(ALLOWED_404):
            self.wrong.append(f"{response.status} {response.url}")

    def _request(self, address: str) -> None:
        super()._request(address)
        parts = urlsplit(address)
        if parts.netloc == self.host and not parts.path.startswith(f"{self.prefix}/"):
            self.wrong.append(f"beside the prefix: {address}")

    def close(self) -> None:
        super().close()
        assert self.wrong == []


@pytest.fixture
def below(proxied: tuple[Server, Proxy], chromium: Browser) -> Iterator[Below]:
    """Closed however the test ends: a page whose server has gone asks for it without end."""
    made = Below(chromium, proxied[1])
    yield made
    made.close()


def picture(page: Page, name: str) -> bool:
    """Whether the thumbnail of a card is an image that the browser could read: not one that newer weights replaced."""
    address = page.locator(f".st-key-run-card-{name} .er-thumb i").first.evaluate(
        "tile => getComputedStyle(tile).backgroundImage.slice(5, -2)"
    )
    script = """src => {
      const image = new Image();
      image.src = src;
      return image.decode().then(() => image.width > 0, () => false);
    }"""
    return bool(page.evaluate(script, address))


def test_every_page_works_behind_a_proxy_and_charts_move(
    proxied: tuple[Server, Proxy], below: Below, eventually: Callable[..., None]
) -> None:
    server, proxy = proxied
    page = below.page()
    page.goto(f"{proxy.url}/")
    page.get_by_role("button", name="Train your first VAE").click()
    page.wait_for_url(f"{proxy.url}/train")
    name = start(page, SimpleNamespace(url=proxy.url, runs=server.runs), 50)
    state(page, "training")
    eventually(lambda: curves(page)["step"] >= 100)
    seen = curves(page)["step"]
    eventually(lambda: curves(page)["step"] > seen)  # the chart moves
    if not proxy.rewrite:
        page.goto(f"{proxy.url}/train/?run={name}")  # a deep link, and a redirect
        page.wait_for_url(f"{proxy.url}/train?run={name}")
        eventually(lambda: curves(page)["step"] > seen)
    page.get_by_role("button", name="Stop", exact=True).click()  # newer weights would answer 404 for older ones
    state(page, "stopped")
    if proxy.rewrite:  # the addresses are those of the proxy before: what the Host changes has been asked
        return
    page.get_by_role("link", name="Home").first.click()
    page.wait_for_url(f"{proxy.url}/")
    eventually(lambda: picture(page, name))
    page.locator(f".st-key-run-card-{name}").get_by_role("link", name="Open").click()
    page.wait_for_url(f"{proxy.url}/train?run={name}")
    page.get_by_role("link", name="Explore").first.click()
    expect(page.get_by_role("slider").first).to_be_visible()
    rested(page)
    page.get_by_role("link", name="Map", exact=True).first.click()
    eventually(lambda: page.locator(".stage").evaluate("stage => stage.stats?.first > 0"))


@pytest.fixture(scope="module")
def course() -> Iterator[SimpleNamespace]:
    """A course page with a frame in it, on another site than localhost: `shows` is what its frame holds."""
    page = SimpleNamespace(shows="")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{page.shows}" width="1200" height="800"></iframe>'.encode())

        def log_message(self, *_: object) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    page.site = f"http://127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    yield page
    web.shutdown()
    web.server_close()
    thread.join(10)


def test_only_a_named_site_frames_the_app_and_who_starts_a_run_there_is_its_owner(
    course: SimpleNamespace, told_more: Server, chromium: Browser
) -> None:
    server = told_more
    server.empty_runs()
    course.shows = f"{server.url}/train"
    context = context_of(chromium)
    try:
        page = page_of(context)
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(course.site.replace("127.0.0.1", "localhost"))  # the same page at another origin
        page.goto(course.site)
        frame = page.frame_locator("iframe")
        frame.get_by_role("button", name="Start training").click(timeout=120_000)
        expect(frame.locator(".status .state").first).to_have_text("training", timeout=120_000)
        (owner,) = server.runs.glob("*/owner.json")  # written only for a browser that kept its cookie
        assert json.loads(owner.read_text())["owner"]
    finally:
        context.close()
        server.settle()
