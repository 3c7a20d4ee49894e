"""Who a visitor is: a random id in a signed, HttpOnly cookie. What a code granted it stands in two more.

    elbo_room_1a2b3c4d           id.signature
    elbo_room_1a2b3c4d_class     the class code was right: a signature of the code with the id
    elbo_room_1a2b3c4d_teacher   the same of the teacher's

A grant is worth nothing with another id, with another code, or on another server. Nothing of it is kept here but the
key, so a restarted server knows its visitors again.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path

from ui import network
from ui.room.settings import room
from vae.files import write_atomically
from vae.runs import runs_root

YEAR = 365 * 86_400
CLASS, TEACHER = "class", "teacher"


def new_visitor() -> str:
    """Returns an id that nobody has."""
    return secrets.token_urlsafe(18)


def visitor_id(cookies: Mapping[str, str]) -> str:
    """Returns the browser's random id from its cookie, "" if there is none or its signature is wrong."""
    key = signing_key(runs_root())
    visitor, _, signature = cookies.get(cookie_name(key), "").partition(".")
    return visitor if visitor and _same(signature, _sign(visitor, key)) else ""


def owner_id(visitor: str) -> str:
    """Returns what is written beside a run: enough to recognise the browser, not enough to pose as it."""
    return hashlib.sha256(f"owner:{visitor}".encode()).hexdigest()[:24] if visitor else ""


def is_granted(kind: str, cookies: Mapping[str, str]) -> bool:
    """Returns whether this browser has given the code of the class or the teacher, as the code is now."""
    if not (code := _code(kind)):
        return False
    key, visitor = signing_key(runs_root()), visitor_id(cookies)
    granted = cookies.get(f"{cookie_name(key)}_{kind}", "")
    return bool(visitor and granted) and _same(granted, _grant(kind, code, visitor, key))


@functools.lru_cache(8)
def cookie_name(key: bytes) -> str:
    """Ports of one host share cookies: two servers with different keys must not overwrite each other's."""
    return "elbo_room_" + hashlib.sha256(b"name:" + key).hexdigest()[:8]


def identity_cookie(visitor: str, secure: bool, in_frame: bool) -> str:
    """Returns the Set-Cookie that makes a browser this visitor; with "" that which makes it forget who it was."""
    key = signing_key(runs_root())
    value = f"{visitor}.{_sign(visitor, key)}" if visitor else ""
    return _cookie(cookie_name(key), value, secure, in_frame)


def grant_cookie(kind: str, visitor: str, secure: bool, in_frame: bool) -> str:
    """Returns the Set-Cookie that keeps what a code granted to a visitor; with "" that which takes it back."""
    key = signing_key(runs_root())
    value = _grant(kind, _code(kind), visitor, key) if visitor else ""
    return _cookie(f"{cookie_name(key)}_{kind}", value, secure, in_frame)


@functools.cache
def signing_key(root: Path) -> bytes:
    """Returns the key, which is kept beside the runs, so that a restarted server knows its visitors again; in memory
    where that fails."""
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


def _code(kind: str) -> str:
    return room().class_code if kind == CLASS else room().teacher_code


def _grant(kind: str, code: str, visitor: str, key: bytes) -> str:
    return _sign("\0".join((kind, code, visitor)), key)


def _sign(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _cookie(name: str, value: str, secure: bool, in_frame: bool) -> str:
    """In a frame on another site a browser keeps only a Secure cookie with SameSite=None; Partitioned: one for each
    site that frames the app, which browsers keep that block the cookies of other sites."""
    parts = [
        f"{name}={value}",
        f"Path={network.base_path() or '/'}",
        f"Max-Age={YEAR if value else 0}",
        "HttpOnly",
        *(["SameSite=None", "Partitioned"] if in_frame else ["SameSite=Lax"]),
    ]
    return "; ".join([*parts, "Secure"] if secure or in_frame else parts)
