from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.web.server.starlette import starlette_routes

from ui import gate, manner
from ui.gate import Gate
from ui.room import identity
from ui.room.identity import owner_id

HOST = {"host": "localhost:8501"}
PAGE = {**HOST, "accept": "text/html"}


async def who(request: Request) -> Response:
    return JSONResponse({"owner": request.state.owner}, headers={"x-content-type-options": "nosniff"})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(socket.state.owner)
    await socket.close()


async def host_config(request: Request) -> Response:
    return JSONResponse({"metricsUrl": "", "blockErrorDialogs": False}, headers={"cache-control": "no-cache"})


def client(**options: object) -> TestClient:
    routes = [Route("/", who), WebSocketRoute("/live", echo), Route("/lab/_stcore/host-config", host_config)]
    return TestClient(
        Starlette(routes=routes, middleware=[Middleware(Gate, **options)]), base_url="http://localhost:8501"
    )


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    identity.signing_key.cache_clear()
    yield
    identity.signing_key.cache_clear()


def test_headers_are_on_every_answer_once() -> None:
    answer = client().get("/", headers=HOST)
    for name in gate.security_headers():
        assert len(answer.headers.get_list(name)) == 1, name
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert "x-frame-options" in client().get("/nothing-here", headers=HOST).headers


def test_only_where_a_browser_trusts_the_address_is_it_told_who_may_open_a_page() -> None:
    plain, trusted = PAGE, {**PAGE, "sec-fetch-site": "none"}
    answers = [client().get("/", headers=headers).headers for headers in (plain, trusted)]
    assert [answer.get("cross-origin-opener-policy") for answer in answers] == [None, "same-origin"]
    assert all("x-frame-options" in answer for answer in answers)


def test_the_policy_names_the_inline_script_of_streamlits_page_by_hash() -> None:
    assert "'sha256-" in gate.POLICY
    assert "script-src 'self' blob: 'unsafe-inline'" not in gate.POLICY


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "a@localhost",
        "",
        "localhost:x",
        "[::1]b",
        "a[::1]",
    ],
)
def test_a_foreign_host_is_refused(host: str) -> None:
    answer = client().get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "server.allowedHosts" in answer.text
    assert "x-frame-options" in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "null",
        "http://localhost:8501.evil.example",
        "http://[",
        "http://localhost:x",
        "http://\u2488.example",
        "",
    ],
)
def test_a_foreign_origin_is_refused_on_both_planes(origin: str) -> None:
    answer = client().get("/", headers={**HOST, "origin": origin.encode()})
    assert answer.status_code == 403
    assert answer.text.startswith("Origin '")
    assert answer.text.endswith(".")
    assert answer.headers["x-frame-options"] == "DENY"
    with (
        pytest.raises(WebSocketDisconnect),
        client().websocket_connect("/live", headers={**HOST, "origin": origin.encode()}),
    ):
        pass


def test_our_own_origin_passes_on_both_planes() -> None:
    headers = {**HOST, "origin": "http://localhost:8501"}
    assert client().get("/", headers=headers).status_code == 200
    with client().websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text() == ""


def test_a_browser_keeps_its_identity_and_nobody_can_invent_one() -> None:
    browser = client()
    first = browser.get("/", headers=PAGE)
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    owner = browser.get("/", headers=PAGE).json()["owner"]
    assert owner
    assert "set-cookie" not in browser.get("/", headers=PAGE).headers
    with client().websocket_connect("/live", headers={**HOST, "cookie": cookie.split(";")[0]}) as socket:
        assert socket.receive_text() == owner
    name, value = cookie.split(";")[0].split("=", 1)
    for forged in (
        "someone." + value.split(".")[1],
        value[:-1] + ("0" if value[-1] != "0" else "1"),
        "someone",
        ".",
        "ä.ö",
    ):
        answer = client().get("/", headers={**HOST, "cookie": f"{name}={forged}".encode()})
        assert answer.json()["owner"] == ""


def test_data_requests_get_no_cookie() -> None:
    assert "set-cookie" not in client().get("/", headers=HOST).headers


def test_the_identity_survives_a_restart(tmp_path: Path) -> None:
    browser = client()
    browser.get("/", headers=PAGE)
    owner = browser.get("/", headers=PAGE).json()["owner"]
    identity.signing_key.cache_clear()
    assert browser.get("/", headers=PAGE).json()["owner"] == owner
    assert (tmp_path / ".signing-key").stat().st_mode & 0o077 == 0


def test_an_owner_id_does_not_tell_the_cookie() -> None:
    assert owner_id("") == ""
    assert "secret" not in owner_id("secret")
    assert owner_id("a") != owner_id("b")


def test_an_unwritable_folder_still_gives_identities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path / "file" / "runs"))
    browser = client()
    browser.get("/", headers=PAGE)
    assert browser.get("/", headers=PAGE).json()["owner"]


def test_plain_text_never_becomes_a_page() -> None:
    async def text(request: Request) -> Response:
        return PlainTextResponse("<b>")

    app = Starlette(routes=[Route("/", text)], middleware=[Middleware(Gate)])
    assert TestClient(app, base_url="http://localhost").get("/").headers["x-content-type-options"] == "nosniff"


def test_streamlit_is_told_to_put_no_dialog_over_the_page() -> None:
    answer = client().get("/lab/_stcore/host-config", headers=HOST)
    assert answer.json() == {"metricsUrl": "", "blockErrorDialogs": True}
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["cache-control"] == "no-cache"
    assert "x-frame-options" in answer.headers
    missing = client().get("/_stcore/host-config", headers=HOST)
    assert (missing.status_code, missing.text) == (404, "Not Found")
    assert client().get("/lab/_stcore/host-config", headers={"host": "evil.example"}).status_code == 403


def test_a_page_comes_in_the_manner_that_its_address_asks_for() -> None:
    """Nothing that is to be hidden is seen before the component that hides it is there."""

    async def page(request: Request) -> Response:
        return HTMLResponse('<html lang="en"><head></head><body>')

    asked = TestClient(
        Starlette(routes=[Route("/explore", page)], middleware=[Middleware(Gate)]), base_url="http://localhost:8501"
    )
    usual = asked.get("/explore?run=a&controls=none&show=999", headers=PAGE).text
    assert usual == '<html lang="en"><head></head><body>'
    answer = asked.get("/explore?run=a&controls=hidden&show=140", headers=PAGE)
    opening = '<html data-er-room style="font-size: 140%" data-er-controls="hidden" lang="en"><head><style>'
    assert answer.text.startswith(opening)
    assert 'html[data-er-controls="hidden"]' in answer.text.partition("</style></head>")[0]
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "<html>" not in asked.get('/explore?controls="><html>', headers=PAGE).text


def test_the_manners_are_those_that_the_browser_knows() -> None:
    source = (Path(manner.__file__).parent / "static/show/manner.js").read_text()
    (sizes,) = re.findall(r"SIZES = \[(.*?)\]", source)
    assert tuple(sizes.split(", ")) == manner.SIZES
    (kinds,) = re.findall(r"CONTROLS = \{(.*?)\n\}", source, re.DOTALL)
    assert tuple(re.findall(r"^  (\w+):", kinds, re.MULTILINE)) == manner.CONTROLS
    page = (Path(streamlit.__file__).parent / "static/index.html").read_text()
    assert page.count("<html") == page.count("</head>") == 1


def test_the_installed_streamlit_still_has_that_switch() -> None:
    root = Path(streamlit.__file__).parent
    routes = (root / "web/server/starlette/starlette_routes.py").read_text()
    assert '"blockErrorDialogs"' in routes
    assert "/host-config" in routes


def test_a_refused_page_load_is_answered_by_a_page_that_names_the_setting() -> None:
    answer = client().get("/", headers={**PAGE, "host": "<b>.example"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "server.allowedHosts" in answer.text
    assert "&lt;b&gt;.example" in answer.text
    assert "<b>" not in answer.text
    assert "set-cookie" not in answer.headers
    assert "server.corsAllowedOrigins" in client().get("/", headers={**PAGE, "origin": "http://lab.example"}).text


def test_a_page_beside_the_base_path_says_where_the_pages_are(options: dict[str, object]) -> None:
    options["server.baseUrlPath"] = "lab"
    for path in ("/", "/train", "/labyrinth"):
        answer = client().get(path, headers=PAGE)
        assert answer.status_code == 404
        assert "below /lab/, as server.baseUrlPath says" in answer.text
    assert client().get("/lab/_stcore/host-config", headers=PAGE).status_code == 200


def test_the_terminal_says_why_a_live_connection_was_refused(caplog: pytest.LogCaptureFixture) -> None:
    browser = client()
    for number in (1, 1, *range(50)):
        headers = {**HOST, "origin": f"http://evil{number}.example"}
        with pytest.raises(WebSocketDisconnect), browser.websocket_connect("/live", headers=headers):
            pass
    assert "http://evil1.example" in caplog.messages[0]
    assert "server.corsAllowedOrigins" in caplog.messages[0]
    assert len(caplog.messages) == len(set(caplog.messages)) == gate.REASONS_LOGGED


def test_an_allowed_origin_passes_on_both_planes(options: dict[str, object]) -> None:
    options["server.corsAllowedOrigins"] = ["http://lab.example"]
    headers = {**HOST, "origin": "http://lab.example"}
    assert client().get("/", headers=headers).status_code == 200
    with client().websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text() == ""


def test_nobody_frames_the_app_unless_they_are_named() -> None:
    headers = client(ancestors=("https://course.example", "https://*.uni.example:8443")).get("/", headers=HOST).headers
    assert "; frame-ancestors https://course.example https://*.uni.example:8443" in headers["content-security-policy"]
    assert "x-frame-options" not in headers


FRAMED = {**PAGE, "sec-fetch-dest": "iframe", "sec-fetch-site": "cross-site"}


def test_a_framed_page_gets_a_cookie_that_browsers_keep_there() -> None:
    assert "SameSite=Lax" in client().get("/", headers=FRAMED).headers["set-cookie"]  # no frame: none is shown
    course = ("https://course.example",)
    assert {"SameSite=None", "Secure", "Partitioned"} <= set(
        client(ancestors=course).get("/", headers=FRAMED).headers["set-cookie"].split("; ")
    )
    for alone in (PAGE, {**FRAMED, "sec-fetch-site": "same-site"}, {**FRAMED, "sec-fetch-dest": "document"}):
        assert "SameSite=Lax" in client(ancestors=course).get("/", headers=alone).headers["set-cookie"]


def test_the_cookie_stays_below_the_base_path(options: dict[str, object]) -> None:
    assert "; Path=/; " in client().get("/", headers=PAGE).headers["set-cookie"]
    options["server.baseUrlPath"] = "/lab/"
    assert "; Path=/lab; " in client().get("/", headers=PAGE).headers["set-cookie"]


@pytest.mark.parametrize("base", ["", "/lab"])
def test_uploads_are_closed(base: str, options: dict[str, object]) -> None:
    """Behind the gate stands a route that would take them."""
    options["server.baseUrlPath"] = base
    route = Route(f"{base}/_stcore/upload_file/{{session}}/{{file}}", who, methods=["GET", "PUT", "DELETE", "OPTIONS"])
    app = Starlette(routes=[route], middleware=[Middleware(Gate)])
    browser = TestClient(app, base_url="http://localhost")
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = browser.request(method, f"{base}/_stcore/upload_file/a/b")
        assert answer.status_code == 404
        assert "takes uploads" in answer.text
        assert "x-frame-options" in answer.headers


def test_no_page_uses_streamlits_uploads() -> None:
    root = Path(gate.__file__).resolve().parents[1]
    ways = re.compile(r"\b(file_uploader|chat_input|audio_input|camera_input)\b")
    files = [file for name in ("ui", "pages") for file in (root / name).rglob("*.py")]
    assert [file for file in files if ways.search(file.read_text())] == []
    assert starlette_routes.BASE_ROUTE_UPLOAD_FILE == "_stcore/upload_file"


def test_a_redirect_to_this_server_leads_there_wherever_a_proxy_shows_it() -> None:
    async def slash(request: Request) -> Response:
        return RedirectResponse("/train?run=a", 301)

    async def away(request: Request) -> Response:
        return RedirectResponse("https://example.org/", 301)

    routes = [Route("/train/", slash), Route("/away", away), Mount("/lab", routes=[Route("/", who)])]
    browser = TestClient(
        Starlette(routes=routes, middleware=[Middleware(Gate)]), base_url="http://localhost", follow_redirects=False
    )
    for path, shown, target in (
        ("/train/", "http://proxy.example/elbo/train/", "http://proxy.example/elbo/train?run=a"),
        ("/lab", "http://proxy.example/lab", "http://proxy.example/lab/"),
        ("/away", "http://proxy.example/away", "https://example.org/"),
    ):
        assert urljoin(shown, browser.get(path).headers["location"]) == target
