from __future__ import annotations

import pytest

from ui.train.answers import parse_C, parse_widths
from vae.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "widths"), [("", None), ("400", (400,)), ("512, 256", (512, 256)), (" 64 32,16 ", (64, 32, 16))]
)
def test_widths(text: str, widths: tuple[int, ...] | None) -> None:
    assert parse_widths(text) == widths


@pytest.mark.parametrize("text", ["0", "4x4", "-3", "1e9", "9999999", "٣,"])
def test_widths_that_cannot_be(text: str) -> None:
    if text == "٣,":  # decimal digits of other scripts are digits
        assert parse_widths(text) == (3,)
        return
    with pytest.raises(ConfigError, match="hidden"):
        parse_widths(text)


def test_C() -> None:
    assert parse_C("") is None
    assert parse_C(" fit ") == "fit"
    assert parse_C("2.5") == 2.5
    for text in ("nan", "1e309", "-1", "0", "two"):
        with pytest.raises(ConfigError, match="C: expected"):
            parse_C(text)
