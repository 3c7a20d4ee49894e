"""JSON from a file that anybody may have touched: bounded before it is parsed, then held against declared fields.

    STATUS = fields(state=one_of("running", "ended"), step=whole(), C=optional(either(number(), one_of("fit"))))
    values = read_json(folder / "status.json", STATUS)

A check takes a value and returns it, or raises Misfit: what was expected of which field, and what came.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from vae import files

T = TypeVar("T")
Check = Callable[[Any], T]
MOST_BYTES = 1 << 20
DEPTH = 32  # lists and objects inside one another; ours have six
DIGITS = 20  # of a whole number; 2⁶³ has nineteen
SHOWN = 40  # characters of a value in a sentence
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class Misfit(ValueError):
    """What does not fit: `test.rate: expected a number, got 'abc'`."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.sentence, self.field = sentence, field

    def inside(self, name: str) -> Misfit:
        """Returns the same, seen from the object that holds it under `name`."""
        dot = "." if self.field and not self.field.startswith("[") else ""
        return Misfit(self.sentence, f"{name}{dot}{self.field}")


def read_json(file: Path, check: Check[T], most: int = MOST_BYTES) -> T:
    """Returns what `check` makes of the file's JSON. Raises Misfit; FileNotFoundError where there is none."""
    return check(parse(read_bytes(file, most), most))


def read_bytes(file: Path, most: int = MOST_BYTES) -> bytes:
    """Returns the bytes of an ordinary file of at most `most` bytes. Raises Misfit; FileNotFoundError where there is
    none."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Misfit("expected a file, got a folder or a device")  # a pipe would never answer
        if found.st_size > most:
            raise Misfit(f"expected at most {most:,} bytes, got {found.st_size:,}")
        return files.read_bytes(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Misfit(error.strerror or str(error)) from None


def parse(data: bytes, most: int = MOST_BYTES) -> Any:
    """Reads JSON of at most `most` bytes and DEPTH levels, its numbers finite and short. Raises Misfit."""
    if len(data) > most:
        raise Misfit(f"expected at most {most:,} bytes, got {len(data):,}")
    try:
        written = data.decode(json.detect_encoding(data))  # an editor's UTF-16 too
        if written.count("[") + written.count("{") > DEPTH and _depth(written.encode()) > DEPTH:
            raise Misfit(f"expected at most {DEPTH} lists and objects inside one another, got more")
        return json.loads(written, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except Misfit:
        raise
    except (ValueError, RecursionError) as error:
        raise Misfit(f"expected JSON, got {_shown(data[:SHOWN].decode(errors='replace'))}: {error}") from None


def _depth(data: bytes) -> int:
    """How many lists and objects are open at most; brackets in strings do not count."""
    depth = deepest = 0
    for token in _TOKENS.findall(data):
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _whole(text: str) -> int:
    if len(text) > DIGITS:
        raise Misfit(f"expected numbers of at most {DIGITS} digits, got one of {len(text):,}")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Misfit(f"expected finite numbers, got {_shown(text)}")
    return value


def whole(low: int = 0, high: int = 2**63 - 1) -> Check[int]:
    """Takes a whole number, no bool, from `low` to `high`."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            ends = f"{low:,} to {high:,}" if high < 2**53 else f"{low:,} or more"
            raise Misfit(f"expected a whole number, {ends}, got {_shown(value)}")
        return value

    return check


def number(low: float = -1e300, high: float = 1e300) -> Check[float]:
    """Takes a finite number, no bool, from `low` to `high`."""

    def check(value: Any) -> float:
        if (type(value) is not int and type(value) is not float) or not low <= value <= high:
            ends = f" from {low:g} to {high:g}" if (low, high) != (-1e300, 1e300) else ""
            raise Misfit(f"expected a finite number{ends}, got {_shown(value)}")
        return value

    return check


def text(most: int = 4096) -> Check[str]:
    """Takes text that can be written as UTF-8, without NUL, of at most `most` characters."""

    def check(value: Any) -> str:
        if type(value) is not str or len(value) > most:
            raise Misfit(f"expected text of at most {most:,} characters, got {_shown(value)}")
        if "\0" in value or not (value.isascii() or all(not "\ud800" <= character <= "\udfff" for character in value)):
            raise Misfit(f"expected text without NUL and lone surrogates, got {_shown(value)}")
        return value

    return check


def flag(value: Any) -> bool:
    """Takes true or false. Raises Misfit."""
    if type(value) is not bool:
        raise Misfit(f"expected true or false, got {_shown(value)}")
    return value


def one_of(*allowed: str) -> Check[str]:
    """Takes one of these words."""

    def check(value: Any) -> str:
        if type(value) is not str or value not in allowed:
            raise Misfit(f"expected one of {', '.join(allowed)}, got {_shown(value)}")
        return value

    return check


def optional(check: Check[T]) -> Check[T | None]:
    """Takes null, or what `check` takes."""
    return lambda value: None if value is None else check(value)


def either(*checks: Check[Any]) -> Check[Any]:
    """Takes what one of the checks takes; else the last one's complaint is raised."""

    def check(value: Any) -> Any:
        for attempt in checks[:-1]:
            try:
                return attempt(value)
            except Misfit:
                continue
        return checks[-1](value)

    return check


def items(check: Check[T], most: int = 100_000, fewest: int = 0) -> Check[list[T]]:
    """Takes a list of what `check` takes."""

    def every(value: Any) -> list[T]:
        if type(value) is not list or not fewest <= len(value) <= most:
            count = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
            raise Misfit(f"expected a list of {count}, got {_shown(value)}")
        for index, item in enumerate(value):
            try:
                check(item)
            except Misfit as misfit:
                raise misfit.inside(f"[{index}]") from None
        return value

    return every


def named(check: Check[T], most: int = 10_000) -> Check[dict[str, T]]:
    """Takes an object with any names, its values what `check` takes."""

    def every(value: Any) -> dict[str, T]:
        if type(value) is not dict or len(value) > most:
            raise Misfit(f"expected an object of at most {most:,} names, got {_shown(value)}")
        for name, item in value.items():
            _apply(check, item, name[:SHOWN])
        return value

    return every


def fields(needed: Collection[str] = (), /, **checks: Check[Any]) -> Check[dict[str, Any]]:
    """Takes an object with these fields, those in `needed` present; further ones, of later versions, stay as they
    are."""

    def every(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise Misfit(f"expected an object, got {_shown(value)}")
        for name in needed:
            if name not in value:
                raise Misfit("expected to be there, but is missing", name)
        for name in checks.keys() & value.keys():
            _apply(checks[name], value[name], name)
        return value

    return every


def _apply(check: Check[Any], value: Any, name: str) -> None:
    try:
        check(value)
    except Misfit as misfit:
        raise misfit.inside(name) from None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (list, dict)):
        return f"a list of {len(value):,}" if isinstance(value, list) else "an object"
    written = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return written if len(written) <= SHOWN else written[:SHOWN] + "…"
