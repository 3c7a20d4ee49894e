"""The converter's questions: widgets whose answers stand in the address, so that a link brings them back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui import style
from ui.converter.code import Shape
from ui.converter.projects import PROJECTS
from vae.lessons.reductions import ERRORS, LEAST_VARIANCE, MOST, RANGES, WrittenLoss

KEY = "converter-"
PRESETS: dict[str, Shape] = {
    "8 × 8": (1, 8, 8),
    "28 × 28": (1, 28, 28),
    "64 × 64": (1, 64, 64),
    "32 × 32 × 3": (3, 32, 32),
    "64 × 64 × 3": (3, 64, 64),
}
LARGEST = 4096  # pixels of a side
LEARNED = "learned"
RANGE_WORDS = {
    "unit": "0 to 1",
    "symmetric": "−1 to 1",
    "bytes": "0 to 255",
    "standardised": "standardised: (x − mean) / sd",
}
YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class Field:
    """One answer: how the address has it, what stands there usually. `read` answers None for what cannot be meant."""

    usual: Any
    read: Callable[[str], Any]
    expected: str
    write: Callable[[Any], str] = str


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda text: text if text in words else None


def _whole(most: int) -> Callable[[str], int | None]:
    return lambda text: int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most else None


def _from(least: float) -> Callable[[str], float | None]:
    def read(text: str) -> float | None:
        try:
            value = float(text)
        except ValueError:
            return None
        return value if least <= value <= MOST else None

    return read


def _sd(text: str) -> float | None:
    value = _from(1 / MOST)(text)
    return value if value is not None and value <= 0.5 else None


def _reduction(usual: str) -> Field:
    return Field(usual, _one_of("sum", "mean"), "sum or mean")


def _flag(usual: bool) -> Field:
    return Field(usual, YES_NO.get, "yes or no", lambda value: "yes" if value else "no")


def _weight(usual: float, least: float = 1 / MOST) -> Field:
    return Field(usual, _from(least), f"a number from {least:g} to {MOST:g}", lambda value: f"{value:.12g}")


def _size(usual: int, most: int) -> Field:
    return Field(usual, _whole(most), f"a whole number from 1 to {most:,}")


FIELDS: dict[str, Field] = {
    "error": Field("squared", _one_of(*ERRORS), "one of " + ", ".join(ERRORS)),
    "pixels": _reduction("mean"),
    "batch": _reduction("mean"),
    "half": _flag(False),
    "weight": _weight(1.0),
    "noise": Field("fixed", _one_of("fixed", LEARNED), "fixed or learned"),
    "variance": _weight(1.0, LEAST_VARIANCE),
    "full": _flag(False),
    "latents": _reduction("sum"),
    "kl_batch": _reduction("mean"),
    "kl_half": _flag(True),
    "kl_weight": _weight(1.0),
    "height": _size(28, LARGEST),
    "width": _size(28, LARGEST),
    "channels": _size(1, 16),
    "k": _size(20, 1_000_000),
    "batch_size": _size(128, 1_000_000),
    "range": Field("unit", _one_of(*RANGES), "one of " + ", ".join(RANGES)),
    "data_sd": Field(0.3081, _sd, "a number from 1e-09 to 0.5", lambda value: f"{value:.12g}"),
    "C": _weight(1.0),
    "code": Field("", _one_of("", *PROJECTS), "one of " + ", ".join(PROJECTS)),
}


def take_from_address(query: Mapping[str, str]) -> list[str]:
    """Puts what the address says into the widgets; returns a sentence for each value that cannot be meant."""
    refused, base = [], PROJECTS[query["code"]].answers if query.get("code") in PROJECTS else {}
    for name, field in FIELDS.items():
        value = base.get(name, field.usual)
        if name in query:
            read = field.read(query[name])
            if read is None:
                refused.append(f"{name} “{query[name][:24]}” (expected {field.expected})")
            else:
                value = read
        if st.session_state.get(KEY + name) != value:
            st.session_state[KEY + name] = value
    _own_code()
    return refused


def _own_code() -> None:
    """A project's name stands only over the project's own answers."""
    project = PROJECTS.get(answer("code"))
    if project and any(answer(name) != value for name, value in project.answers.items()):
        st.session_state[KEY + "code"] = ""


def _take_project() -> None:
    """Its answers, and the usual ones for the rest."""
    if project := PROJECTS.get(answer("code")):
        st.session_state.update({KEY + n: project.answers.get(n, FIELDS[n].usual) for n in FIELDS if n != "code"})
    into_address()


def into_address() -> None:
    """Puts what differs from the usual into the address; called by every change, before the page is drawn."""
    _own_code()
    answers = {name: st.session_state[KEY + name] for name in FIELDS if KEY + name in st.session_state}
    kept = dict(st.query_params.items())
    for name, value in answers.items():
        if value is None or value == FIELDS[name].usual:
            kept.pop(name, None)
        else:
            kept[name] = FIELDS[name].write(value)
    st.query_params.from_dict(kept)


def answer(name: str) -> Any:
    """Returns the answer to a question, the usual one where there is none."""
    value = st.session_state.get(KEY + name)
    return FIELDS[name].usual if value is None else value


def image_shape() -> Shape:
    """Returns channels, height and width."""
    return answer("channels"), answer("height"), answer("width")


def written_loss() -> WrittenLoss:
    """Returns the loss that the answers describe."""
    same = ("error", "pixels", "batch", "half", "weight", "full", "latents", "kl_batch", "kl_half", "kl_weight", "k")
    return WrittenLoss(
        **{name: answer(name) for name in (*same, "range", "data_sd")},
        variance=None if answer("noise") == LEARNED else answer("variance"),
        D=math.prod(image_shape()),
        batch_size=answer("batch_size"),
    )


def questions() -> None:
    """Draws the questions: a project's code to begin with; then the reconstruction, the KL, the pixels."""
    with st.container(key="panel-converter"):
        named = {"": "my own", **{name: project.label for name, project in PROJECTS.items()}}
        st.selectbox("Code of", list(named), format_func=named.__getitem__, key=KEY + "code", on_change=_take_project)
        style.label("Reconstruction")
        st.selectbox("Error", list(ERRORS), format_func=lambda name: ERRORS[name].label, **_widget("error"))
        with _row():
            _sum_or_mean("Over pixels", "pixels")
            _sum_or_mean("Over the batch", "batch")
        with _row():
            if answer("error") == "squared":
                st.toggle("Factor ½", **_widget("half"))
            if answer("error") == "gaussian-nll":
                _noise()
            if answer("error") == "absolute":
                st.segmented_control("Scale b", ["fixed", LEARNED], required=True, **_widget("noise"))
            _number(r"Weight of the error, $w_{\mathrm{rec}}$", "weight")
        style.label("KL")
        with _row():
            _sum_or_mean("Over latents", "latents")
            _sum_or_mean("Over the batch", "kl_batch")
        with _row():
            st.toggle("Factor ½ of its closed form", **_widget("kl_half"))
            _number(r"Weight of the KL, $w_{\mathrm{KL}}$", "kl_weight")
        style.label("Pixels and sizes")
        _range()
        _sizes()


def _range() -> None:
    with _row():
        st.selectbox("Range of the pixels", list(RANGES), format_func=RANGE_WORDS.__getitem__, **_widget("range"))
        if answer("range") == "standardised":
            st.number_input("sd, of pixels from 0 to 1", 1e-9, 0.5, step=0.01, format="%g", **_widget("data_sd"))


def _noise() -> None:
    st.segmented_control("Variance", ["fixed", LEARNED], required=True, **_widget("noise"))
    if answer("noise") == "fixed":
        _number("Variance v", "variance")
    st.toggle("full=True", **_widget("full"))


def _sizes() -> None:
    shape = image_shape()
    preset = next((name for name, one in PRESETS.items() if one == shape), None)
    st.session_state[f"{KEY}preset"] = preset
    st.pills("Images", list(PRESETS), key=f"{KEY}preset", on_change=_take_preset)
    with _row():
        for label, name in (("Height", "height"), ("Width", "width"), ("Channels", "channels")):
            _number(label, name)
    with _row():
        _number("Latents k", "k")
        _number("Batch size B", "batch_size")


def _take_preset() -> None:
    if preset := st.session_state.get(f"{KEY}preset"):
        channels, height, width = PRESETS[preset]
        st.session_state.update({KEY + "channels": channels, KEY + "height": height, KEY + "width": width})
        into_address()


def reverse_question(label: str) -> float:
    """Draws the question for C; returns its answer."""
    return float(_number(label, "C") or 1.0)


def _row() -> Any:
    return st.container(horizontal=True, vertical_alignment="bottom", gap="medium")


def _sum_or_mean(label: str, name: str) -> None:
    st.segmented_control(label, ["sum", "mean"], required=True, **_widget(name))


def _number(label: str, name: str) -> float | int | None:
    field = FIELDS[name]
    if isinstance(field.usual, int):
        most = next(m for m in (16, LARGEST, 1_000_000) if field.read(str(m)) and not field.read(str(m + 1)))
        return st.number_input(label, 1, most, step=1, width=130, **_widget(name))
    least = LEAST_VARIANCE if name == "variance" else 1 / MOST
    return st.number_input(label, least, MOST, step=0.1, format="%g", width=170, **_widget(name))


def _widget(name: str) -> dict[str, Any]:
    return {"key": KEY + name, "on_change": into_address}
