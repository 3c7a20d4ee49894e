"""The one gate in front of pages, data routes and websockets.

It refuses foreign Host and Origin headers (DNS rebinding, other sites' scripts; `ui/network.py` says which are), gives
every browser a signed identity in a cookie (`ui.room.identity`), and puts the security headers on every answer. Who may
come in is for the door to say (`ui.room.door`): everybody, unless a class code is set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

import streamlit
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui import network
from ui.manner import FIELDS, page_with_manner
from ui.network import HERE
from ui.room.door import Door
from ui.room.identity import identity_cookie, new_visitor, owner_id, visitor_id

REASONS_LOGGED = 20  # to the terminal
ASKS = "This server asks for the code of the class: open its page and enter it."


def inline_scripts() -> str:
    """Returns the hashes of the scripts in Streamlit's own page, as a Content-Security-Policy names them."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)


POLICY_HEADER, OPENER_HEADER = "content-security-policy", "cross-origin-opener-policy"
# Streamlit's components are modules at blob: addresses, its styles are inline; nothing needs another host.
POLICY = "; ".join(
    [
        "default-src 'self'",
        f"script-src 'self' blob: 'wasm-unsafe-eval' {inline_scripts()}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    ]
)


def security_headers(ancestors: Sequence[str] = ()) -> dict[str, str]:
    """Returns what goes onto every answer; `ancestors` are the sites that may show the app in a frame."""
    framing = " ".join(ancestors) or "'none'"
    headers = {
        POLICY_HEADER: f"{POLICY}; frame-ancestors {framing}",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        OPENER_HEADER: "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
    if not ancestors:  # this older header can name no sites
        headers["x-frame-options"] = "DENY"
    return headers


def without_dialogs(body: bytes) -> bytes:
    """Returns Streamlit's answer on how to behave, changed: no dialog over the page when the server goes away. What
    decodes in the page goes on, and the page says so itself."""
    try:
        return json.dumps({**json.loads(body), "blockErrorDialogs": True}).encode()
    except (ValueError, TypeError):
        return body  # no such answer: as it is


def changed_by(change: Callable[[bytes], bytes], send: Send) -> Send:
    """Returns a way to send an answer whose whole body is changed before."""
    start: Message = {}
    body = bytearray()

    async def changed(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body.extend(message.get("body", b""))
        if message.get("more_body"):
            return
        answer_body = change(bytes(body))
        if "content-length" in (answer := MutableHeaders(scope=start)):
            answer["content-length"] = str(len(answer_body))
        await send(start)
        await send({"type": "http.response.body", "body": answer_body})

    return changed


class Gate:
    """ASGI middleware. Sets `scope["state"]["owner"]` for the routes behind it, and the header `HERE` for pages, which
    see nothing of a request but its headers.

    ancestors: the sites that may show the app in a frame.
    """

    def __init__(self, app: ASGIApp, ancestors: Sequence[str] = ()) -> None:
        self.app = app
        self.door = Door()
        self.framed = bool(ancestors)
        self.headers = [(name.encode(), value.encode()) for name, value in security_headers(ancestors).items()]
        self.logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        cookies = cookie_parser(headers.get("cookie", ""))
        visitor = visitor_id(cookies)
        scope.setdefault("state", {})["owner"] = owner_id(visitor)
        here = network.from_this_machine((scope.get("client") or ("",))[0], headers)
        others = [(name, value) for name, value in scope["headers"] if name.lower() != HERE.encode()]
        scope["headers"] = [*others, *([(HERE.encode(), b"1")] if here else [])]
        path, page, base = scope.get("path", ""), _wants_page(headers), network.base_path()
        reason = network.refusal(headers)
        admitted = self.door.admits(cookies, here)
        at_door = not reason and self.door.stands_at(scope, admitted)
        if not (reason or admitted or at_door or path == f"{base}/_stcore/health"):  # which says "ok" and no more
            reason = ASKS
        if reason and scope["type"] == "websocket":
            self._log(reason)
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
        newcomer = "" if visitor or reason or at_door or not page else new_visitor()
        in_frame = self.framed and _in_frame(headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._with_ours(list(message.get("headers", ())))
                answer = MutableHeaders(scope=message)
                if page and not _trusted(headers):
                    del answer[OPENER_HEADER]
                if "location" in answer:
                    answer["location"] = network.relative_location(path, answer["location"], headers.get("host", ""))
                if newcomer:
                    secure = scope["scheme"] == "https"
                    answer.append("set-cookie", identity_cookie(newcomer, secure, in_frame))
            await send(message)

        app = self.app
        if reason:
            app = _refused(reason, 403, page)
        elif page and path != base and not path.startswith(f"{base}/"):
            app = _refused(f"The pages of this server are below {base}/, as server.baseUrlPath says.", 404, page)
        elif at_door:
            app = await self.door.answer(scope, receive, in_frame, admitted)
        elif path.startswith(f"{base}/_stcore/upload_file"):
            app = UPLOADS_CLOSED
        if not reason and path.endswith("/_stcore/host-config"):
            await app(scope, receive, changed_by(without_dialogs, send_with_headers))
        elif page and app is self.app and (asked := _manner(scope)):
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            await app(scope, receive, changed_by(lambda html: page_with_manner(html, asked), send_with_headers))
        else:
            await app(scope, receive, send_with_headers)

    def _with_ours(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """An answer's headers with the security headers in the place of those of these names, which Streamlit sends
        too; a route's own stricter policy stays."""
        policy = POLICY_HEADER.encode()
        stays = {name for name, value in headers if name.lower() == policy and value.startswith(b"sandbox")}
        ours = [pair for pair in self.headers if not (stays and pair[0] == policy)]
        names = {name for name, _ in ours}
        return [*(pair for pair in headers if pair[0].lower() not in names), *ours]

    def _log(self, reason: str) -> None:
        """A page whose websocket is refused only waits: the terminal says why. Each reason once, and few of them."""
        if reason not in self.logged and len(self.logged) < REASONS_LOGGED:
            self.logged.add(reason)
            logging.getLogger("elbo_room").warning("A live connection was refused. %s", reason)


# Streamlit's own way in for files would hold in memory whatever anybody sends.
UPLOADS_CLOSED = PlainTextResponse("No page of this app takes uploads here.", 404)


def _refused(reason: str, status: int, page: bool) -> Response:
    """The reason, as a page for a person and as plain text for all else."""
    if not page:
        return PlainTextResponse(reason, status)
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>ELBO Room</title><style>:root{color-scheme:light dark}"
        "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1.5rem}"
        "code{white-space:nowrap}</style>"
        f"<h1>No page here</h1><p>{escape(reason)}</p>"
        "<p>Settings go onto the command line (<code>--server.allowedHosts …</code>) or into "
        "<code>.streamlit/config.toml</code>; README.md, “Behind a proxy”, has examples.</p>",
        status,
    )


def _trusted(headers: Mapping[str, str]) -> bool:
    """Whether the browser takes the page's address for trustworthy: over https, and on its own machine. It says so by
    this header; elsewhere it ignores who may open the page, and complains in the console of being told."""
    return "sec-fetch-site" in headers


def _in_frame(headers: Mapping[str, str]) -> bool:
    """Whether this page load goes into another site's frame, or its form came from there. Only at a trusted address do
    browsers say so, as they keep Secure cookies there only."""
    site = headers.get("sec-fetch-site")
    return headers.get("sec-fetch-dest") == "iframe" and (site == "cross-site" or "origin" in headers)


def _manner(scope: Scope) -> dict[str, str]:
    """What the address says of how the page is to be shown."""
    given = QueryParams(scope.get("query_string", b""))
    return {name: given[name] for name in FIELDS if name in given}


def _wants_page(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("accept", "")
