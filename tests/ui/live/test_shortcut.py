"""The way past Streamlit's layers."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from ui.gate import Gate
from ui.live.shortcut import Shortcut

HOST = {"host": "localhost:8501"}


def direct(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"direct {request.path_params['name']}")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("direct")
    await socket.close()


def beyond(_: Request) -> PlainTextResponse:
    return PlainTextResponse("beyond")


@pytest.fixture
def client() -> TestClient:
    routes = [Route("/runs/{name}/decode", direct, methods=["GET"]), WebSocketRoute("/live", echo)]
    below = Starlette(routes=[Mount("/", routes=[Route("/{path:path}", beyond, methods=["GET", "POST"])])])
    app = Starlette(
        routes=[Mount("/", below)],
        middleware=[Middleware(Gate), Middleware(Shortcut, routes=routes)],
    )
    return TestClient(app, base_url="http://localhost:8501")


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [("GET", "/runs/one/decode", "direct one"), ("GET", "/runs/one/decoder", "beyond"),
     ("GET", "/runs/a/b/decode", "beyond"), ("POST", "/runs/one/decode", "beyond"), ("GET", "/", "beyond")],
)  # fmt: skip
def test_what_its_routes_take_is_answered_there_and_all_else_goes_on(
    client: TestClient, method: str, path: str, answer: str
) -> None:
    assert client.request(method, path, headers=HOST).text == answer


def test_the_gate_stands_before_it(client: TestClient) -> None:
    assert client.get("/runs/one/decode", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/runs/one/decode", headers={**HOST, "origin": "http://evil.example"}).status_code == 403
    assert client.get("/runs/one/decode", headers=HOST).headers["x-content-type-options"] == "nosniff"
    with client.websocket_connect("/live", headers=HOST) as socket:
        assert socket.receive_text() == "direct"
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/live", headers={**HOST, "origin": "http://evil.example"}),
    ):
        pass
