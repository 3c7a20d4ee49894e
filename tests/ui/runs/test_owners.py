"""Who sits at this machine, and what it allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from ui import gate, network
from ui.network import from_this_machine
from ui.runs import owners
from vae import runs

HOST = {"host": "localhost:8501"}
FORGED = {network.HERE: "1", network.HERE.upper(): "1"}


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501"])
def test_a_direct_connection_from_this_machine(client: str, host: str) -> None:
    assert from_this_machine(client, {"host": host, "origin": f"http://{host}"})


@pytest.mark.parametrize("client", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "fe80::1%eth0", "testclient", ""])
def test_no_header_makes_a_stranger_local(client: str) -> None:
    for name in ("x-forwarded-for", "x-real-ip", "forwarded", "x-client-ip", network.HERE):
        for value in ("127.0.0.1", "::1", "for=127.0.0.1", "1"):
            assert not from_this_machine(client, {**HOST, name: value})


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"via": "1.1 here"}, {"x-forwarded-host": ""}],
)
def test_what_a_proxy_on_this_machine_passes_on_is_not_local(headers: dict[str, str]) -> None:
    assert not from_this_machine("127.0.0.1", {**HOST, **headers})


def test_a_silent_proxy_is_known_by_the_host_or_by_the_settings(options: dict[str, object]) -> None:
    assert not from_this_machine("127.0.0.1", {"host": "vae.example.org"})
    assert not from_this_machine("127.0.0.1", {})
    for setting in ("server.allowedHosts", "server.corsAllowedOrigins"):
        options[setting] = ["https://localhost:9000" if "cors" in setting else "localhost"]
        assert from_this_machine("127.0.0.1", HOST)
        options[setting] = ["https://vae.example.org" if "cors" in setting else "*.example.org"]
        assert not from_this_machine("127.0.0.1", HOST), "its visitors choose their Host"
        options[setting] = []


@pytest.mark.parametrize(("client", "told"), [("127.0.0.1", "['1']"), ("192.0.2.7", "[]")])
def test_the_gate_alone_says_who_sits_here(
    client: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def page(request: Request) -> Response:
        return PlainTextResponse(str(request.headers.getlist(network.HERE)))

    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(str(socket.headers.getlist(network.HERE)))
        await socket.close()

    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    app = gate.Gate(Starlette(routes=[Route("/", page), WebSocketRoute("/live", live)]))
    visitor = TestClient(app, base_url="http://localhost:8501", client=(client, 50_000))
    assert visitor.get("/", headers={**HOST, **FORGED}).text == told
    with visitor.websocket_connect("/live", headers={**HOST, **FORGED}) as socket:
        assert socket.receive_text() == told


@pytest.mark.parametrize(
    ("recorded", "alice", "bob", "here"),
    [
        ("", False, False, True),  # from the command line
        ("alice", True, False, False),
        ("tab-1", False, False, True),  # of a tab that may be closed by now
        (owners.UNREADABLE, False, False, False),
    ],
)
def test_who_may_change_a_run(
    recorded: str, alice: bool, bob: bool, here: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if recorded == owners.UNREADABLE:
        (tmp_path / "owner.json").write_text("{")
    owners.record_owner(tmp_path, recorded.strip(owners.UNREADABLE))
    assert owners.recorded_owner(tmp_path) == recorded
    monkeypatch.setattr(owners, "at_this_machine", lambda: False)
    assert (owners.may_change(tmp_path, "alice"), owners.may_change(tmp_path, "bob")) == (alice, bob)
    assert owners.may_change(tmp_path, "") is False
    assert owners.may_change(tmp_path, "tab-1") is (recorded == "tab-1")
    assert owners.why_not(recorded) == (owners.ONLY_HERE if here else owners.NOT_YOURS)
    monkeypatch.setattr(owners, "at_this_machine", lambda: True)
    assert owners.may_change(tmp_path, "bob") is here
    runs.mark_as_shipped(tmp_path)
    assert not owners.may_change(tmp_path, "alice")
