from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.errors import StreamlitInvalidLayoutContextError
from streamlit.testing.v1 import AppTest

from ui.runs import owners
from vae import runs


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def choose(app: AppTest, run: str, option: str) -> AppTest:
    return app.menu_button(key=f"menu-{run}").click(option).run()


def test_cold_and_empty_it_invites_to_train(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert [b.label for b in app.button] == ["Train your first VAE"]
    assert "Press the button" in html(app)


def test_the_button_leads_to_the_form(app: AppTest) -> None:
    app.run().button(key="train-new").click().run()
    assert not app.exception
    assert app.button(key="start").label == "Start training"


def test_a_card_tells_the_numbers_of_the_newest_held_out_record(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("alpha", state="finished")
    page = html(app.run())
    assert "alpha" in page
    assert "digits · d = 2 · gaussian, C = 36.2 (fitted)" in page
    assert "−12.5 <small>nats</small>" in page
    assert "4.2 <small>nats</small>" in page
    assert 'data-state="finished"' in page


def test_a_damaged_run_is_listed_with_a_sentence(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("sound")
    (make_run("broken") / "config.json").write_text("{")
    page = html(app.run())
    assert not app.exception
    assert "config.json cannot be read" in page
    assert "sound" in page
    assert app.menu_button(key="menu-broken").options == ["Delete"]


def test_names_and_messages_are_shown_literally(app: AppTest, runs_folder: Path, make_run: Callable[..., Path]) -> None:
    path = make_run("x")
    text = (
        (path / "config.json")
        .read_text()
        .replace('"name": "digits"', '"name": "<img src=http://evil/x> ![a](http://evil/y)"')
    )
    runs.save_checked(path, {"config.json": text.encode()})
    page = html(app.run())
    assert "<img" not in page.replace('<img class="er', "")
    assert "&lt;img src=http://evil/x&gt; ![a](http://evil/y)" in page


def test_delete_and_undo(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("gone")
    choose(app.run(), "gone", "Delete")
    assert not path.exists()
    assert "Deleted gone" in html(app)
    app.button(key="undo-delete").click().run()
    assert path.is_dir()
    assert "Deleted gone" not in html(app)


def test_rename(app: AppTest, make_run: Callable[..., Path]) -> None:
    path = make_run("before")
    choose(app.run(), "before", "Rename")
    app.text_input(key="rename-to").set_value("after all")
    app.button(key="rename-confirm").click().run()
    assert not app.exception
    assert not path.exists()
    assert (path.parent / "after-all").is_dir()


def test_renaming_to_a_taken_name_says_so(app: AppTest, make_run: Callable[..., Path]) -> None:
    make_run("taken")
    path = make_run("before")
    choose(app.run(), "before", "Rename")
    app.text_input(key="rename-to").set_value("taken")
    app.button(key="rename-confirm").click().run()
    assert path.is_dir()
    assert "exists already" in html(app)


def test_another_browsers_run_and_a_demo_can_only_be_taken_away(
    app: AppTest, make_run: Callable[..., Path], browser_of: Callable[[str], str]
) -> None:
    owners.record_owner(make_run("theirs"), browser_of("alice"))
    owners.record_owner(make_run("mine"), browser_of("bob"))
    runs.mark_as_shipped(make_run("demo-digits"))
    app.run()
    options = {menu.proto.id.rsplit("menu-", 1)[-1]: menu.options for menu in app.get("menu_button")}
    assert options == {
        "theirs": ["Take away"],
        "mine": ["Take away", "Rename", "Delete"],
        "demo-digits": ["Take away"],
    }


def test_an_ownerless_run_is_renamed_and_deleted_on_this_machine_only(
    app: AppTest, make_run: Callable[..., Path], sit: Callable[[bool], None]
) -> None:
    path = make_run("run")
    app.run()
    assert len(app.get("menu_button")) == 1
    sit(False)
    choose(app, "run", "Delete")  # from a menu that is no longer offered
    assert path.is_dir()
    assert app.menu_button(key="menu-run").options == ["Take away"]


def test_a_menu_that_was_open_while_the_run_changed_hands_deletes_nothing(
    app: AppTest, make_run: Callable[..., Path], browser_of: Callable[[str], str]
) -> None:
    path = make_run("run")
    owner = browser_of("alice")
    owners.record_owner(path, owner)
    app.run()
    browser_of("bob")
    choose(app, "run", "Delete")
    assert path.is_dir()


def test_with_many_runs_one_can_search_and_sort(app: AppTest, make_run: Callable[..., Path]) -> None:
    for number in range(8):
        make_run(f"run-{number}", latent_dim=number + 1)
    app.run()
    app.text_input(key="search").set_value("d = 3").run()
    page = html(app)
    assert "run-2" in page
    assert "run-4" not in page
    app.text_input(key="search").set_value("nothing like it").run()
    assert "No run matches" in html(app)


def test_a_run_at_work_comes_first(app: AppTest, make_run: Callable[..., Path]) -> None:
    at_work = make_run("early", state="queued")
    make_run("late")
    page = html(app.run())
    assert page.index("early") < page.index("late")
    assert runs.read_status(at_work).state == "queued"
    assert "waiting for its turn" in page


def test_a_card_whose_page_was_broken_off_has_it_drawn_anew(
    app: AppTest, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit forgets where fragments may write when a run of the page begins, and that run may end before them."""
    path = make_run("at-work", state="queued")
    app.run()  # what the page imports keeps its fragments
    page: dict[str, Any] = {}
    monkeypatch.setattr(st, "fragment", lambda **_: lambda function: page.setdefault(function.__name__, function))
    app.run()
    drawn: list[bool] = []
    monkeypatch.setattr(st, "rerun", lambda: drawn.append(True))

    class Forgotten:
        def html(self, text: str) -> None:
            raise StreamlitInvalidLayoutContextError(text)

    page["follow"]({path: (Forgotten(), "", "queued")})
    assert drawn == [True]
