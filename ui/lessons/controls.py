"""Sliders that keep their place when another step is opened, and new random numbers at a press."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

NICE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


def key_of(name: str) -> str:
    """Returns the key of a control; steps that share a name share its value."""
    return f"learn-{name}"


def slider(label: str, low: float, high: float, value: float, step: float, name: str) -> float:
    """Draws a slider; returns its value."""
    _default(name, value)
    return float(st.slider(label, low, high, step=step, key=key_of(name), persist_state="session"))


def whole(label: str, low: int, high: int, value: int, name: str) -> int:
    """Draws a slider of whole numbers; returns its value."""
    _default(name, value)
    return int(st.slider(label, low, high, step=1, key=key_of(name), persist_state="session"))


def choice(label: str, options: Sequence[Any], value: Any, name: str, words: Any = str) -> Any:
    """Draws a few options in a row; returns the chosen one."""
    _default(name, value)
    return st.segmented_control(
        label, options, key=key_of(name), format_func=words, required=True, persist_state="session"
    )


def along(label: str, options: Sequence[float], value: float, name: str) -> float:
    """Draws a slider over given numbers, for what varies by factors; returns the chosen one."""
    _default(name, value)
    return float(
        st.select_slider(label, options, key=key_of(name), format_func=lambda v: f"{v:,g}", persist_state="session")
    )


def by_factors(low: float, high: float) -> list[float]:
    """Returns the round numbers of every decade from low to high."""
    powers = range(-6, 7)
    values = [float(f"{nice * 10.0**power:.6g}") for power in powers for nice in NICE]
    return [value for value in values if low <= value <= high]


def seed(name: str, label: str = "New sample") -> int:
    """Draws a button for a new sample; returns the number of the sample, which it raises."""
    key = key_of(f"{name}-seed")
    st.session_state.setdefault(key, 0)

    def again() -> None:
        st.session_state[key] += 1

    st.button(label, icon=":material/casino:", key=key_of(f"{name}-again"), on_click=again)
    return int(st.session_state[key])


def _default(name: str, value: Any) -> None:
    st.session_state.setdefault(key_of(name), value)
