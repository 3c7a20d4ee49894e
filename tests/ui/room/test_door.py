"""Who comes in, with which code, and what a wrong one, a forged cookie or a strange form comes to."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from ui.gate import Gate
from ui.room import door, guesses, identity, moving, settings
from ui.room.guesses import Guesses
from ui.room.moving import Tickets
from ui.runs import owners
from vae import runs

CLASS, TEACHER = "green table", "seven quiet owls"
HOST = "192.0.2.1:8501"
PAGE = {"host": HOST, "accept": "text/html,*/*"}
OWN = {**PAGE, "origin": f"http://{HOST}"}
Give = Callable[..., None]


async def inside(request: Request) -> Response:
    return JSONResponse({"owner": request.state.owner, "teacher": identity.is_granted("teacher", request.cookies)})


async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("inside")
    await socket.close()


def visitor(address: str = "192.0.2.50", scheme: str = "http", app: Starlette | None = None) -> TestClient:
    """A browser of its own on the network; on the same server with `app`."""
    made = app or server()
    return TestClient(made, base_url=f"{scheme}://{HOST}", client=(address, 50_000), follow_redirects=False)


def server() -> Starlette:
    routes = [
        *(Route(path, inside) for path in ("/", "/train", "/runs/a/preview", "/_stcore/health", "/lab/", "/lab/train")),
        Route("/runs/a/encode/0", inside, methods=["POST"]),
        WebSocketRoute("/live", live),
        WebSocketRoute("/_stcore/stream", live),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Gate)])


def enter(browser: TestClient, code: str, address: str = "/train?run=a&part=test", **headers: str) -> Any:
    """Opens a page, which gives a cookie, and sends the form on it."""
    browser.get(address, headers=PAGE)
    return browser.post(address, data={"code": code}, headers={**OWN, **headers})


def is_in(browser: TestClient) -> bool:
    return bool(browser.get("/runs/a/preview", headers={"host": HOST}).status_code == 200)


@pytest.fixture(autouse=True)
def no_tickets(monkeypatch: pytest.MonkeyPatch) -> Tickets:
    made = Tickets()
    monkeypatch.setattr(door, "tickets", lambda: made)
    return made


def test_without_a_code_nothing_is_asked(given: Give) -> None:
    given()
    assert is_in(visitor())
    assert "owner" in visitor().get("/train", headers=PAGE).json()


def test_a_visitor_without_the_code_gets_one_page_with_one_field_and_nothing_else(given: Give) -> None:
    given(class_code=CLASS, teacher_code=TEACHER)
    browser = visitor()
    page = browser.get("/train?run=a", headers=PAGE)
    assert page.status_code == 200
    assert len(re.findall("<input", page.text)) == 1
    assert "<script" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert CLASS not in page.text
    for path in ("/runs/a/preview", "/train", "/nothing"):
        answer = browser.get(path, headers={"host": HOST})
        assert (answer.status_code, "code of the class" in answer.text) == (403, True)
    assert browser.post("/runs/a/encode/0", content=b"x", headers={"host": HOST}).status_code == 403
    for path in ("/live", "/_stcore/stream"):
        with (
            pytest.raises(WebSocketDisconnect),
            browser.websocket_connect(path, headers={"host": HOST, "origin": f"http://{HOST}"}),
        ):
            pass
    assert browser.get("/_stcore/health", headers={"host": HOST}).status_code == 200


def test_the_right_code_leads_to_what_was_asked_for_and_is_asked_once(given: Give) -> None:
    given(class_code=CLASS)
    browser = visitor()
    answer = enter(browser, f"  {CLASS} ")
    assert (answer.status_code, answer.headers["location"]) == (303, "?run=a&part=test")
    assert CLASS not in str(answer.headers)
    assert is_in(browser)
    assert browser.get("/train", headers=PAGE).json()["teacher"] is False
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"host": HOST, "origin": f"http://{HOST}", "cookie": cookies}
    with browser.websocket_connect("/live", headers=headers) as socket:
        assert socket.receive_text() == "inside"
    assert not is_in(visitor())
    restarted = visitor()
    restarted.cookies = browser.cookies
    assert is_in(restarted)


@pytest.mark.parametrize(
    ("base", "address", "back"),
    [("", "/", "./"), ("", "/train", "./train"), ("lab", "/lab/train", "./train"), ("lab", "/lab/door?x", "./"),
     ("lab", "/lab/train?run=a%20b", "?run=a%20b"), ("", "//evil.example/train", "./train")],
)  # fmt: skip
def test_the_way_back_never_leaves_the_server(
    base: str, address: str, back: str, given: Give, options: dict[str, Any]
) -> None:
    given(class_code=CLASS)
    options["server.baseUrlPath"] = base
    browser = visitor()
    browser.get(f"/{base}".rstrip("/") + "/door", headers=PAGE)
    answer = browser.post(f"http://{HOST}{address}", data={"code": CLASS}, headers=OWN)
    assert answer.headers["location"] == back


def test_a_changed_code_asks_again_and_a_grant_is_worth_nothing_elsewhere(given: Give, folder: Path) -> None:
    given(class_code=CLASS)
    browser, other = visitor(), visitor()
    enter(browser, CLASS)
    given(class_code="blue table")
    assert not is_in(browser)
    given(class_code=CLASS)
    assert is_in(browser)
    other.get("/", headers=PAGE)
    for name, value in browser.cookies.items():
        if name.endswith("_class"):
            other.cookies.set(name, value)  # with another identity
    assert not is_in(other)
    identity.signing_key.cache_clear()
    (folder / ".signing-key").unlink()
    assert not is_in(browser)


def test_whoever_sits_at_a_server_of_this_machine_alone_is_not_asked(given: Give) -> None:
    local = {"host": "localhost:8501"}
    for shared, code in ((False, 200), (True, 403)):
        given(shared, class_code=CLASS)
        assert visitor("127.0.0.1").get("/runs/a/preview", headers=local).status_code == code
    given(False, class_code=CLASS)
    forwarded = {**local, "x-forwarded-for": "198.51.100.7"}
    assert visitor("127.0.0.1").get("/runs/a/preview", headers=forwarded).status_code == 403


def test_the_teachers_code_gives_rights_at_the_door_and_later(given: Give) -> None:
    given(class_code=CLASS, teacher_code=TEACHER)
    at_once, later = visitor(), visitor()
    enter(at_once, TEACHER)
    assert at_once.get("/", headers=PAGE).json()["teacher"]
    enter(later, CLASS)
    assert not later.get("/", headers=PAGE).json()["teacher"]
    form = later.get("/door", headers=PAGE)
    assert "Enter a code" in form.text
    assert later.post("/door", data={"code": TEACHER}, headers=OWN).headers["location"] == "./"
    assert later.get("/", headers=PAGE).json()["teacher"]
    given(class_code=CLASS, teacher_code="another one of these")
    assert not later.get("/", headers=PAGE).json()["teacher"]
    assert is_in(later)
    assert not is_in(at_once)


@pytest.mark.parametrize("code", ["", "green", CLASS.upper(), CLASS + "\0", "é" * 50, "\ud800", "' or 1=1", "x" * 3000])
def test_a_wrong_code_is_told_and_never_repeated(code: str, given: Give, caplog: pytest.LogCaptureFixture) -> None:
    given(class_code=CLASS)
    browser = visitor()
    browser.get("/", headers=PAGE)
    body = "code=" + "".join(f"%{byte:02x}" for byte in code.encode(errors="surrogatepass"))
    answer = browser.post("/", content=body, headers={**OWN, "content-type": door.FORM})
    assert answer.status_code == 403
    assert "not known here" in answer.text
    assert not is_in(browser)
    if len(code) > 3:
        assert code not in answer.text
        assert code not in caplog.text


def test_a_form_from_another_site_or_from_none_is_refused(given: Give) -> None:
    given(class_code=CLASS)
    for origin in ("http://evil.example", "null", "http://192.0.2.1"):
        browser = visitor()
        browser.get("/", headers=PAGE)
        assert enter(browser, CLASS, origin=origin).status_code == 403
        assert not is_in(browser)
    browser = visitor()
    browser.get("/", headers=PAGE)
    assert browser.post("/", data={"code": CLASS}, headers=PAGE).status_code == 403
    assert not is_in(browser)


def test_a_browser_without_cookies_is_told_so(given: Give) -> None:
    given(class_code=CLASS)
    browser = visitor()
    answer = browser.post("/train", data={"code": CLASS}, headers=OWN)
    assert answer.status_code == 400
    assert "allow cookies for this site" in answer.text
    assert "HttpOnly" in answer.headers["set-cookie"]


def test_cookies_are_secure_over_https_and_stay_below_the_base_path(given: Give, options: dict[str, Any]) -> None:
    given(class_code=CLASS)
    options["server.baseUrlPath"] = "lab"
    browser = visitor(scheme="https")
    browser.get("/lab/", headers=PAGE)
    answer = browser.post("/lab/", data={"code": CLASS}, headers={**OWN, "origin": f"https://{HOST}"})
    assert answer.status_code == 303
    for cookie in answer.headers.get_list("set-cookie"):
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/lab"} <= set(cookie.split("; "))


def test_a_students_typos_hold_up_that_student_alone(given: Give) -> None:
    """A class of thirty behind one address; most mistype the code now and then."""
    given(class_code=CLASS)
    app = server()
    hasty, *others = (visitor(app=app) for _ in range(31))
    answers = [enter(hasty, "wrong").status_code for _ in range(guesses.BROWSER + 30)]
    assert answers == [403] * guesses.BROWSER + [429] * 30
    assert enter(hasty, CLASS).status_code == 429  # else the limit would be none
    for other in others:
        assert [enter(other, code).status_code for code in ("gren table", "green tabel", CLASS)] == [403, 403, 303]


def test_wrong_codes_are_limited_by_address_and_in_all(given: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes a new browser for each guess is held up by the address."""
    monkeypatch.setattr(guesses, "EACH", 20)
    given(class_code=CLASS)
    app = server()
    answers = [enter(visitor(app=app), "wrong").status_code for _ in range(guesses.EACH + 1)]
    assert answers == [403] * guesses.EACH + [429]
    assert enter(visitor(app=app), CLASS).status_code == 429
    assert enter(visitor("192.0.2.51", app=app), CLASS).status_code == 303


def test_a_browser_waits_longer_with_every_wrong_code() -> None:
    now = [0.0]
    made, waits = Guesses(lambda: now[0]), []
    for _ in range(guesses.BROWSER + 12):
        waits.append(made.wait("192.0.2.1", "one"))
        now[0] += waits[-1]
        assert made.wait("192.0.2.1", "one") == pytest.approx(0, abs=1e-9)
        made.wrong("192.0.2.1", "one")
    grown = waits[guesses.BROWSER :]
    assert waits[: guesses.BROWSER] == [0] * guesses.BROWSER
    assert grown[0] == guesses.FIRST_WAIT
    assert grown == sorted(grown)
    assert grown[4] / grown[3] > 1.9
    assert grown[-1] == guesses.LONGEST_WAIT
    now[0] += 100 * guesses.BROWSER_AGAIN
    made.wrong("192.0.2.1", "one")
    assert made.wait("192.0.2.1", "one") == 0, "an honest browser starts anew another day"


def test_guessing_is_hopeless_whatever_an_attacker_does() -> None:
    """A million browsers at ten thousand addresses, an hour long: at that rate half of the shortest
    codes last for years."""
    now = [0.0]
    made, tried, hour = Guesses(lambda: now[0]), 0, 3_600.0
    while now[0] < hour:
        address, browser = f"192.0.{tried % 40}.{tried % 250}", f"browser {tried}"
        if wait := made.wait(address, browser):
            now[0] += wait
        made.wrong(address, browser)
        tried += 1
    assert tried < guesses.ALL + hour / guesses.ALL_AGAIN + 2
    years = guesses.ALL_AGAIN / (365 * 86_400.0)  # that a guess takes in the long run
    assert 26 ** settings.LEAST["class_code"] / 2 * years > 4
    assert 26 ** settings.LEAST["teacher_code"] / 2 * years > 10_000


def test_a_bucket_fills_again_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "MOST_KEPT", 100)
    monkeypatch.setattr(guesses, "EACH", 20)
    monkeypatch.setattr(guesses, "ALL", 200)
    now = [0.0]
    made = Guesses(lambda: now[0])
    for number in range(guesses.EACH):
        assert made.wait("192.0.2.1", str(number)) == 0
        made.wrong("192.0.2.1", str(number))
    assert made.wait("192.0.2.1", "new") == pytest.approx(guesses.EACH_AGAIN)
    assert made.wait("::ffff:192.0.2.1", "new") == pytest.approx(guesses.EACH_AGAIN)
    assert made.wait("192.0.2.2", "new") == 0
    now[0] += guesses.EACH_AGAIN / 2
    assert made.wait("192.0.2.1", "new") == pytest.approx(guesses.EACH_AGAIN / 2)
    now[0] += guesses.EACH_AGAIN / 2
    assert made.wait("192.0.2.1", "new") == pytest.approx(0)
    for number in range(guesses.EACH):
        made.wrong(f"2001:db8::{number:x}", str(number))
    assert made.wait("2001:db8::ffff", "new") > 0
    assert made.wait("2001:db8:0:1::1", "new") == 0
    for number in range(1_000):
        made.wrong(f"address {number}", str(number))
    assert len(made._taken) <= guesses.MOST_KEPT
    assert made.wait("nobody", "new") > 0  # all together


def test_strange_cookies_and_forms_let_nobody_in(given: Give, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie that is altered is another browser's or nobody's; what was altered is printed."""
    given(class_code=CLASS, teacher_code=TEACHER)
    app = server()
    browser = visitor(app=app)
    enter(browser, TEACHER)
    good = dict(browser.cookies)
    draw = random.Random(7)
    letters = string.ascii_letters + string.digits + '._-=;,"\\% \t\xe4'

    def noise(most: int) -> str:
        return "".join(draw.choice(letters) for _ in range(draw.randrange(most)))

    stranger, at_the_door = visitor(app=app), door.Door()
    for number in range(4_000):
        cookies = dict(good)
        name = draw.choice(list(cookies))
        place = draw.randrange(len(cookies[name]))
        altered = cookies[name][:place] + draw.choice(letters) + cookies[name][place + 1 :]
        cookies[name] = draw.choice([altered, noise(200), cookies[name][:place], ""])
        header = "; ".join(f"{key}={value}" for key, value in cookies.items())
        read = cookie_parser(header)
        admitted = at_the_door.admits(read, False)
        assert admitted == all(read.get(key) == value for key, value in good.items()), header
        if number % 100 == 0:
            headers = {"host": HOST, "cookie": header.encode("latin-1")}
            assert (stranger.get("/runs/a/preview", headers=headers).status_code == 200) == admitted, header
    monkeypatch.setattr(Guesses, "wait", lambda self, address, visitor: 0.0)
    fields = ["code", "leave", "x", ""]
    identity_alone = next(name for name in good if "_teacher" not in name)
    for _ in range(300):
        body = "&".join(f"{draw.choice(fields)}{draw.choice('=: %')}{noise(60)}" for _ in range(draw.randrange(12)))
        headers = {**OWN, "content-type": door.FORM, "cookie": f"{identity_alone}={good[identity_alone]}"}
        answer = stranger.post("/train", content=body.encode("latin-1"), headers=headers)
        assert answer.status_code in (303, 403), body
        granted = [cookie for cookie in answer.headers.get_list("set-cookie") if "Max-Age=0" not in cookie]
        assert granted == []


def test_an_identity_is_handed_over_once(given: Give, no_tickets: Tickets, folder: Path) -> None:
    given(class_code=CLASS, teacher_code=TEACHER)
    app = server()
    office, hall, thief = (visitor(f"192.0.2.{n}", app=app) for n in (50, 51, 52))
    enter(office, TEACHER)
    enter(hall, CLASS)
    mine = office.get("/", headers=PAGE).json()["owner"]
    before = hall.get("/", headers=PAGE).json()["owner"]
    assert mine != before
    for name, owner in (("lecture", mine), ("there", before), ("others", "f" * 24)):
        path = folder / name
        path.mkdir(parents=True)
        (path / "config.json").write_text("{}")
        owners.record_owner(path, owner, 1000)
    code = no_tickets.issue(identity.visitor_id(dict(office.cookies)), ("teacher",))
    assert enter(hall, code.lower().replace(" ", "-"), "/door").status_code == 303
    assert hall.get("/", headers=PAGE).json() == {"owner": mine, "teacher": True}
    assert office.get("/", headers=PAGE).json()["owner"] == mine, "the first browser keeps what it had"
    assert [owners.recorded_owner(folder / name) for name in ("lecture", "there", "others")] == [mine, mine, "f" * 24]
    assert owners.reserved_disk(folder / "there") == 1000
    assert enter(thief, code).status_code == 403
    assert not is_in(thief)
    assert hall.post("/door", data={"leave": "1"}, headers=OWN).status_code == 303
    assert not is_in(hall)
    assert is_in(office)
    assert [path.name for path in runs.list_runs()] != []


def test_a_code_for_moving_ends_by_use_by_time_and_by_a_newer_one() -> None:
    now = [0.0]
    made = Tickets(lambda: now[0])
    code = made.issue("ada", ("class",))
    assert re.fullmatch(f"[{moving.LETTERS}]{{4}} [{moving.LETTERS}]{{4}}", code)
    assert not set(moving.LETTERS) & set("0O1IL5S8B2")
    assert made.redeem("AAAA AAAA") is None
    ticket = made.redeem(f" {code} ")
    assert ticket is not None
    assert (ticket.visitor, ticket.grants) == ("ada", ("class",))
    assert made.redeem(code) is None
    first, second = made.issue("ada"), made.issue("ada")
    assert made.redeem(first) is None
    now[0] = moving.LASTS
    assert made.redeem(second) is None
    codes = [made.issue(f"visitor {number}") for number in range(moving.MOST + 1)]
    assert (codes[-1], len(set(codes))) == ("", moving.MOST + 1)


def test_the_door_opens_in_a_frame_of_a_named_site(given: Give) -> None:
    given(class_code=CLASS)
    app = Starlette(routes=[Route("/", inside)], middleware=[Middleware(Gate, ancestors=("https://course.example",))])
    browser = visitor(scheme="https", app=app)
    framed = {**PAGE, "sec-fetch-dest": "iframe"}
    first = browser.get("/", headers={**framed, "sec-fetch-site": "cross-site"})
    second = browser.post(
        "/", data={"code": CLASS}, headers={**framed, "sec-fetch-site": "same-origin", "origin": f"https://{HOST}"}
    )
    for answer in (first, second):
        assert {"SameSite=None", "Secure", "Partitioned"} <= set(answer.headers["set-cookie"].split("; "))
