"""Targets: what an address, a header, a cookie, a message, a form or a list of rows says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser

from tests.damage import fuzz_inputs as inputs
from tests.damage.fuzz_target import DEMO, Refused, Target, lines
from ui import gate, network
from ui.components.explore import FAR, read_z, z_fault
from ui.converter.questions import FIELDS
from ui.live import live
from ui.live.decoder import read_numbers, read_seed
from ui.map.view import methods_for
from ui.map.view import read_view as read_map_view
from ui.room import identity
from ui.room.door import Door
from ui.suspects.view import read_view as read_suspects_view
from vae import runs
from vae.config import Config, parse_lr_schedule, parse_rows
from vae.diagnosis.suspects.export import read_without


def text_targets(room: Path) -> Iterable[Target]:
    """What an address, a header, a message or a form says."""
    query = lines(
        "run=demo&method=dims&i=0&j=3&colour=rate&part=test&images=1",
        "z=1.46_-0.3_0.91&mode=traversal&dim=2",
        "part=train&kind=exact&sort=copies&order=flipped&k=10&label=3&page=2&second=mnist",
        "z=0.5,-1.2&seed=7&first=0&count=100",
        "likelihood=mse&reduction=mean&height=28&width=28&k=20&batch_size=128&range=unit&data_sd=0.3&C=1&code=",
    )

    def address(data: bytes) -> None:
        values = dict(QueryParams(data.decode(errors="replace")))
        for k, support in ((1, "real"), (2, "real"), (10, "real"), (8, "binary")):
            view, refused = read_map_view(values, k, support)
            assert view.method in methods_for(k, support)
            assert 0 <= view.i < k
            assert 0 <= view.j < k
            assert set(refused) <= set(values)
            z, fault = read_z(values.get("z", ""), k, support), z_fault(values.get("z", ""), k, support)
            assert not (z and fault)
            assert z is None or (len(z) == k and all(abs(one) <= FAR for one in z))
        view, refused = read_suspects_view(values, ("train", "test"), "elbo", str.isalnum)
        assert view.page >= 1
        assert view.label >= -1
        assert set(refused) <= set(values)
        assert read_suspects_view(view.to_query(), ("train", "test"), "elbo", str.isalnum)[1] == []
        for name, field in FIELDS.items():
            if name in values and (value := field.read(values[name])) is not None:
                assert field.write(field.read(field.write(value))) == field.write(value), name
        for read in (lambda: read_numbers(values.get("z", "")), lambda: read_seed(values.get("seed"))):
            with contextlib.suppress(ValueError):  # as they say
                read()

    yield Target("query", query, inputs.as_text, address, 6)

    root = room / "names"
    (root / "demo").mkdir(parents=True)
    (root / "demo/config.json").write_text("{}")

    def name(data: bytes) -> None:
        text = data.decode(errors="surrogatepass")
        clean = runs.clean_name(text)
        assert 1 <= len(clean) <= 60
        assert runs.clean_name(clean) == clean
        assert clean[0] not in ".-"
        assert not set(clean) & set("/\\\0:")
        assert runs.run_path(text, root) == root / "demo"

    def surrogates(data: bytes) -> object:
        try:
            return name(data)
        except UnicodeDecodeError:
            raise Refused("no text") from None

    yield Target("run names", lines("demo", "my run 2", "CON", "../demo", "-rf"), inputs.as_text, surrogates)

    def message(data: bytes) -> None:
        found = live.read_message(data.decode(errors="surrogateescape"))
        assert found is None or isinstance(found, (dict, list, str, int, float, bool))
        if found is None:
            raise Refused("no JSON")

    told = lines('{"watch": "demo", "offset": 12, "file": "1-2"}', '{"unwatch": "demo"}')
    yield Target("live messages", told, inputs.as_json, message)
    shutil.copytree(DEMO, room / "runs/demo", ignore=shutil.ignore_patterns("moments"))
    told = lines(
        '{"watch": "demo", "offset": 12, "file": "1-2"}\n{"unwatch": "demo"}', '{"watch": "demo"}\n{"watch": "no"}',
        '{"unwatch": "demo"}\n{"watch": "demo", "offset": 0, "file": null}\n{}',
    )  # fmt: skip
    yield Target("live connection", told, inputs.as_lines(inputs.as_json), one_tab, 30)
    forms = lines("code=green+table", "code=%C3%A9&leave=", "leave=1", "code=a&code=b&x=1;y=2")
    yield Target("form of codes", forms, inputs.as_text, at_the_door, 6)
    yield Target("gate", GATE, inputs.as_text, through_the_gate, 8)

    rows = (
        b'part,row,note\ntrain,3,"=x"\ntest,4,\n',
        b'{"images": [{"part": "train", "row": 3}]}',
        b"train 3,5-9; test 17",
    )

    def without(data: bytes) -> None:
        number = data[0] % 3
        if number == 2:
            parse_rows(data[1:].decode(errors="replace"))
            return
        file = room / ("rows.csv" if number == 0 else "rows.json")
        file.write_bytes(data[1:])
        parse_rows(read_without(str(file)))

    def mutate(random: Any, seeds: Any) -> bytes:
        number = random.randrange(3)
        return bytes([number]) + bytes((inputs.as_text, inputs.as_json, inputs.as_text)[number](random, [rows[number]]))

    yield Target("rows left out", tuple(bytes([number]) + one for number, one in enumerate(rows)), mutate, without, 3)

    def schedule(data: bytes) -> None:
        parse_lr_schedule(data.decode(errors="replace"))

    yield Target("schedule", lines("constant", "cosine", "steps:200=0.63,350=0.5"), inputs.as_text, schedule)
    settings = json.loads((DEMO / "config.json").read_bytes())["config"]

    def form(data: bytes) -> None:
        from vae.checked_json import fields, parse

        Config.from_json(fields()(parse(data)))

    yield Target("settings", (json.dumps(settings).encode(), b'{"C": 1, "hidden": [5]}'), inputs.as_json, form, 2)


class Tab:
    """The socket of a tab that sends these messages and goes."""

    headers: ClassVar[dict[str, str]] = {"host": "localhost"}

    def __init__(self, messages: list[bytes]) -> None:
        self.messages, self.sent = messages, list[str]()

    async def accept(self) -> None: ...

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        if not self.messages:
            return {"type": "websocket.disconnect"}
        data = self.messages.pop(0)
        try:
            return {"type": "websocket.receive", "text": data.decode()}
        except UnicodeDecodeError:
            return {"type": "websocket.receive", "bytes": data}

    async def send_text(self, text: str) -> None:
        self.sent.append(text)

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self, code: int, reason: str = "") -> None:
        self.sent.append(json.dumps({"closed": code, "error": reason}))


LOOP = asyncio.new_event_loop()


def one_tab(data: bytes) -> None:
    """Serves one live connection. What is sent is JSON of known kinds."""
    tab = Tab(data.split(b"\n"))
    LOOP.run_until_complete(asyncio.wait_for(live.live(tab), 60))  # type: ignore[arg-type]
    told = [json.loads(text) for text in tab.sent]
    for one in told:
        assert set(one) & {"error", "viewers", "lines", "reset"}, one
    if any("error" in one for one in told):
        raise Refused("a sentence to the tab")


GATE = lines(
    "Host: localhost:8501\nOrigin: http://localhost:8501\nAccept: text/html\nCookie: a=b",
    "Host: 127.0.0.1\nAccept: text/html\nX-Forwarded-Host: a.example\nX-Elbo-Room-Here: 1",
    "Host: [::1]:8501\nOrigin: null\nSec-Fetch-Dest: iframe\nSec-Fetch-Site: cross-site\nForwarded: for=1",
    "Host: evil.example\nOrigin: http://[\nCookie: elbo_room_x=a.b; elbo_room_x=c",
)
LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\.?(:\d{0,5})?", re.IGNORECASE | re.ASCII)


def at_the_door(data: bytes) -> None:
    """Sends a form to a door that knows no code: whoever does not leave stays outside."""
    cookie = identity.identity_cookie(identity.new_visitor(), False, False).partition(";")[0]
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"cookie", cookie.encode())]
    scope = {"type": "http", "method": "POST", "path": "/", "scheme": "http", "headers": headers, "client": ("a", 1)}

    async def receive() -> Any:
        return {"type": "http.request", "body": data}

    try:
        Door().answer(scope, receive, False, False).send(None)
        raise AssertionError("the door waits for something")
    except StopIteration as end:
        answer = end.value
    if answer.status_code != 303:
        assert answer.status_code == 403
        raise Refused("403")
    assert b"leave" in data or b"%" in data
    assert not any(b"elbo_room_class" in value and b"Max-Age=0" not in value for _, value in answer.raw_headers)


def through_the_gate(data: bytes) -> None:
    """Sends one request with these headers through the gate. What it lets in is, by another reading of the headers,
    from here; nobody is somebody without a signed cookie."""
    headers = []
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    scope: dict[str, Any] = {
        "type": "http",
        "path": "/",
        "method": "GET",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"location", b"/x")]})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    try:
        gate.Gate(app)(scope, receive, send).send(None)
        raise AssertionError("the gate waits for something")
    except StopIteration:
        pass
    answer = dict(sent[0]["headers"])
    assert answer[b"x-frame-options"] == b"DENY"
    assert b"content-security-policy" in answer
    read = Headers(raw=headers)
    network.origin_for_others(f"http://{read.get('host', '')}/")
    if sent[0]["status"] != 200:
        assert sent[0]["status"] == 403
        assert not seen
        raise Refused("403")
    host, origin = read.get("host", ""), read.get("origin")
    assert LOCAL.fullmatch(host), host
    assert origin is None or origin.lower().rstrip("/") in (f"http://{host}".lower(), f"https://{host}".lower()), origin
    assert scope["state"]["owner"] == "" or identity.visitor_id(cookie_parser(read.get("cookie", "")))
    here = [value for name, value in seen[0]["headers"] if name == network.HERE.encode()]
    assert here in ([], [b"1"])
