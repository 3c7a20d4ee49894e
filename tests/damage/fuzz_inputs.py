"""Inputs that nobody would send by mistake: sound ones, changed at random, by what their bytes mean.

Every mutator takes a generator of random numbers and a list of sound inputs, and returns another. The same seed gives
the same inputs.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

Mutator = Callable[[random.Random, Sequence[bytes]], bytes]
NUMBERS = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00" * 8)
WORDS = (
    "../", "..\\", "/etc/passwd", "\0", "nan", "1e309", "-0", "1" * 400, "\u0663", "\uff11", "\ud800", "\u202e", "[",
    "]", "{", '"', "\n", "\r\n", "<img src=x>", "![x](http://a)", "$x$", ":material/x:", "=HYPERLINK(1)", "%00", "%ff",
    "-", "--", "_", ",", ";", " ", "\u00e9", "\U0001f600", "con", "~", "~root/", "\\\\?\\", "0x10", "1_0", "\x1b[31m",
)  # fmt: skip
RAW = ("NaN", "-Infinity", "1e999", "1" + "0" * 400, "-1", "1e-400", "[" * 3000, "0.1e1", "01", "1.0", "true", "")
VALUES = (
    None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e-320, 1e300, 2**31, 2**53, 2**63 - 1, 2**63, 10**19, "", "x",
    "x" * 5000, "\0", "\ud800", "../../x", "nan", [], [[]], {}, {"a": 1}, [1] * 300, {"": {"": {"": []}}}, "0" * 64,
    "<b>", "fit",
)  # fmt: skip


def as_bytes(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Bits, bytes, pieces: turned, cut, doubled, taken from another."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        place, length = random.randrange(len(data) + 1), int(2 ** random.uniform(0, 8))
        kind = random.randrange(9)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = random.randrange(256)
        elif kind == 2:
            del data[place : place + length]
        elif kind == 3:
            data[place:place] = data[place : place + length] * random.choice((1, 1, 2, 50))
        elif kind == 4:
            other = random.choice(seeds)
            begin = random.randrange(len(other) + 1)
            data[place : place + random.choice((0, length))] = other[begin : begin + length]
        elif kind == 5:
            number = random.choice(NUMBERS)
            data[place : place + random.choice((0, len(number)))] = number
        elif kind == 6:
            del data[place:]
        elif kind == 7:
            data[place:place] = random.choice(WORDS).encode(errors="surrogatepass")
        elif kind == 8 and place < len(data):
            data[place] = (data[place] + random.choice((-1, 1))) % 256
    return bytes(data[: 1 << 18])


def as_json(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Types, sizes, depths and names of a JSON's values; now and then its bytes, too."""
    seed = random.choice(seeds)
    try:
        value = json.loads(seed)
    except (ValueError, RecursionError):  # changed before
        return as_bytes(random, [seed])
    if random.random() < 0.2:
        return as_bytes(random, [seed])
    raw: dict[str, str] = {}
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        value = _changed(random, value, raw)
    try:
        text = json.dumps(value, ensure_ascii=random.random() < 0.9)
    except (RecursionError, ValueError):
        text = "[" * 2000
    for mark, token in raw.items():
        text = text.replace(json.dumps(mark), token)
    data = text.encode(errors="surrogatepass")
    return as_bytes(random, [data]) if random.random() < 0.05 else data


def _changed(random: random.Random, value: Any, raw: dict[str, str]) -> Any:
    """The value with one change somewhere in it."""
    if isinstance(value, (dict, list)) and value and random.random() < 0.85:
        key = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
        kind = random.random()
        if kind < 0.75:
            value[key] = _changed(random, value[key], raw)
        elif kind < 0.85:
            del value[key]
        elif isinstance(value, dict):
            value[random.choice((random.choice(WORDS), f"{key}x", "pid", "__class__"))] = value.pop(key)
        else:
            value.extend(value[: random.choice((1, 3, 2000))])
        return value
    kind = random.random()
    if kind < 0.5:
        return random.choice(VALUES)
    if kind < 0.65:
        mark = f"\x01{len(raw)}"
        raw[mark] = random.choice(RAW)
        return mark
    if kind < 0.75:
        for _ in range(random.choice((1, 5, 40, 400))):
            value = [value] if random.random() < 0.5 else {"x": value}
        return value
    if isinstance(value, str):
        place = random.randrange(len(value) + 1)
        return value[:place] + random.choice(WORDS) + value[place:]
    if isinstance(value, (int, float)):
        with contextlib.suppress(OverflowError, ValueError):  # of numbers that were changed before
            return random.choice(
                (value + 1, -value, value * 1e3, value * 1e30, value / 3, int(value), float(value), str(value))
            )
    return [value, value]


def as_text(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Words put in, characters doubled, pieces of others; then bytes now and then."""
    if random.random() < 0.15:
        return as_bytes(random, seeds)
    text = random.choice(seeds).decode(errors="replace")
    for _ in range(random.choice((1, 1, 2, 3))):
        place, length = random.randrange(len(text) + 1), random.choice((1, 2, 5, 20))
        kind = random.randrange(4)
        if kind == 0:
            text = text[:place] + random.choice(WORDS) + text[place + random.choice((0, length)) :]
        elif kind == 1:
            text = text[:place] + text[place : place + length] * random.choice((2, 3, 300)) + text[place:]
        elif kind == 2:
            other = random.choice(seeds).decode(errors="replace")
            text = text[:place] + other[random.randrange(len(other) + 1) :]
        else:
            text = text[:place] + text[place + length :]
    return text[:20_000].encode(errors="surrogatepass")


def as_lines(inner: Mutator) -> Mutator:
    """A file of lines, some of them changed by `inner`."""

    def mutate(random: random.Random, seeds: Sequence[bytes]) -> bytes:
        lines = random.choice(seeds).split(b"\n")
        for _ in range(random.choice((1, 2, 5))):
            place = random.randrange(len(lines))
            lines[place] = inner(random, [lines[place]] if lines[place] else [b"{}"])
        return b"\n".join(lines)

    return mutate


def as_png(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A PNG whose chunks are changed, and mostly signed again; any other picture by its bytes."""
    data = random.choice(seeds)
    if not data.startswith(b"\x89PNG") or random.random() < 0.2:
        return as_bytes(random, [data, *seeds])
    chunks, at = [], 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    for _ in range(random.choice((1, 1, 2))):
        place = random.randrange(len(chunks))
        kind, body = chunks[place]
        change = random.randrange(5)
        if change == 0:
            chunks.insert(place, chunks[random.randrange(len(chunks))])
        elif change == 1 and len(chunks) > 1:
            del chunks[place]
        elif change == 2:
            chunks.insert(
                place,
                (random.choice((b"tEXt", b"zTXt", b"acTL", b"fcTL", b"PLTE", b"tRNS", b"eXIf", b"iCCP")), body[:200]),
            )
        elif kind == b"IHDR" and len(body) == 13:
            width, height, *rest = struct.unpack(">II5B", body)
            rest[random.randrange(5)] = random.choice((0, 1, 2, 3, 4, 6, 8, 16))
            sizes = [
                random.choice((0, 1, 8, 4000, 4001, 2**16, 2**31 - 1, 2**32 - 1, side)) for side in (width, height)
            ]
            chunks[place] = (kind, struct.pack(">II5B", *sizes, *rest))
        else:
            chunks[place] = (kind, as_bytes(random, [body or b"x"]))
    signed = random.random() < 0.8
    out = bytearray(data[:8])
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body
        out += struct.pack(">I", zlib.crc32(kind + body) if signed else random.getrandbits(32))
    return bytes(out)


def as_zip(inner: Mutator, settle: Callable[[dict[str, bytes]], None] = lambda members: None) -> Mutator:
    """An archive whose members, names and directory are changed; `settle` makes its sums fit again, mostly."""

    def mutate(random: random.Random, seeds: Sequence[bytes]) -> bytes:
        data = random.choice(seeds)
        if random.random() < 0.25:
            return as_bytes(random, [data])
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        for _ in range(random.choice((1, 1, 2))):
            name = random.choice(list(members) or ["x"])
            kind = random.random()
            if kind < 0.7:
                members[name] = inner(random, [members.get(name) or b"x"])
            elif kind < 0.8:
                members.pop(name, None)
            else:
                new = as_text(random, [name.encode()]).decode(errors="replace")[:300]
                members[new] = members.get(name, b"") if random.random() < 0.5 else members.pop(name, b"")
        if random.random() < 0.9:
            settle(members)
        out, compress = (
            io.BytesIO(),
            random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)),
        )
        with zipfile.ZipFile(out, "w", compress) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names that are the same up to a NUL
            for name, content in members.items():
                info = zipfile.ZipInfo(name)
                info.compress_type = compress
                if random.random() < 0.02:
                    info.external_attr = 0o120777 << 16  # a link
                archive.writestr(info, content)
        packed = bytearray(out.getvalue())
        for mark, offset in ((b"PK\x01\x02", 20), (b"PK\x03\x04", 18), (b"PK\x05\x06", 8)):
            if random.random() < 0.06 and (place := packed.rfind(mark)) >= 0:  # sizes and places that lie
                struct.pack_into(
                    "<I", packed, place + offset + random.choice((0, 4)), random.choice((0, 2**31, 2**32 - 1, 10**9))
                )
        return bytes(packed)

    return mutate


def as_npy(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """An .npy with another header, of the right length; or other bytes."""
    data = random.choice(seeds)
    size = int.from_bytes(data[8:10], "little") if data.startswith(b"\x93NUMPY") else 0
    if not size or random.random() < 0.4:
        return as_bytes(random, [data])
    header = data[10 : 10 + size]
    changes = (
        (b"(", random.choice((b"(-1,", b"(0,", b"(1000000000,", b"(2,", b"((", b"(9**9,"))),
        (b"<f4", random.choice((b"|O", b"<f8", b">f4", b"<U9", b"<f2", b"|V4", b"<c8", b"<m8[s]", b"<U99999999"))),
        (b"|u1", random.choice((b"|O", b"|b1", b"<i8", b"|S1", b"<U1", b"|V0"))),
        (b"False", random.choice((b"True", b"None", b"0"))),
    )
    header = header.replace(*random.choice(changes), 1) if random.random() < 0.7 else as_bytes(random, [header])
    return data[:8] + struct.pack("<H", len(header) % 65536) + header + data[10 + size :]


def framed(inner: Mutator, before: bytes = b"", size: int = 4) -> Mutator:
    """A JSON header behind its length (4 or 8 bytes), and a body: the header by `inner`, its length mostly right."""

    def mutate(random: random.Random, seeds: Sequence[bytes]) -> bytes:
        data = random.choice(seeds)
        start = len(before) + size
        length = int.from_bytes(data[len(before) : start], "little")
        if random.random() < 0.3:
            return as_bytes(random, [data])
        header = inner(random, [data[start : start + length]])
        header += b" " * (-(start + len(header)) % 8)
        told = len(header) if random.random() < 0.95 else random.choice((0, 2**31 - 1, 2 ** (8 * size) - 1))
        return before + told.to_bytes(size, "little") + header + data[start + length :]

    return mutate


def as_protobuf(random: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A field somewhere in nested messages, changed; the lengths around it are right."""
    data = random.choice(seeds)
    return as_bytes(random, [data]) if random.random() < 0.2 else _message(random, data, 0)


def _message(random: random.Random, data: bytes, depth: int) -> bytes:
    fields = _fields(data)
    if not fields or depth > 6:
        return as_bytes(random, [data or b"\0"])
    place = random.randrange(len(fields))
    number, kind, value = fields[place]
    change = random.random()
    if change < 0.06:
        del fields[place]
    elif change < 0.12:
        fields[place:place] = [fields[place]] * random.choice((1, 2, 500))
    elif change < 0.18:
        fields[place] = (random.choice((number + 1, max(1, number - 1), 14, 500)), kind, value)
    elif kind == 0:
        small = random.choice((0, 1, 2, 3, 7, 9, 16, 1000, 2**31, 2**40, 2**63, 2**64 - 1, (value + 1) % 2**64))
        fields[place] = (number, 0, small)
    elif kind == 2 and random.random() < 0.8:
        fields[place] = (number, 2, _message(random, value, depth + 1))
    else:
        fields[place] = (number, kind, as_bytes(random, [value or b"\0"])[: len(value) if kind != 2 else None])
    return b"".join(_written(*one) for one in fields)


def _fields(data: bytes) -> list[tuple[int, int, Any]]:
    found: list[tuple[int, int, Any]] = []
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            found.append((tag >> 3, 0, value))
            continue
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if size < 0 or at + size > len(data) or not tag >> 3:
            return []
        found.append((tag >> 3, kind, data[at : at + size]))
        at += size
    return found if at == len(data) else []


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            break
    return value & (2**64 - 1), at


def _written(number: int, kind: int, value: Any) -> bytes:
    tag = _number(number << 3 | kind)
    if kind == 0:
        return tag + _number(value)
    return tag + (_number(len(value)) if kind == 2 else b"") + value


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
