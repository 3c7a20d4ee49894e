"""log p(x) and the gap of a run while it trains: `evidence_panel(view)` on the Train page.

log p(x) = ELBO + KL(q(z|x) ‖ p(z|x)): steps of the encoder alone leave the left side where it is and close the gap.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import style
from ui.charts import figure
from ui.runs.run_view import RunView
from ui.train.evidence_track import EVERY, SAMPLES, Point, Track, track_of
from ui.train.halves import WORDS, half_at, halves_trained
from vae import runs
from vae.browser.drawing import Chart

FINISHING = 0.5  # seconds between two looks while the last measurement of an ended run goes on
SOON = 0.3  # seconds that the page waits for a quick measurement
SLOW = 1.0  # seconds after which a measurement shows how far it is
TITLE = "log p(x) and the gap"
IMAGES = {"test": "held-out images", "train": "training images"}
WAYS = {
    "closed form": "log p(x) in closed form: decoder linear, noise Gaussian. The second gap is computed from the "
    "posterior itself, which is normal.",
    "all codes": "log p(x) exact: the sum over all codes. The first gap takes the rate in closed form, the second as a "
    "sum over the codes.",
    "quadrature": "log p(x) by a sum over a grid of z. The first gap takes the rate in closed form and the distortion "
    "at nodes of q’s own, the second sums both over the grid.",
}
DIGITS = 3  # after the point
WHO = {"both": "Both halves train", "encoder": "Only the encoder trains", "decoder": "Only the decoder trains"}


def evidence_panel(view: RunView) -> None:
    """Draws a toggle; while it is on, what is known of the newest saved weights, and the curve over those before.
    Nothing of a loop of somebody's own without a model."""
    path = view.path
    if view.config.is_yours and not view.has_weights:
        return
    with st.container(key="panel-evidence"):
        if not st.toggle(TITLE, key=f"evidence-{path.name}", help="Of the newest saved weights."):
            return
        part = st.segmented_control(
            "Images", list(IMAGES), key=f"evidence-images-{path.name}", default="test", required=True,
            format_func=IMAGES.__getitem__, label_visibility="collapsed",
        ) or "test"  # fmt: skip
        track = track_of(path, part)
        track.look()
        track.wait(SOON)
        every = EVERY if view.active else FINISHING if track.busy else None
        st.fragment(_panel, run_every=every)(path, part, every is not None)


def _panel(path: Path, part: str, watching: bool) -> None:
    """Flat, without widgets: it is drawn again and again."""
    track = track_of(path, part)
    track.look()
    if watching and not track.busy and runs.read_status(path).state not in runs.ACTIVE:
        st.rerun()  # nothing moves any more: no timer either
    _progress(track)
    if not track.points:
        style.note(track.problem or "Measuring …")
        return
    point, changes = track.points[-1], halves_trained(RunView(path).history)
    st.markdown(r"$\log p(x) = \mathrm{ELBO} + \mathrm{KL}\big(q(z|x)\,\|\,p(z|x)\big)$")
    figure.show(bars(point), f"evidence-bars-{path.name}")
    style.facts(facts(point))
    style.note(how(point, part))
    if len(track.points) > 1:
        figure.show(curve(track.points, changes), f"evidence-curve-{path.name}")
        if sentence := what_moved(track.points, changes, part):
            style.note(sentence)


def _progress(track: Track) -> None:
    import time

    if track.busy and time.monotonic() - track.began > SLOW:
        st.progress(min(1.0, track.fraction), "Measuring the newest weights …")


def bars(point: Point) -> str:
    """Returns three bars that add up, as SVG."""
    ends = [0.0, point.log_px, point.elbo]
    span = max(ends) - min(ends) or 1.0
    estimated = "log p(x)" if point.kl is not None else "log p(x), a bound" if point.flagged else "log p(x), estimated"
    chart = Chart(
        (min(ends) - 0.03 * span, max(ends) + 0.03 * span),
        (0, 3),
        height=130,
        labels=("nats per image", ""),
        legend=[("faint", estimated), ("elbo", "ELBO"), ("posterior", "gap")],
        ticks=(None, {}),
    )
    chart.bar(0, point.log_px, 2.2, 2.8, "faint")
    chart.bar(0, point.elbo, 1.2, 1.8, "elbo")
    chart.bar(point.elbo, point.log_px, 0.2, 0.8, "posterior")
    chart.upright(point.log_px, "faint", dashed=True)
    gap = round(point.log_px, 2) - round(point.elbo, 2)
    return chart.svg(f"Bars: log p(x) {point.log_px:.2f} = ELBO {point.elbo:.2f} + gap {gap:.2f} nats.")


def facts(point: Point) -> dict[str, str]:
    """Returns the numbers, the gap in both ways where the posterior is known. The first gap is a difference as
    printed."""
    from ui.charts.checks import small  # torch takes its time

    number = style.number
    gap = round(point.log_px, DIGITS) - round(point.elbo, DIGITS)
    if point.error is None:
        gap = max(0.0, gap)  # every KL is at least that, whatever a bound below the ELBO says
    rows = {
        "log p(x)": ("≥ " if point.error is None else "") + number(point.log_px, DIGITS) + _error(point.error),
        "ELBO": number(point.elbo, DIGITS) + _error(point.elbo_error),
        "gap: log p(x) − ELBO": ("≥ " if point.error is None else "") + number(gap, DIGITS),
    }
    if point.kl is not None:
        rows["gap: KL(q ‖ posterior)"] = number(point.kl, DIGITS)
    if point.grid_difference is not None:
        where = f" ({point.worst_row})" if point.worst_row else ""
        moved = f"{small(point.grid_difference)} at most, image {point.worst}{where}"
        rows["finer grid moved log p(x) by"] = moved
    if point.effective is not None:
        rows[f"effective samples of {SAMPLES}"] = "median {:.0f}, smallest {:.0f}".format(*point.effective)
    return rows


def _error(error: float | None) -> str:
    return f" ± {style.number(error, DIGITS)}" if error else ""


def how(point: Point, part: str = "test") -> str:
    """Returns in words where the numbers come from."""
    images = IMAGES[part] if point.images > 1 else IMAGES[part].removesuffix("s")
    from_ = f"Mean over the first {point.images} {images}, nats, weights of step {point.step:,}."
    if point.kl is not None:
        return f"{from_} {WAYS[point.method]}"
    why = "log p(x) is not known exactly here"
    if point.grid_difference is not None:
        moved = style.number(point.grid_difference, 3)
        why = f"The grid is too coarse for this C: a finer grid moved log p(x) of an image by up to {moved} nats"
        if point.ways_differ is not None:
            why += f", and the gap in two ways differs by {style.number(point.ways_differ, 3)} nats"
    sentence = (
        f"{from_} {why}: the importance bound with {SAMPLES} samples estimates it and tends to be too low; so does the "
        "gap."
    )
    if point.flagged:
        sentence += (
            f" {point.flagged} of {point.images} images have too few effective samples, too heavy weights, or bits of "
            "which some code may never have been drawn: there the bound is only a bound, and no ± holds."
        )
    return f"{sentence} The second way to compute the gap needs the posterior."


def curve(points: list[Point], changes: list[tuple[int, str]]) -> str:
    """Returns log p(x) and the ELBO over steps, the gap between them; below, which half trained. SVG."""
    steps = [float(point.step) for point in points]
    low, high = min(p.elbo for p in points), max(max(p.log_px, p.elbo) for p in points)
    margin = 0.06 * (high - low) or 0.5
    floor = low - 3 * margin
    chart = Chart(
        (steps[0], steps[-1]),
        (floor, high + margin),
        height=220,
        labels=("step", "nats per image"),
        legend=[("faint", "log p(x)"), ("elbo", "ELBO"), ("posterior", "gap")],
    )
    for point in points:
        chart.line([point.step, point.step], [point.elbo, point.log_px], "posterior")
    chart.line(steps, [p.log_px for p in points], "faint")
    chart.line(steps, [p.elbo for p in points], "elbo")
    for start, end, half in _stretches(changes, points[0].step, points[-1].step):
        chart.bar(start, end, floor, floor + 0.35 * margin, "posterior" if half == "encoder" else "faint")
        late = start > steps[0] + 0.7 * (steps[-1] - steps[0])
        if end - start > 0.12 * (steps[-1] - steps[0]):
            place, anchor = (end, "end") if late else (start, "start")
            chart.word(place, floor + 0.7 * margin, WORDS[half], "faint", anchor)
    first, last = points[0], points[-1]
    return chart.svg(
        f"From step {first.step:,} to {last.step:,}: log p(x) {first.log_px:.2f} to {last.log_px:.2f}, "
        f"ELBO {first.elbo:.2f} to {last.elbo:.2f} nats."
    )


def _stretches(changes: list[tuple[int, str]], first: int, last: int) -> list[tuple[int, int, str]]:
    """Which half trained from where to where, as far as the curve goes."""
    ends = [start for start, _ in changes[1:]] + [last]
    cut = [(max(start, first), min(end, last), half) for (start, half), end in zip(changes, ends, strict=True)]
    return [(start, end, half) for start, end, half in cut if end > start]


def what_moved(points: list[Point], changes: list[tuple[int, str]], images: str = "test") -> str:
    """Returns what the present stretch of training did to log p(x) and to the gap; "" before it has two points."""
    half, begun = half_at(changes, points[-1].step), changes[-1][0]
    inside = [point for point in points if point.step >= begun and point.method == points[-1].method]
    if len(inside) < 2:
        return ""
    first, last = inside[0], inside[-1]
    who = WHO[half]
    moved = (
        f"{who} since step {begun:,}. Measured from step {first.step:,} to {last.step:,}, log p(x) moved by "
        f"{_signed(last.log_px - first.log_px)} nats, the gap by {_signed(last.gap - first.gap)} nats."
    )
    if half == "encoder" and images == "test" and last.gap > first.gap:
        moved += " It may grow here while it closes on training images, which an encoder can learn by heart."
    return moved


def _signed(value: float) -> str:
    return style.number(value, 3) if value < 0 else f"+{style.number(value, 3)}"
