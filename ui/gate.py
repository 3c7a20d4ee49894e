"""The one gate in front of pages, data routes and websockets.

It refuses foreign Host and Origin headers (DNS rebinding, other sites' scripts), gives every browser a signed
identity in a cookie, and puts the security headers on every answer. Who may come in is `admit`: everybody, as long
as the server listens on this machine only, which is how it ships.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from vae.files import write_atomically
from vae.runs import runs_root

LOCAL = ("localhost", "127.0.0.1", "::1")
YEAR = 365 * 86_400


def inline_scripts() -> str:
    """The hashes of the scripts in Streamlit's own page, as a Content-Security-Policy names them."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)


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
        "frame-ancestors 'none'",
    ]
)
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def everybody(scope: Scope, owner: str) -> bool:
    """Whether this visitor may enter. The hook for passwords and tokens; `owner` is "" without a valid cookie."""
    return True


def without_dialogs(send: Send) -> Send:
    """Streamlit's answer on how to behave, changed: no dialog over the page when the server goes away. What decodes in
    the page goes on, and the page says so itself."""
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
        try:
            told = json.dumps({**json.loads(body), "blockErrorDialogs": True}).encode()
        except (ValueError, TypeError):
            told = bytes(body)  # no such answer: as it is
        if "content-length" in (answer := MutableHeaders(scope=start)):
            answer["content-length"] = str(len(told))
        await send(start)
        await send({"type": "http.response.body", "body": told})

    return changed


class Gate:
    """ASGI middleware. Sets `scope["state"]["owner"]` for the routes behind it."""

    def __init__(self, app: ASGIApp, admit: Callable[[Scope, str], bool] = everybody) -> None:
        self.app = app
        self.admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        visitor = visitor_id(cookie_parser(headers.get("cookie", "")))
        scope.setdefault("state", {})["owner"] = owner = owner_id(visitor)
        reason = refusal(headers)
        if not reason and not self.admit(scope, owner):
            reason = "This server asks for an invitation."
        if reason and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
            return
        new_visitor = "" if visitor or not _wants_page(headers) else secrets.token_urlsafe(18)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    answer[name] = value  # set, not append: Streamlit sends some of them too
                if "/app/static/" in scope.get("path", ""):
                    answer["cache-control"] = "no-cache"  # modules of two versions must not meet after an update
                if new_visitor and not reason:
                    answer.append("set-cookie", _cookie(new_visitor, secure=scope["scheme"] == "https"))
            await send(message)

        app = PlainTextResponse(reason, status_code=403) if reason else self.app
        own = not reason and scope.get("path", "").endswith("/_stcore/host-config")
        await app(scope, receive, without_dialogs(send_with_headers) if own else send_with_headers)


def refusal(headers: Mapping[str, str]) -> str:
    """Why a request with these headers is refused, in a sentence; "" lets it pass."""
    host = headers.get("host", "")
    if not host_allowed(_hostname(host)):
        return f"Host {host[:80]!r} is not one of this server's names; add it to server.allowedHosts if it should be."
    origin = headers.get("origin")
    if (
        origin is not None
        and urlsplit(origin).netloc != host
        and origin not in config.get_option("server.corsAllowedOrigins")
    ):
        return f"Origin {origin[:80]!r} is another site; open the app in its own tab."
    return ""


def host_allowed(name: str) -> bool:
    """Names of this machine, the configured address, and `server.allowedHosts` (`*.example.org`, `*`)."""
    address = (config.get_option("server.address") or "").lower()
    if name in LOCAL or (name and name in (address, config.get_option("browser.serverAddress").lower())):
        return True
    if address not in LOCAL and _is_ip(name):
        return True  # open to the network: an address, unlike a name, cannot be rebound
    for pattern in config.get_option("server.allowedHosts"):
        pattern = pattern.strip().lower()
        if pattern == "*" or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:])):
            return bool(name)
    return False


def visitor_id(cookies: Mapping[str, str]) -> str:
    """The browser's random id from its cookie, "" if there is none or its signature is wrong."""
    key = signing_key(runs_root())
    visitor, _, signature = cookies.get(cookie_name(key), "").partition(".")
    return visitor if visitor and hmac.compare_digest(signature.encode(), _sign(visitor, key).encode()) else ""


def owner_id(visitor: str) -> str:
    """What is written beside a run: enough to recognise the browser, not enough to pose as it."""
    return hashlib.sha256(f"owner:{visitor}".encode()).hexdigest()[:24] if visitor else ""


def cookie_name(key: bytes) -> str:
    """Ports of one host share cookies: two servers with different keys must not overwrite each other's."""
    return "elbo_room_" + hashlib.sha256(b"name:" + key).hexdigest()[:8]


@functools.cache
def signing_key(root: Path) -> bytes:
    """Kept beside the runs, so that a restarted server knows its visitors again; in memory where that fails."""
    file = root / ".signing-key"
    try:
        key = file.read_bytes()
        if len(key) == 32:
            return key
    except OSError:
        pass
    key = secrets.token_bytes(32)
    try:
        root.mkdir(parents=True, exist_ok=True)
        write_atomically(file, key)
        file.chmod(0o600)
    except OSError:
        pass  # a read-only folder: visitors are new after a restart
    return key


def _sign(visitor: str, key: bytes) -> str:
    return hmac.new(key, visitor.encode(), hashlib.sha256).hexdigest()


def _cookie(visitor: str, secure: bool) -> str:
    key = signing_key(runs_root())
    parts = [
        f"{cookie_name(key)}={visitor}.{_sign(visitor, key)}",
        "Path=/",
        f"Max-Age={YEAR}",
        "HttpOnly",
        "SameSite=Lax",
    ]
    return "; ".join([*parts, "Secure"] if secure else parts)


def _wants_page(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("accept", "")


def _hostname(host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return ""
    plain = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    return (parts.hostname or "").lower().rstrip(".") if plain else ""


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
