"""A shared server as its visitors see it: names, the teacher's rights, limits; and that every change of a run asks."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from tests.pages.conftest import ROOT, RememberingEngine
from tests.pages.page_contract import page_opens
from ui.room import disk, identity, menu, moving, people
from ui.room import settings as room_settings
from ui.runs import actions, owners
from ui.terms import jobs
from ui.train import controls
from vae import runs

HOME, TRAIN, TERMS = (ROOT / "pages" / f"{page}.py" for page in ("home", "train", "terms"))
Shared = Callable[..., None]
RUDE = "*A* <img src=x> $x$"


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def keys(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button if not button.disabled}


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server is open to its network, with these settings of [room]."""
    options: dict[str, object] = {"server.address": "0.0.0.0", "secrets.files": []}
    real = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: options[name] if name in options else real(name))

    def share(**settings: object) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(room_settings.PREFIX + name.upper(), str(value))
        room_settings.room.cache_clear()

    monkeypatch.setattr(menu, "visitor_id", lambda cookies: "")
    share()
    yield share
    room_settings.room.cache_clear()


@pytest.fixture
def teach(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Has this browser given the teacher's code, or not."""
    return lambda yes: monkeypatch.setattr(owners, "is_granted", lambda kind, cookies: yes)


@pytest.fixture
def theirs(
    app: AppTest, make_run: Callable[..., Path], browser_of: Callable[[str], str], sit: Callable[[bool], None]
) -> Path:
    """A run of another browser that trains, or so its status says; this one is Bob's, on the network."""
    path = make_run("theirs", "queued")
    owners.record_owner(path, browser_of("alice"))
    browser_of("bob")
    sit(False)
    return path


def files_of(*paths: Path) -> dict[Path, bytes]:
    found = [file for path in paths for file in path.rglob("*") if file.is_file() and file.name != "lock"]
    return {file: file.read_bytes() for file in found}


def test_at_localhost_there_is_no_menu(app: AppTest) -> None:
    app.run()
    assert "room-name" not in {field.key for field in app.text_input}
    assert "Enter a code" not in html(app)


def test_a_name_stands_beside_ones_runs_for_everybody_and_literally(
    app: AppTest, shared: Shared, theirs: Path, make_run: Callable[..., Path], browser_of: Callable[[str], str]
) -> None:
    owners.record_owner(make_run("mine"), browser_of("bob"))
    app.run()
    app.text_input(key="room-name").set_value(f"  {RUDE} ").run()
    assert people.name_of(browser_of("bob")) == RUDE
    assert "by *A* &lt;img src=x&gt; $x$ (you)" in html(app)
    browser_of("alice")
    other = page_opens(AppTest.from_file(app._script_path, default_timeout=120), TRAIN, run="mine")
    assert "by *A* &lt;img src=x&gt; $x$" in html(other)
    assert "(you)" not in html(other)
    assert "*A*" not in "".join(element.value for element in [*other.markdown, *other.caption])
    browser_of("bob")
    app.text_input(key="room-name").set_value("").run()
    assert "*A*" not in html(app)


def test_moving_gives_a_code_for_this_very_visitor(
    app: AppTest, shared: Shared, browser_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = moving.Tickets()
    monkeypatch.setattr(menu, "tickets", lambda: made)
    monkeypatch.setattr(menu, "visitor_id", lambda cookies: "")
    app.run()
    assert "keeps no cookies" in html(app)
    assert "room-move" not in keys(app)
    monkeypatch.setattr(menu, "visitor_id", lambda cookies: "bob")
    monkeypatch.setattr(menu, "is_granted", lambda kind, cookies: kind == identity.TEACHER)
    app.run()
    app.button(key="room-move").click().run()
    ticket = made.redeem(app.code[0].value)
    assert ticket is not None
    assert (ticket.visitor, ticket.grants) == ("bob", (identity.TEACHER,))


def test_the_teacher_may_steer_stop_rename_and_delete_every_run_but_those_that_ship(
    app: AppTest, shared: Shared, theirs: Path, make_run: Callable[..., Path], teach: Callable[[bool], None],
    engine: RememberingEngine,
) -> None:  # fmt: skip
    ended, demo = make_run("ended"), make_run("demo")
    owners.record_owner(ended, "f" * 24)
    runs.mark_as_shipped(demo)
    page_opens(app, TRAIN, run="theirs")
    assert "stop" not in keys(app)
    teach(True)
    app.run()
    app.button(key="stop").click().run()
    assert engine.stopped == [theirs]
    assert "by visitor" in html(app)
    home = page_opens(AppTest.from_file(app._script_path, default_timeout=120), HOME)
    assert "by visitor ffff" in html(home)
    offered = {one.proto.id.rsplit("menu-", 1)[-1]: list(one.proto.options) for one in home.get("menu_button")}
    assert offered == {"theirs": ["Take away"], "demo": ["Take away"], "ended": ["Take away", "Rename", "Delete"]}
    home.button(key="room-stop-all").click().run()
    assert "1 train or wait" in html(home)
    home.button(key="room-stop-confirm").click().run()
    assert engine.stopped == [theirs, theirs]
    actions._attempt(demo, lambda: runs.delete_run(demo))
    assert demo.is_dir()
    teach(False)
    menu.stop_all()
    menu._empty_trash()
    assert len(engine.stopped) == 2


def test_a_stranger_changes_nothing_whatever_its_browser_sends(
    app: AppTest, shared: Shared, theirs: Path, make_run: Callable[..., Path], engine: RememberingEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Each press on a button comes to nothing, on those that are disabled too: that they are is for honest browsers."""
    monkeypatch.setattr(Button, "_assert_can_interact", lambda self: None)
    ended = make_run("ended")
    owners.record_owner(ended, "f" * 24)
    before = files_of(theirs, ended)
    for run, page in ((theirs, TRAIN), (ended, TRAIN), (theirs, HOME), (theirs, TERMS)):
        page_opens(app, page, **({"run": run.name} if page == TRAIN else {}))
        for key in sorted({str(button.key) for button in app.button} - {"start", "start-sweep", "train-new"}):
            page_opens(app, page, **({"run": run.name} if page == TRAIN else {}))
            if key in {button.key for button in app.button}:
                app.button(key=key).click().run()
                assert not app.exception
    jobs._stop([theirs.name])
    controls.stop(theirs)
    controls.resume(ended, runs.read_config(ended)[0])
    controls.train_on(ended, runs.read_config(ended)[0])
    assert files_of(theirs, ended) == before
    assert engine.submitted == engine.stopped == []


def test_a_start_beyond_a_limit_is_refused_with_its_numbers_and_leaves_nothing(
    app: AppTest, shared: Shared, theirs: Path, engine: RememberingEngine, browser_of: Callable[[str], str],
    runs_folder: Path, make_run: Callable[..., Path],
) -> None:  # fmt: skip
    shared(runs_per_person=1, epochs_per_run=900)
    page_opens(app, TRAIN)
    app.button(key="start").click().run()
    assert len(engine.submitted) == 1
    made = engine.submitted[0][0]
    runs.write_status(made, runs.Status(state="queued"))
    assert runs.read_file(made, "owner.json", owners.OWNER)["disk"] > 1e4
    del app.query_params["run"]
    app.run()
    app.button(key="start").click().run()
    assert "At most 1 run of a person may train or wait" in html(app)
    assert len(engine.submitted) == 1
    assert {path.name for path in runs.list_runs(runs_folder)} == {"theirs", made.name}
    page_opens(app, TERMS)
    app.button(key="new-sweep").click().run()
    app.button(key="start-sweep").click().run()
    assert "1 of yours do, and 8 more were asked for" in html(app)
    assert len(engine.submitted) == 1
    ended = make_run("ended", "finished", epochs=600)
    owners.record_owner(ended, browser_of("bob"))
    runs.write_status(made, runs.Status(state="stopped"))
    page_opens(app, TRAIN, run="ended")
    app.button(key="train-on").click().run()
    assert "at most 900 on this server, got 1,200" in html(app)
    brought = make_run("brought", "stopped", epochs=90_000)
    owners.record_owner(brought, browser_of("bob"))
    page_opens(app, TRAIN, run="brought")
    app.button(key="continue").click().run()
    assert "at most 900 on this server, got 90,000" in html(app)
    assert len(engine.submitted) == 1


def test_a_full_folder_is_told_on_home_and_beside_the_button(
    app: AppTest, shared: Shared, make_run: Callable[..., Path], engine: RememberingEngine, monkeypatch: Any
) -> None:
    shared(disk_in_all=0.001)
    (make_run("large", "training") / "log.txt").write_bytes(b"x" * 900_000)
    monkeypatch.setattr("ui.room.limits.usage", lambda fresh=False: disk.usage(fresh=True))
    app.run()
    assert "of 1 MB (9" in html(app)
    (make_run("larger") / "log.txt").write_bytes(b"x" * 900_000)
    assert "Nothing new starts until something is deleted" in html(app.run())
    page_opens(app, TRAIN)
    assert "Nothing new starts until something is deleted" in html(app)
    app.button(key="start").click().run()
    assert "All visitors together may take 1 MB of this server&#x27;s disk: they take 1.8 MB" in html(app)
    assert engine.submitted == []
    page_opens(app, TRAIN, run="large")
    assert "what trains or waits has its room and goes on" in html(app)


def test_home_says_what_is_kept_for_how_long(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("run")
    assert "what was deleted is kept for a day" in html(app.run())


def test_others_see_no_more_of_an_error_than_that_there_was_one(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_options: dict[str, object] = {}
    monkeypatch.setattr(config, "set_option", set_options.__setitem__)
    room_settings.configure_streamlit()
    real = config.get_option
    monkeypatch.setattr(config, "get_option", lambda name: set_options[name] if name in set_options else real(name))
    file = tmp_path / "page.py"
    file.write_text("raise RuntimeError('/secret/place')")
    (shown,) = AppTest.from_file(str(file), default_timeout=120).run().exception
    assert "secret" not in str(shown.proto)
    assert "page.py" not in str(shown.proto)
    assert "RuntimeError" not in str(shown.proto)


CHANGES = {  # what changes a run, or has one made
    "change_knobs", "rename_run", "delete_run", "restore_run", "empty_trash", "change_marks", "stop_diagnosis",
    "stop_fit", "create_run", "create", "add_runs", "wrap", "submit", "stop", "write_status", "replace_config",
}  # fmt: skip
ASKS = {
    "may_change",
    "may_steer",
    "may_end",
    "may_stop",
    "_may_stop",
    "_attempt",
    "place_for",
    "check_disk",
    "is_teacher",
    "mine",
}
ELSEWHERE = {  # asked by whoever calls these
    ("ui/server.py", "start"): "the trash of yesterday, as the server starts",
    ("ui/room/disk.py", "_look"): "the trash of yesterday",
    ("ui/terms/jobs.py", "begin"): "`_add` and the form of a sweep hold a place first",
    ("ui/own/model.py", "_open"): "`panel` holds a place first",
    ("ui/own/bundle.py", "_forget_work"): "a visitor's own look at a file",
    ("ui/own/draft.py", "look_at"): "a visitor's own work on pictures",
    ("ui/own/draft.py", "start_over"): "a visitor's own work on pictures",
    ("ui/binary/job.py", "own_job"): "a visitor's own measurement",
}


def names_in(node: ast.AST, kind: type) -> set[str]:
    found = set()
    for one in ast.walk(node):
        if kind is ast.Call and not isinstance(one, ast.Call):
            continue
        target = one.func if isinstance(one, ast.Call) else one
        if isinstance(target, ast.Name):
            found.add(target.id)
        elif isinstance(target, ast.Attribute):
            found.add(target.attr)
    return found


def test_every_place_that_changes_a_run_asks_whether_it_may() -> None:
    places: dict[tuple[str, str], set[str]] = {}
    for file in [*sorted((ROOT / "ui").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py"))]:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and names_in(node, ast.Call) & CHANGES:
                places[(str(file.relative_to(ROOT)), node.name)] = names_in(node, ast.AST)
    assert {("ui/train/controls.py", "change"), ("ui/runs/actions.py", "_renamed"), ("ui/train/summary.py", "start"),
            ("ui/terms/jobs.py", "_stop"), ("ui/suspects/marks.py", "mark")} <= places.keys()  # fmt: skip
    unasked = [place for place, names in places.items() if place not in ELSEWHERE and not names & ASKS]
    assert unasked == []
    assert ELSEWHERE.keys() <= places.keys()


def test_no_route_changes_a_run() -> None:
    """Pages alone do; the routes that take something in compute, or keep a visitor's own drop under its secret."""
    import app

    taking = {
        (route.path, method)
        for route in app.app._user_routes
        for method in getattr(route, "methods", None) or ["WEBSOCKET"]
        if method not in ("GET", "HEAD")
    }
    assert taking == {
        ("/live", "WEBSOCKET"), ("/runs/{name}/encode/{sha}", "POST"),
        ("/own/drop/{token}", "PUT"), ("/own/drop/{token}", "DELETE"),
    }  # fmt: skip
