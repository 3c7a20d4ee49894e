"""Names that visitors give themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui.room import people
from ui.room.people import call, clean, name_of, names
from ui.runs import owners
from ui.runs.gallery import Card, card_html

RUDE = "<b>*A*</b> $x$ [l](http://evil.example)"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ada", "Ada"),
        ("  Ada \n Lovelace\t", "Ada Lovelace"),
        ("\u202eadA\u2066", "adA"),
        ("A\u0308da\u0000", "\u00c4da"),
        ("x" * 41, "x" * 40),
        ("\u200b\ufeff ", ""),
        ("\U0001f600 " * 1000, ("\U0001f600 " * 20).strip()),
        ("a\ud800b", "a b"),
    ],
)
def test_a_name_is_what_can_be_seen(given: str, kept: str) -> None:
    assert clean(given) == kept
    assert clean(kept) == kept


def test_names_are_kept_changed_and_taken_back(folder: Path) -> None:
    assert name_of("ada") == ""
    assert call("ada", " Ada  L. ") == "Ada L."
    call("bob", "Bob")
    assert dict(names()) == {"ada": "Ada L.", "bob": "Bob"}
    assert call("ada", "") == ""
    assert (name_of("ada"), name_of(""), name_of("bob")) == ("", "", "Bob")
    assert [file.name for file in folder.iterdir()] == [people.FILE], "no run knows a name"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": "' + "x" * 41 + '"}', "{" * 1000, "\ud800".encode(errors="replace").decode()]
)
def test_a_file_that_cannot_be_read_names_nobody_and_is_written_anew(text: str, folder: Path) -> None:
    folder.mkdir()
    (folder / people.FILE).write_text(text)
    assert dict(names()) == {}
    call("ada", "Ada")
    assert dict(names()) == {"ada": "Ada"}


def test_so_many_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST", 3)
    for number in range(5):
        call(str(number), f"N{number}")
    assert list(names()) == ["2", "3", "4"]


def test_a_card_shows_the_name_as_it_is_and_whose_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "current_owner", lambda: "ada")
    monkeypatch.setattr(owners, "is_teacher", lambda: False)
    call("eve", RUDE)
    call("ada", "Ada")
    assert owners.by_words("ada") == "by Ada (you)"
    assert owners.by_words("f" * 24) == ""
    html = card_html(Card(Path("run"), 0.0, "finished"), owners.by_words("eve"))
    assert "&lt;b&gt;*A*&lt;/b&gt; $x$" in html
    assert "<b>" not in html
    monkeypatch.setattr(owners, "is_teacher", lambda: True)
    assert owners.by_words("f" * 24) == "by visitor ffff"
    assert [owners.by_words(one) for one in ("", owners.UNREADABLE, "tab-1")] == ["", "", ""]
