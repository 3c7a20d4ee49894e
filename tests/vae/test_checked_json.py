"""Bounded JSON held against declared fields: what passes, and the sentence where something does not."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from vae.checked_json import (
    DEPTH,
    Check,
    Misfit,
    either,
    fields,
    flag,
    items,
    named,
    number,
    one_of,
    optional,
    parse,
    read_json,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[" * 2000, "at most 32 lists and objects inside one another"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "inside one another"),
        (b"1" + b"0" * 400, "at most 20 digits, got one of 401"),
        (b"1" * 5000, "at most 20 digits, got one of 5,000"),
        (b"[1e309]", "finite numbers, got '1e309'"),
        (b"[-Infinity]", "finite numbers, got '-Infinity'"),
        (b"NaN", "finite numbers"),
        (b"\xff\xfe", "expected JSON"),
        (b"", "expected JSON, got ''"),
        (b'{"a": 1,}', "expected JSON"),
        (b" " * 2000, "at most 1,000 bytes, got 2,000"),
    ],
)  # fmt: skip
def test_what_is_no_bounded_json_is_a_misfit(data: bytes, sentence: str) -> None:
    with pytest.raises(Misfit, match=sentence):
        parse(data, 1000 if data[:1] == b" " else 1 << 20)


def test_brackets_in_strings_are_no_depth() -> None:
    value = {"names": ["[{" * 500, '"[' * 100, "\\["], "deep": 1}
    assert parse(json.dumps(value).encode()) == value
    nested: Any = 1
    for _ in range(DEPTH):
        nested = [nested]
    assert parse(json.dumps(nested).encode()) == nested
    with pytest.raises(Misfit, match="inside one another"):
        parse(json.dumps([nested]).encode())


def test_rubbish_is_a_misfit_or_what_json_reads() -> None:
    """Against Python's own reader: 2,000 mutations of a file give the same value or a Misfit, never another error."""
    whole_file = json.dumps({"a": [1, 2.5, None, True, {"b": 'x\\"[{'}], "c": -1e5}).encode()
    draw = random.Random(0)
    for _ in range(2000):
        data = bytearray(whole_file)
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.choice(b'[]{}",:0123456789eE.-+ nulltrueNaN\\\xff\x00')
        try:
            found = parse(bytes(data))
        except Misfit:
            continue
        assert found == json.loads(data)


CASES: list[tuple[Check[Any], list[Any], list[Any]]] = [
    (whole(1, 5), [1, 5], [0, 6, True, 1.0, "1", None, 10**30]),
    (number(0, 2.5), [0, 2.5, 1], [-0.1, 3, True, "1", None, 10**400, float("nan"), float("inf")]),
    (text(3), ["", "abc", "äöü"], ["abcd", 5, None, "a\0", "\ud800"]),
    (flag, [True, False], [0, 1, "true", None]),
    (one_of("a", "b"), ["a", "b"], ["c", 5, ["a"], None, {}]),
    (optional(whole()), [None, 3], ["x", -1]),
    (either(one_of("fit"), number(1)), ["fit", 2.5], ["fut", 0, None]),
    (items(whole(), 2, 1), [[1], [1, 2]], [[], [1, 2, 3], ["x"], "ab", {"0": 1}, None]),
    (named(whole(), 1), [{}, {"a": 1}], [{"a": "x"}, {"a": 1, "b": 2}, [1], None]),
    (fields(("a",), a=whole(), b=text()), [{"a": 1}, {"a": 1, "b": "", "later": []}], [{}, {"a": "x"}, [], None]),
]


@pytest.mark.parametrize(("check", "good", "bad"), CASES)
def test_a_check_returns_what_fits_and_refuses_the_rest(check: Check[Any], good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert check(value) is value
    for value in bad:
        with pytest.raises(Misfit, match="expected"):
            check(value)


def test_a_misfit_names_the_place() -> None:
    check = fields(test=fields(rate=number(), per=items(fields(x=whole()))))
    with pytest.raises(Misfit, match=r"^test\.rate: expected a finite number, got 'abc'$"):
        check({"test": {"rate": "abc"}})
    with pytest.raises(Misfit, match=r"^test\.per\[1\]\.x: expected a whole number, 0 or more, got nothing$"):
        check({"test": {"per": [{}, {"x": None}]}})
    with pytest.raises(Misfit) as raised:
        one_of("a")("![x](http://y)" * 99)
    assert len(str(raised.value)) < 100


def test_only_ordinary_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none", flag)
    os.mkfifo(tmp_path / "pipe")
    for name in (".", "pipe"):
        with pytest.raises(Misfit, match="a folder or a device"):
            read_json(tmp_path / name, flag)
    (tmp_path / "file").write_text("true" + " " * 100)
    assert read_json(tmp_path / "file", flag) is True
    with pytest.raises(Misfit, match="at most 50 bytes, got 104"):
        read_json(tmp_path / "file", flag, 50)
