"""The race of estimators on a toy: curves of the exact ELBO and of q's entropy as they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from ui import style
from ui.binary.job import follow
from ui.binary.table import COLOURS, colour_of
from ui.charts import figure
from vae.browser.drawing import Chart

if TYPE_CHECKING:
    from vae.lessons.toy_gradient import Lap

USUAL = ("exact", "rloo-4", "score", "printed")
NOISES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
STEPS = (100, 200, 500, 1000, 2000)
COPIES = 16
LAPS = 50  # points of a curve


@dataclass(frozen=True)
class Setting:
    names: tuple[str, ...]
    bits: int
    pixels: int
    noise: float
    rate: float
    steps: int
    seed: int


@dataclass(frozen=True)
class Standing:
    """The race so far: the best q and log p(x) of the toy in nats, and a list of laps for each estimator."""

    best: float
    log_px: float
    laps: dict[str, list[Lap]]


def run_race(setting: Setting) -> Iterator[tuple[float, Standing]]:
    """Yields how much of the race is done, 0 to 1, and how it stands."""
    from vae.lessons.toy_gradient import best_elbo, make_toy, race

    toy = make_toy(setting.bits, setting.pixels, setting.noise, setting.seed)
    standing = Standing(best_elbo(toy), toy.log_px, {name: [] for name in setting.names})
    every = max(1, setting.steps // LAPS)
    for laps in race(toy, setting.names, setting.steps, setting.rate, COPIES, setting.seed, every):
        standing = Standing(standing.best, standing.log_px, {n: [*standing.laps[n], lap] for n, lap in laps.items()})
        yield next(iter(laps.values())).step / setting.steps, standing


def race_settings() -> Setting | None:
    """Draws the settings; returns them, or None where no estimator is chosen."""
    for key, usual in (
        ("names", list(USUAL)),
        ("noise", 4.0),
        ("rate", 0.1),
        ("steps", 500),
        ("bits", 8),
        ("pixels", 3),
    ):
        st.session_state.setdefault(f"race-{key}", usual)
    names = st.pills("Who runs", list(COLOURS), selection_mode="multi", key="race-names")
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        bits = st.slider("Bits", 4, 8, key="race-bits", width=150)
        pixels = st.slider("Pixels D", 1, 16, key="race-pixels", width=150)
        noise = st.select_slider("Noise c", NOISES, key="race-noise", format_func=lambda c: f"{c:g}", width=150)
        rate = st.select_slider("Learning rate", RATES, key="race-rate", width=150)
        steps = st.select_slider("Steps", STEPS, key="race-steps", format_func=lambda n: f"{n:,}", width=150)
        seed = st.number_input("Seed of the toy", 0, 999_999, step=1, key="race-seed", width=130)
    if not names:
        style.note("Choose at least one estimator.")
        return None
    ordered = tuple(name for name in COLOURS if name in names)
    return Setting(ordered, int(bits), int(pixels), float(noise), float(rate), int(steps), int(seed))


def race_section() -> None:
    """Draws the settings of the race, and the race as it goes on."""
    setting = race_settings()
    if setting is not None:
        follow("race", setting, lambda: run_race(setting), draw)


def draw(standing: Standing) -> None:
    """Draws how the race stands."""
    left, right = st.columns(2, gap="large")
    with left:
        style.label("ELBO of q, exact")
        figure.show(elbo_chart(standing), "race-elbo")
    with right:
        style.label("Entropy of q, exact")
        figure.show(entropy_chart(standing), "race-entropy")
    style.note(words(standing))


def elbo_chart(standing: Standing) -> str:
    """Returns the curves of the exact ELBO as SVG."""
    curves = {name: [lap.elbo for lap in laps] for name, laps in standing.laps.items() if laps}
    low = min(min(values) for values in curves.values())
    shown = sorted(value for values in curves.values() for value in values)
    low = max(low, shown[len(shown) // 50] - 0.1)  # the very first steps may lie far below
    chart = _chart(standing, (low, standing.log_px + 0.03 * (standing.log_px - low)))
    chart.level(standing.log_px, "faint", dashed=True)
    chart.level(standing.best, "faint")
    _curves(chart, standing, curves)
    ends = ", ".join(f"{name} {values[-1]:.2f}" for name, values in curves.items())
    return _coloured(
        chart.svg(f"ELBO by step: {ends}; best q {standing.best:.2f}, log p(x) {standing.log_px:.2f} nats.")
    )


def entropy_chart(standing: Standing) -> str:
    """Returns the curves of the exact entropy of q as SVG."""
    curves = {name: [lap.entropy for lap in laps] for name, laps in standing.laps.items() if laps}
    chart = _chart(standing, (0.0, 1.05 * max(max(values) for values in curves.values())))
    _curves(chart, standing, curves)
    return _coloured(
        chart.svg("Entropy of q by step: " + ", ".join(f"{name} {values[-1]:.2f}" for name, values in curves.items()))
    )


def _chart(standing: Standing, y: tuple[float, float]) -> Chart:
    last = max(lap.step for laps in standing.laps.values() for lap in laps)
    legend = [(f"est-{name}", name) for name in standing.laps]
    return Chart((0, max(last, 1)), y, labels=("step", "nats"), legend=legend)


def _curves(chart: Chart, standing: Standing, curves: dict[str, list[float]]) -> None:
    for name, values in curves.items():
        chart.line([lap.step for lap in standing.laps[name]], values, f"est-{name}")


def _coloured(svg: str) -> str:
    """With a colour for each estimator."""
    colours = "".join(f".est-{name}{{--idea:{colour_of(name)}!important}}" for name in COLOURS)
    return svg.replace("</svg>", f"<style>{colours}</style></svg>")


def words(standing: Standing) -> str:
    """Returns in words what the best q reaches, and where each estimator stands."""
    number = style.number
    ends = "; ".join(
        f"{name} {number(laps[-1].elbo, 2)} with entropy {number(laps[-1].entropy, 2)}"
        for name, laps in standing.laps.items()
        if laps
    )
    return (
        f"The best q that factorises: {number(standing.best, 2)} nats (solid line; exact gradient from many starts). "
        f"log p(x): {number(standing.log_px, 2)} (dashed). Now, means over {COPIES} copies of q: {ends}."
    )
