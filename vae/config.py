"""What a run is made from (`Config`, fixed) and what steers it while it trains (`Knobs`, live)."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from vae.errors import ConfigError

BINARIZE = ("none", "threshold", "fixed", "epoch")
HALVES = ("both", "encoder", "decoder")
PRECISIONS = ("float32", "tf32", "bfloat16")
YOURS = "yours"  # as `network`: somebody else's code made the model or trains it
C_WEIGHT_RANGE = (0.01, 100.0)  # of the slider, likelihoods that C weights (C = 1/beta)
C_LIMITS = (1e-30, 1e30)
C_GAUSSIAN_RANGE = (0.1, 1000.0)  # of the slider, Gaussian likelihood (C = 1/(2c)) at full contrast
FIRST_STEPS = 20  # a run that diverges within them has met strange values, or a strange C
MOST_LAYERS, MOST_WIDTH = 16, 2**20  # hidden ones; what memory a network takes is counted before it is built
MOST_OF = {"latent_dim": 512, "threads": 4096}  # threads: of any machine; this one's are `vae.machine.most_threads`
MOST = 10**9  # of every other whole number
MOST_WITHOUT = 400_000  # characters that tell which rows are left out; config.json holds a million


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's numbers. `None` means "choose for me"; `vae.complete` fills it in.

    One completed config and one seed give one history, to the last bit on a CPU.
    """

    dataset: str = "digits"  # a registered name, or the path of an .npz or .npy file
    binarize: str | None = None  # none | threshold | fixed | epoch
    without: str | None = None  # rows of the file or set that are left out: "train 3,5-9; test 17"
    likelihood: str | None = None  # gaussian for grey data, bernoulli for binary data
    C: float | Literal["fit"] | None = None  # Gaussian: 1/(2c), or "fit"; others: the distortion's weight, 1
    latent: str = "normal"
    latent_dim: int = 2
    network: str = "mlp"
    hidden: tuple[int, ...] | None = None  # widths of the encoder's hidden layers; the decoder mirrors them
    activation: str = "relu"
    objective: str = "elbo"
    samples: int = 1  # S of the ELBO, K of the importance-weighted bound
    estimator: str | None = None  # of the gradient; None: pathwise, for bits rloo-4, or vimco with iwae
    epochs: int | None = None  # None: about a minute on two cores, 800 at most
    batch_size: int | None = None
    lr: float | None = None  # Adam's; None: by network and batch size
    lr_schedule: str = "constant"  # constant | cosine | steps:EPOCH=FACTOR,...
    seed: int = 0
    device: str = "auto"
    precision: str | None = None  # float32 | tf32 (a GPU's) | bfloat16: a training step's products; all else is float32
    threads: int | None = None  # CPU threads; bit-equality holds for the same number
    record_every: int | None = None  # steps that one record averages over

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            own = plain_row if field.name == "hidden" else plain
            object.__setattr__(self, field.name, own(field.name, getattr(self, field.name)))
            if str(field.type).startswith("str"):
                check_text(field.name, getattr(self, field.name), field.default is None)
        _choice("binarize", self.binarize, (None, *BINARIZE))
        _choice("precision", self.precision, (None, *PRECISIONS))
        for name in ("latent_dim", "samples", "epochs", "batch_size", "threads", "record_every"):
            value = getattr(self, name)
            if value is not None or name in ("latent_dim", "samples"):
                check_count(name, value)
        if not _whole(self.seed, 0, 2**63 - 1):
            raise ConfigError(f"seed: expected a whole number from 0 to 2^63 - 1, got {short(self.seed)}")
        if self.lr is not None and not _positive(self.lr):
            raise ConfigError(f"lr: expected a positive number such as 1e-3, got {short(self.lr)}")
        if self.C is not None and self.C != "fit":
            check_C(self.C)
        if self.hidden is not None:
            check_hidden(self.hidden)
        parse_lr_schedule(self.lr_schedule)
        if self.without is not None:
            parse_rows(self.without)

    def __repr__(self) -> str:
        """What differs from the defaults, which makes an equal one."""
        chosen = [f for f in dataclasses.fields(self) if f.name == "dataset" or getattr(self, f.name) != f.default]
        return f"Config({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in chosen)})"

    @property
    def is_yours(self) -> bool:
        """Whether the run is of somebody else's loop or model: it can be steered and explored, but nothing here can
        continue it, train it on, or train another with its settings."""
        return self.network == YOURS

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Config:
        if not isinstance(values, dict):
            raise ConfigError(f"config: expected an object of settings, got {type(values).__name__}")
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ConfigError(f"config: unknown setting {short(unknown[0])}; known are {', '.join(sorted(known))}")
        return cls(**values)


@dataclass
class Knobs:
    """What may change while a run trains. The trainer reads it before every step.

    C: None leaves the model's own; a number sets it; "fit" (Gaussian only) learns c again.
    lr_factor multiplies the scheduled learning rate. pace is in steps per second, None is full speed.
    steps_requested counts the single steps asked for so far: raising it by one makes a paused run take one step.
    """

    C: float | Literal["fit"] | None = None
    lr_factor: float = 1.0
    part: str = "both"
    pace: float | None = None
    paused: bool = False
    steps_requested: int = 0
    stop: bool = False
    revision: int = 0

    def __setattr__(self, name: str, value: Any) -> None:
        """A value that cannot be is refused where it is given, and the one before it stays."""
        before = self.__dict__.get(name)
        if value is before and name in self.__dict__:  # as at nearly every step
            return
        super().__setattr__(name, plain(name, value) if name in Knobs.__dataclass_fields__ else value)
        if "revision" in self.__dict__:  # all are there
            try:
                Knobs.__post_init__(self)
            except ConfigError:
                super().__setattr__(name, before)
                raise

    def __post_init__(self) -> None:
        for name in ("paused", "stop"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: expected True or False, got {short(getattr(self, name))}")
        for name in ("steps_requested", "revision"):
            if not _whole(getattr(self, name), 0, 2**63 - 1):
                raise ConfigError(
                    f"{name}: expected a whole number from 0 to 2^63 - 1, got {short(getattr(self, name))}"
                )
        _choice("part", self.part, HALVES)
        if self.C is not None and self.C != "fit":
            check_C(self.C)
        if not _positive(self.lr_factor):
            raise ConfigError(f"lr_factor: expected a positive number, got {short(self.lr_factor)}")
        if self.pace is not None and not _positive(self.pace):
            raise ConfigError(
                f"pace: expected steps per second above 0, or none for full speed, got {short(self.pace)}"
            )

    def refresh(self) -> None:
        """Brings in changes from elsewhere, in a subclass; called before every step and while waiting."""


def check_C(value: object) -> float:
    """Returns C as a float, or raises a ConfigError in one sentence. Beyond C_LIMITS float32 knows it only as 0 or
    infinity."""
    if not _positive(value):
        raise ConfigError(
            f"C: expected a positive finite number (or 'fit' for a Gaussian likelihood), got {short(value)}"
        )
    if not C_LIMITS[0] <= value <= C_LIMITS[1]:
        raise ConfigError(f"C: expected a number from {C_LIMITS[0]:g} to {C_LIMITS[1]:g}, got {value!r}")
    return float(value)


def check_count(name: str, value: object) -> None:
    """Raises a ConfigError unless it is a whole number of 1 or more, and no more than there may be of `name`."""
    most = MOST_OF.get(name, MOST)
    if not _whole(value, 1, most):
        raise ConfigError(f"{name}: expected a whole number from 1 to {most:,}, got {short(value)}")


def check_hidden(widths: object) -> None:
    """Raises a ConfigError unless these can be the widths of hidden layers."""
    hint = f"such as 400 or 512,256, got {short(widths)}"
    if not isinstance(widths, (tuple, list)) or not all(_whole(width, 1, MOST_WIDTH) for width in widths):
        raise ConfigError(f"hidden: expected widths from 1 to {MOST_WIDTH:,} {hint}")
    if len(widths) > MOST_LAYERS:
        raise ConfigError(f"hidden: expected at most {MOST_LAYERS} layers, got {len(widths):,}")


def parse_lr_schedule(text: str) -> list[tuple[float, float]] | Literal["constant", "cosine"]:
    """Reads `constant`, `cosine`, or `steps:200=0.63,350=0.5`: from epoch 200 on times 0.63, from 350 on times 0.5
    more. Raises ConfigError."""
    if text == "constant":
        return "constant"
    if text == "cosine":
        return "cosine"
    hint = f"lr_schedule: expected constant, cosine or steps:EPOCH=FACTOR,... such as steps:200=0.63, got {short(text)}"
    if not (isinstance(text, str) and text.startswith("steps:")):
        raise ConfigError(hint)
    try:
        pairs = [(float(a), float(b)) for a, b in (part.split("=") for part in text[6:].split(","))]
    except ValueError:
        raise ConfigError(hint) from None
    if any(not (math.isfinite(a) and a >= 0 and math.isfinite(b) and b > 0) for a, b in pairs):
        raise ConfigError(hint)
    return pairs


def parse_rows(text: str) -> dict[str, tuple[range, ...]]:
    """Reads `train 3,5-9; test 17`: rows of the file or set that images come from, those of each part as ascending
    ranges. Raises ConfigError."""
    hint = "without: expected rows such as train 3,5-9; test 17, ascending"
    if len(text) > MOST_WITHOUT:
        raise ConfigError(
            f"{hint}, in at most {MOST_WITHOUT:,} characters, got {len(text):,}; save a file without them"
        )
    found: dict[str, tuple[range, ...]] = {}
    for one in text.split(";"):
        part, _, rows = one.strip().partition(" ")
        ends = [span.strip().split("-") for span in rows.split(",")]
        sound = all(len(pair) < 3 and all(re.fullmatch("[0-9]{1,12}", end) for end in pair) for pair in ends)
        if part not in ("train", "test") or part in found or not sound:
            raise ConfigError(f"{hint}, got {short(one.strip())}")
        found[part] = tuple(range(int(pair[0]), int(pair[-1]) + 1) for pair in ends)
        if not all(found[part]) or any(a.stop > b.start for a, b in itertools.pairwise(found[part])):
            raise ConfigError(f"{hint}, got {short(one.strip())}")
    return found


def write_rows(rows: Mapping[str, Iterable[int]]) -> str:
    """Returns the text that `parse_rows` reads; "" where there are no rows."""
    parts = []
    for part in ("train", "test"):
        spans: list[list[int]] = []
        for row in sorted(set(rows.get(part, ()))):
            if spans and row == spans[-1][1] + 1:
                spans[-1][1] = row
            else:
                spans.append([row, row])
        written = ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans)
        parts += [f"{part} {written}"] if spans else []
    return "; ".join(parts)


def count_rows(text: str | None) -> dict[str, int]:
    """Returns how many rows of each part such a text leaves out."""
    found = parse_rows(text) if text else {}
    return {part: sum(map(len, found.get(part, ()))) for part in ("train", "test")}


def _choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(str(a) for a in allowed if a is not None)
        raise ConfigError(f"{name}: expected one of {names}, got {short(value)}")


def plain(name: str, value: Any) -> Any:
    """Returns one value: a number or text of NumPy, or a torch tensor of one number, as Python's own; a path as its
    text. ConfigError for an array, and for what only looks like one."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, int) and abs(value) >= 2**1023:
        raise ConfigError(f"{name}: expected a number below 2^1023, got one of {value.bit_length():,} bits")
    shape = getattr(value, "shape", None)
    if shape is None:
        return value
    if len(shape):
        raise ConfigError(f"{name}: expected one value, got an array of shape {tuple(shape)}")
    try:
        return value.tolist()
    except (AttributeError, RuntimeError):  # torch's meta tensors have no number
        raise ConfigError(f"{name}: expected one value, got a {type(value).__name__} without a number in it") from None


def plain_row(name: str, value: Any) -> Any:
    """Returns several values in a tuple, list or one-dimensional array, as a tuple of Python's own; others as they
    are."""
    if isinstance(value, (list, tuple)) or len(getattr(value, "shape", ())) == 1:
        return tuple(plain(name, one) for one in value)
    return plain(name, value)


def check_text(name: str, value: Any, open_choice: bool) -> None:
    """Raises ConfigError unless `value` is a text, or None where the choice may be left open."""
    if not (isinstance(value, str) or (open_choice and value is None)):
        raise ConfigError(f"{name}: expected a text{', or None for the default' * open_choice}, got {short(value)}")


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _positive(value: object) -> TypeGuard[float]:
    """Whether it is a number above 0 that a float can hold: JSON knows whole numbers of any length."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < float(value) < math.inf
    except OverflowError:
        return False


def short(value: object) -> str:
    """Returns a value as Python writes it, in at most 80 signs; a number of thousands of digits by their count."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of about {int(value.bit_length() * math.log10(2)):,} digits"
    if isinstance(value, (list, tuple, dict)) and len(value) > 20:
        return f"{type(value).__name__} of {len(value):,}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
