"""A header in front of bytes: the bytes themselves, written by hand, and what is refused."""

from __future__ import annotations

import pytest

from vae.browser.framing import MOST_HEADER, frame, unframe
from vae.checked_json import Misfit, fields, whole

CHECK = fields(("n",), n=whole())


def test_the_bytes_are_those_that_files_and_pages_have() -> None:
    assert frame({"n": 7}, b"ab", b"", b"c") == b"\x0c\x00\x00\x00" + b'{"n": 7}    ' + b"abc"
    assert frame({"n": 7}, magic=b"ELBD", compact=True) == b"ELBD" + b"\x08\x00\x00\x00" + b'{"n":7} '
    assert frame({"n": "é" * 40}, b"x")[:4] == b"\xfc\x00\x00\x00"  # 249 bytes as ASCII, padded: 4 + 252 = 8 · 32


@pytest.mark.parametrize("magic", [b"", b"ELBD", b"abc"])
def test_a_body_begins_at_a_multiple_of_eight_and_comes_back(magic: bytes) -> None:
    for n in (10**digits for digits in range(12)):
        data = frame({"n": n}, b"body", magic=magic)
        header, at = unframe(data, CHECK, magic)
        assert (header["n"], at % 8, data[at:]) == (n, 0, b"body")


WHOLE = frame({"n": 7}, b"body", magic=b"ELBD")
REFUSED = {
    "no bytes": (b"", "expected a frame that begins with b'ELBD', got b''"),
    "another beginning": (b"PK.." + WHOLE[4:], "expected a frame that begins with b'ELBD'"),
    "no length": (WHOLE[:7], "expected a frame that begins"),
    "cut off in its header": (WHOLE[:12], "expected a header of at most 65,536 bytes, got one of 8 in 12"),
    "a length beyond all": (b"ELBD\xff\xff\xff\xff" + WHOLE[8:], "got one of 4,294,967,295"),
    "too long a header": (frame({"n": "x" * MOST_HEADER}, magic=b"ELBD"), "expected a header of at most 65,536"),
    "no JSON": (WHOLE[:8] + b"(" + WHOLE[9:], "expected JSON"),
    "another header": (frame({"m": 7}, magic=b"ELBD"), "n"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_no_frame_is_refused_in_a_sentence(fault: str) -> None:
    data, sentence = REFUSED[fault]
    with pytest.raises(Misfit) as caught:
        unframe(data, CHECK, b"ELBD")
    assert sentence in str(caught.value)


def test_numbers_that_JSON_does_not_have_are_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        frame({"n": float("nan")})
