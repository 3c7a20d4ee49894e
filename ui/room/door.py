"""The door: one plain page with one field, for the class code, the teacher's, or one that hands an identity over.

It stands in front of Streamlit, at every address of a page that was asked for without a code, and at `/door` for those
inside. Its form goes to the address where it stands, so that a right answer leads to what was asked for.

    GET  /door, or any page without a code   the form
    POST where the form stands               303 back there, with cookies; or the form with a sentence

A code is in the body of a POST alone: never in an address, a log or a page.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, quote

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope

from ui import network
from ui.room.guesses import Guesses
from ui.room.identity import (
    CLASS,
    TEACHER,
    grant_cookie,
    identity_cookie,
    is_granted,
    new_visitor,
    owner_id,
    visitor_id,
)
from ui.room.moving import tickets
from ui.room.settings import is_shared, room, same_code
from ui.runs.owners import hand_over

MOST_BYTES = 4_096  # of a form
FORM = "application/x-www-form-urlencoded"
PATH = "/door"
WRONG = "This code is not known here, or not any more. Look at its letters, large and small, and try again."
NO_COOKIES = (
    "This browser sent no cookie back. The answer to the code is kept in one: allow cookies for this site, then enter "
    "the code once more."
)


@dataclass
class Answer:
    """What the form led to: a sentence, or cookies that the browser gets on its way back in."""

    problem: str = ""
    status: int = 200
    cookies: tuple[str, ...] = ()


class Door:
    """Says who may come in, and answers for the page that asks."""

    def __init__(self) -> None:
        self.guesses = Guesses()

    def admits(self, cookies: Mapping[str, str], here: bool) -> bool:
        """Returns whether a visitor may come in. `here`: sits at the server's own machine."""
        if not room().class_code or (here and not is_shared()):
            return True
        return is_granted(CLASS, cookies) or is_granted(TEACHER, cookies)

    def stands_at(self, scope: Scope, admitted: bool) -> bool:
        """Returns whether a request is the door's own: its address, its form, or a page without a code."""
        if scope["type"] != "http":
            return False
        headers = Headers(scope=scope)
        form = scope["method"] == "POST" and headers.get("content-type", "").partition(";")[0].strip() == FORM
        page = "text/html" in headers.get("accept", "")
        return form or (page and (not admitted or scope.get("path") == network.base_path() + PATH))

    async def answer(self, scope: Scope, receive: Receive, in_frame: bool, admitted: bool) -> Response:
        """Returns the form, or what comes of it."""
        secure = scope["scheme"] == "https"
        visitor = visitor_id(_cookies(scope))
        if scope["method"] != "POST":
            answer = Answer()
        elif not Headers(scope=scope).get("origin"):  # with one, the gate has looked at it
            answer = Answer("The form was not sent from a page of this server: open the page and try again.", 403)
        elif not visitor:
            answer = Answer(NO_COOKIES, 400)
        else:
            answer = await self._enter(Request(scope, receive), visitor, secure, in_frame)
            if not answer.problem:
                return _with(Response(status_code=303, headers={"location": _same_place(scope)}), answer.cookies)
        fresh = () if visitor else (identity_cookie(new_visitor(), secure, in_frame),)
        return _with(HTMLResponse(_page(answer.problem, admitted), answer.status), fresh)

    async def _enter(self, request: Request, visitor: str, secure: bool, in_frame: bool) -> Answer:
        address = request.client.host if request.client else ""
        form = await _form(request)
        if "leave" in form:
            gone = [grant_cookie(kind, "", secure, in_frame) for kind in (CLASS, TEACHER)]
            return Answer(cookies=(identity_cookie("", secure, in_frame), *gone))
        if wait := self.guesses.wait(address, visitor):
            return Answer(
                f"Too many wrong codes came from here. The next one is looked at in {math.ceil(wait)} s.", 429
            )
        text = same_code(form.get("code", ""))
        codes = {CLASS: room().class_code, TEACHER: room().teacher_code}
        grants = [kind for kind, code in codes.items() if _is(text, code)]
        if grants:
            return Answer(cookies=tuple(grant_cookie(kind, visitor, secure, in_frame) for kind in grants))
        if ticket := tickets().redeem(text):
            await anyio.to_thread.run_sync(hand_over, owner_id(visitor), owner_id(ticket.visitor))
            granted = [grant_cookie(kind, ticket.visitor, secure, in_frame) for kind in ticket.grants]
            return Answer(cookies=(identity_cookie(ticket.visitor, secure, in_frame), *granted))
        self.guesses.wrong(address, visitor)
        logging.getLogger("elbo_room").info("A wrong code came from %s.", address)
        return Answer(WRONG, 403)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, each once; {} for one that is too long or cannot be read."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return {}
    except ClientDisconnect:
        return {}
    try:
        read = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return {}
    return {name: values[0] for name, values in read.items()}


def _is(text: str, code: str) -> bool:
    """Whether a text is the code; how long that takes tells nothing of it."""
    one, other = (hashlib.sha256(word.encode(errors="replace")).digest() for word in (text, code))
    return hmac.compare_digest(one, other) and bool(code)


def _cookies(scope: Scope) -> dict[str, str]:
    return cookie_parser(Headers(scope=scope).get("cookie", ""))


def _same_place(scope: Scope) -> str:
    """The way back to the page that was asked for, as its reader's browser sees it; from the door itself to Home."""
    query = scope.get("query_string", b"").decode("latin-1")
    leaf = str(scope.get("path", "")).rpartition("/")[2]
    if scope.get("path") == network.base_path() + PATH:
        return "./"
    return f"?{query}" if query else f"./{quote(leaf)}"


def _with(response: Response, cookies: tuple[str, ...]) -> Response:
    response.headers["cache-control"] = "no-store"
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _page(problem: str, admitted: bool) -> str:
    """The page: works without a script, in light and dark, on a phone; no part of a form comes back in it."""
    lead = "Enter a code" if admitted else "This server asks for the code of the class"
    about = (
        "The teacher’s code gives the teacher’s rights. A code from “Move to another browser” makes this browser the "
        "same visitor as that one: what was trained there can be steered here, and what was trained here goes along."
        if admitted
        else "Your teacher has it. It is asked once for each browser and kept in a cookie; the teacher’s own code and "
        "one from “Move to another browser” are right too."
    )
    leave = (
        '<form method="post"><button name="leave" value="1" class="quiet">Forget this browser</button>'
        "<p>On a machine that others use: its runs stay, and can then be steered by the teacher, or by a browser that "
        "they were moved to before.</p></form>"
        if admitted
        else ""
    )
    alert = f'<p role="alert" id="problem" class="problem">{escape(problem)}</p>' if problem else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<meta name="robots" content="noindex"><link rel="icon" href="data:,"><title>ELBO Room</title><style>'
        ":root{color-scheme:light dark;--ink:#20242c;--paper:#fbfaf6;--line:#e2ddd2;--quiet:#6b6a66;--red:#b3261e}"
        "@media(prefers-color-scheme:dark){:root{--ink:#ece8df;--paper:#15171c;--line:#32363f;--quiet:#a09c93;"
        "--red:#ff8a80}}"
        "body{font:1rem/1.5 system-ui,sans-serif;max-width:30rem;margin:15vh auto;padding:0 1.5rem;"
        "background:var(--paper);color:var(--ink)}h1{font-size:1.6rem;line-height:1.25}"
        "form{display:flex;flex-wrap:wrap;gap:.6rem;margin:1.5rem 0}label{flex-basis:100%}"
        "input,button{font:inherit;color:inherit;padding:.6rem .8rem;border:1px solid var(--line);border-radius:.5rem;"
        "background:transparent}input{flex:1 1 12rem;min-width:0}"
        "button{background:var(--ink);color:var(--paper);border-color:var(--ink);cursor:pointer}"
        "button.quiet{background:transparent;color:inherit;border-color:var(--line)}"
        "p{color:var(--quiet)}.problem{color:var(--red)}</style>"
        f"<h1>{lead}</h1>{alert}"
        '<form method="post"><label for="code">Code</label>'
        '<input id="code" name="code" type="password" autocomplete="off" autocapitalize="none" spellcheck="false" '
        f'maxlength="100" required autofocus{" aria-describedby=problem aria-invalid=true" if problem else ""}>'
        f"<button>Enter</button></form><p>{about}</p>{leave}"
        f"{'<p><a href=./>Back to the app</a></p>' if admitted else ''}"
    )
