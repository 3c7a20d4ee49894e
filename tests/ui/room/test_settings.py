"""What stands in secrets.toml or the environment, and the one sentence where that cannot be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ui.room import settings
from ui.room.settings import Room, from_files, is_shared, room
from vae.errors import ConfigError

Give = Callable[..., None]


def test_at_localhost_there_is_no_code_and_no_limit(given: Give) -> None:
    given(shared=False)
    assert room() == Room()


def test_a_server_that_others_reach_has_limits_that_can_be_set(given: Give) -> None:
    given()
    assert room() == Room(**settings.SHARED)
    given(runs_per_person="2", disk_in_all="0.5")
    assert (room().runs_per_person, room().disk_in_all, room().epochs_per_run) == (2, 0.5, 5_000)
    given(shared=False, class_code="green table")
    assert (room().class_code, room().runs_in_all) == ("green table", 200)


def test_a_proxy_makes_a_server_of_this_machine_a_shared_one(given: Give, options: dict[str, Any]) -> None:
    given(shared=False)
    assert not is_shared()
    options["server.allowedHosts"] = ["vae.example.org"]
    assert is_shared()
    options["server.allowedHosts"], options["server.address"] = [], None  # Streamlit then listens everywhere
    assert is_shared()


def test_the_file_holds_them_in_a_table_and_the_environment_goes_first(
    given: Give, options: dict[str, Any], tmp_path: Path
) -> None:
    first, second = tmp_path / "global.toml", tmp_path / "secrets.toml"
    first.write_text('other = "somebody else\'s"\n[room]\nclass_code = "of all"\nruns_in_all = 7\n')
    second.write_text('[room]\nclass_code = " of this project "\nteacher_code = "seven quiet owls"\ndisk_in_all = 2\n')
    given(runs_in_all="8")
    options["secrets.files"] = [str(first), str(second), str(tmp_path / "missing.toml"), str(tmp_path)]
    assert (room().class_code, room().teacher_code) == ("of this project", "seven quiet owls")
    assert (room().runs_in_all, room().disk_in_all) == (8, 2.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('class_code = "green table"', "class_code belongs below a line [room]"),
        ("[room]\ncode = 1", "[room] has no setting 'code'; it has class_code, teacher_code, runs_per_person"),
        ("room = 1", "expected room to be a table"),
        ("[room\nclass_code = 'hush'", "expected TOML in UTF-8"),
        ('[room]\nclass_code = "abc"', "class_code: expected a text of 6 to 100 characters"),
        ("[room]\nclass_code = 12345", "class_code: expected a text of 6 to 100 characters"),
        ('[room]\nclass_code = "20262026"', "class_code: too easy to guess"),
        ('[room]\nclass_code = "abcabcabc"', "class_code: too easy to guess"),
        ('[room]\nteacher_code = "owls"', "teacher_code: expected a text of 9 to 100 characters"),
        (f'[room]\nclass_code = "{"x" * 101}"', "class_code: expected a text of 6 to 100 characters"),
        ('[room]\nclass_code = "the same one"\nteacher_code = "the same one"', "teacher_code: expected another code"),
        ("[room]\nruns_in_all = 0", "runs_in_all: expected a whole number from 1 to 1,000,000,000, got 0"),
        ("[room]\nruns_in_all = 2.5", "runs_in_all: expected a whole number from 1 to 1,000,000,000, got 2.5"),
        ("[room]\nruns_in_all = true", "got True"),
        ("[room]\ndisk_in_all = nan", "disk_in_all: expected a number of GB above 0"),
        ("[room]\ndisk_in_all = -inf", "disk_in_all: expected a number of GB above 0"),
    ],
)
def test_nonsense_is_one_sentence_that_tells_no_code(
    text: str, sentence: str, given: Give, options: dict[str, Any], tmp_path: Path
) -> None:
    given()
    file = tmp_path / "secrets.toml"
    file.write_text(text)
    options["secrets.files"] = [str(file)]
    with pytest.raises(ConfigError) as error:
        room()
    assert sentence in str(error.value)
    assert not any(code in str(error.value) for code in ("hush", "abc", "2026", "owls", "the same"))


@pytest.mark.parametrize(
    ("name", "text"), [("epochs_per_run", "many"), ("disk_per_person", "1e400"), ("class_code", "x")]
)
def test_nonsense_in_the_environment_is_told_too(name: str, text: str, given: Give) -> None:
    given(**{name: text})
    with pytest.raises(ConfigError, match=f"^{name}: expected"):
        room()


def test_bytes_that_are_no_text_are_told_without_them(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_bytes(b'[room]\nclass_code = "\xff\xfe secret"')
    with pytest.raises(ConfigError, match="expected TOML in UTF-8") as error:
        from_files([tmp_path / "secrets.toml"])
    assert error.value.__suppress_context__
    assert 'secret"' not in str(error.value)


def test_the_terminal_says_once_that_everybody_may_come_in(
    given: Give, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for shared, code, told, details in (
        (True, "", 1, "none"), (True, "green table", 0, "none"), (False, "", 0, None), (False, "green table", 0, "none")
    ):  # fmt: skip
        given(shared, class_code=code)
        caplog.clear()
        options.pop("client.showErrorDetails", None)
        with caplog.at_level(logging.WARNING, "elbo_room"):
            settings.configure_streamlit()
        assert len(caplog.messages) == told
        assert all("ELBO_ROOM_CLASS_CODE" in message and "\n" not in message for message in caplog.messages)
        assert options.get("client.showErrorDetails") == details
