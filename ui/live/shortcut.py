"""ASGI middleware, right behind the gate: what open pages ask for many times a second goes to its route at once.

Streamlit's own layers (sessions, packing, its table of addresses) take longer than a slider's picture, and the routes
given to this need none of them. Whatever these do not take goes on as it came.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class Shortcut:
    """routes: those that are answered here; what they send is sent as it is."""

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self.app, self.routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            for route in self.routes:
                match, more = route.matches(scope)
                if match is Match.FULL:
                    scope.update(more)
                    await route.handle(scope, receive, send)
                    return
        await self.app(scope, receive, send)
