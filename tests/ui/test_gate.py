from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit import config

from ui import gate
from ui.gate import Gate, host_allowed, owner_id, refusal

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
    gate.signing_key.cache_clear()
    yield
    gate.signing_key.cache_clear()


def test_headers_are_on_every_answer_once() -> None:
    answer = client().get("/", headers=HOST)
    for name in gate.SECURITY_HEADERS:
        assert len(answer.headers.get_list(name)) == 1, name
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert "x-frame-options" in client().get("/nothing-here", headers=HOST).headers


def test_the_policy_names_the_inline_script_of_streamlits_page_by_hash() -> None:
    assert "'sha256-" in gate.POLICY
    assert "script-src 'self' blob: 'unsafe-inline'" not in gate.POLICY


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "a@localhost", "", "localhost:x"]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    answer = client().get("/", headers={"host": host})
    assert answer.status_code == 403
    assert "server.allowedHosts" in answer.text
    assert "x-frame-options" in answer.headers


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "LOCALHOST"])
def test_this_machine_passes(host: str) -> None:
    assert refusal({"host": host}) == ""


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://localhost:3000", "null", "http://localhost:8501.evil.example", "http://["]
)
def test_a_foreign_origin_is_refused_on_both_planes(origin: str) -> None:
    assert client().get("/", headers={**HOST, "origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect), client().websocket_connect("/live", headers={**HOST, "origin": origin}):
        pass


def test_our_own_origin_passes_on_both_planes() -> None:
    headers = {**HOST, "origin": "http://localhost:8501"}
    assert client().get("/", headers=headers).status_code == 200
    with client().websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text() == ""


def test_allowed_hosts_and_open_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {
        "server.address": "0.0.0.0",
        "server.allowedHosts": ["lab.example", "*.uni.example"],
        "browser.serverAddress": "localhost",
    }
    monkeypatch.setattr(config, "get_option", lambda name: options.get(name, []))
    assert host_allowed("lab.example")
    assert host_allowed("vae.uni.example")
    assert host_allowed("192.0.2.7")  # an address cannot be rebound
    assert not host_allowed("uni.example")
    assert not host_allowed("evil.example")
    options["server.address"] = "127.0.0.1"
    assert not host_allowed("192.0.2.7")


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
    gate.signing_key.cache_clear()
    assert browser.get("/", headers=PAGE).json()["owner"] == owner
    assert (tmp_path / ".signing-key").stat().st_mode & 0o077 == 0


def test_an_owner_id_does_not_tell_the_cookie() -> None:
    assert owner_id("") == ""
    assert "secret" not in owner_id("secret")
    assert owner_id("a") != owner_id("b")


def test_whoever_is_not_admitted_meets_the_gate_on_both_planes() -> None:
    closed = client(admit=lambda scope, owner: False)
    assert closed.get("/", headers=PAGE).status_code == 403
    with pytest.raises(WebSocketDisconnect), closed.websocket_connect("/live", headers=HOST):
        pass


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


def test_the_installed_streamlit_still_has_that_switch() -> None:
    root = Path(streamlit.__file__).parent
    routes = (root / "web/server/starlette/starlette_routes.py").read_text()
    assert '"blockErrorDialogs"' in routes
    assert "/host-config" in routes
