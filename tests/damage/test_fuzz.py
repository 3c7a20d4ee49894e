"""A short part of the fuzzing (`python tests/damage/fuzz.py`), and what it has found before."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.damage.fuzz import Fuzzer, shares
from tests.damage.fuzz_files import parquet_of, pictures
from tests.damage.fuzz_target import DEMO, Target
from tests.damage.fuzz_targets import targets
from ui.room import identity
from vae.errors import ConfigError

INPUTS = 4000  # of all targets together


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fuzzer, dict[str, Target]]]:
    room = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ELBO_ROOM_RUNS", str(room / "runs"))
        yield Fuzzer(room), targets(room)
    identity.signing_key.cache_clear()


def test_changed_inputs_are_refused_in_a_sentence_or_within_bounds(
    fuzzer: tuple[Fuzzer, dict[str, Target]],
) -> None:
    judge, found = fuzzer
    faults, refused, accepted = [], 0, 0
    for name, inputs in shares(found, INPUTS).items():
        count = judge.run(found[name], inputs, seed=7)
        refused, accepted = refused + count.refused, accepted + count.accepted
        faults += [f"{name}: {data[:300]!r}\n{fault}" for data, fault in count.faults.values()]
    assert not faults, "\n\n".join(faults)
    assert refused > INPUTS / 4  # the inputs are not all sound
    assert accepted > INPUTS / 20  # nor all rubbish


def _config(**changes: object) -> bytes:
    content = json.loads((DEMO / "config.json").read_bytes())
    content["config"] |= changes
    return json.dumps(content).encode()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _zip(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, next(iter(pictures())))
    return packed.getvalue()


PNG, END = next(iter(pictures())), _chunk(b"IEND", b"")
OPTIONAL, REQUIRED = b"\x15\x04%\x02\x18\x05label", b"\x15\x04&\x02\x18\x05label"  # in a parquet's schema
FOUND = {
    "a colour profile without a name": ("pictures", PNG.removesuffix(END) + _chunk(b"iCCP", b"") + END),
    "a file that is called as its folder": ("zip of pictures", _zip(".")),
    "a file without a name": ("zip of pictures", _zip("x").replace(b"x", b"\0")),
    "a parquet that contradicts itself, by which pyarrow ended the process": (
        "parquet",
        parquet_of(next(iter(pictures()))).replace(OPTIONAL, REQUIRED, 1),
    ),
    "weights with 5,000 letters for a type": (
        "weights",
        (5080).to_bytes(8, "little")
        + f'{{"a":{{"dtype":"{"x" * 5000}","shape":[],"data_offsets":[0,0]}}}}'.ljust(5080).encode(),
    ),
    "an estimator of 5,000 letters in a sentence": ("config", _config(estimator="x" * 5000)),
    "a setting of 5,000 letters in a sentence": ("config", _config(**{"x" * 5000: 1})),
    "a list of 5,000 letters for a name": ("config", _config(latent=["x" * 5000])),
    "a host that begins with ours": ("gate", b"Host: [::1]b"),
    "a host and the beginning of a query": ("gate", b"Host: [::1]:?"),
    "an origin behind a control character": ("gate", b"Host: localhost\nOrigin: \0http://localhost"),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_was_found_stays_mended(case: str, fuzzer: tuple[Fuzzer, dict[str, Target]]) -> None:
    judge, found = fuzzer
    name, data = FOUND[case]
    outcome, fault, _ = judge.judge(found[name], data)
    assert outcome == "refused", fault


def test_the_guard_sees_what_an_input_may_not_do(fuzzer: tuple[Fuzzer, dict[str, Target]], tmp_path: Path) -> None:
    judge, found = fuzzer
    strange = {
        "opens": lambda data: open(DEMO / "config.json").close(),
        "writes": lambda data: tmp_path.joinpath("x").touch(),
        "unpickles": lambda data: __import__("pickle").loads(b"cos\ngetcwd\n."),
        "raises": lambda data: {}["x"],
        "says nothing": lambda data: (_ for _ in ()).throw(ConfigError("")),
    }
    for name, read in strange.items():
        outcome, _, _ = judge.judge(Target(name, (b"",), found["gate"].mutate, read), b"")
        assert outcome == "fault", name
