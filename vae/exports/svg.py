"""Figures of a run as one SVG that every program reads: the ideas of its shapes written out as colours on white."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from vae.exports.export import Export, Progress
from vae.exports.figures import WIDTH, Panel, curve_panels, plane_panels
from vae.files import write_atomically
from vae.runs import Run

CURVES, PLANE = "curves", "plane"
MARGIN, TITLE, HEAD, GAP = 16, 24, 22, 10  # pixels
LINE, LETTERS = 15, 115  # pixels of a line of small words, and what it has room for
FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INKS = {  # those of the pages in the light theme
    "distortion": "#d55e00", "rate": "#0072b2", "prior": "#1f7f37", "posterior": "#aa3377", "sample": "#b98300",
    "faint": "#63645f", "bad": "#b3261e", "elbo": "#20242c",
}  # fmt: skip
LOOKS = {  # of a kind of shape, IDEA being its colour
    "line": 'fill="none" stroke="IDEA" stroke-width="1.8" stroke-linejoin="round"',
    "dashed": 'stroke-dasharray="5 4"',
    "area": 'fill="IDEA" fill-opacity="0.16"',
    "bar": 'fill="IDEA"',
    "dots": 'fill="none" stroke="IDEA" stroke-width="3" stroke-linecap="round" stroke-opacity="0.75"',
    "marker": 'fill="IDEA" stroke="#ffffff" stroke-width="1.2"',
    "axis": 'stroke="#e2ddd2"',
    "named": 'fill="IDEA" font-size="12"',
}


def inked(svg: str) -> str:
    """Returns a chart with colours instead of classes: Inkscape and word processors know no style sheet of a page."""
    svg = svg.replace("<text x=", '<text fill="#63645f" font-size="11" x=').replace(
        "<text transform=", '<text fill="#63645f" font-size="11" transform='
    )
    return re.sub(r'class="([a-z ]+)"', lambda found: _look(found[1].split()), svg)


def _look(classes: Sequence[str]) -> str:
    colour = next((INKS[name] for name in classes if name in INKS), INKS["elbo"])
    return " ".join(LOOKS[name].replace("IDEA", colour) for name in classes if name in LOOKS)


def figure(title: str, about: str, panels: Sequence[Panel]) -> str:
    """Returns the panels under each other with a title and a line about them; user's words are literal."""
    parts, y = list[str](), MARGIN + TITLE
    for panel in panels:
        parts.append(f'<text x="{MARGIN}" y="{y + 14}" font-size="12" font-weight="600">{escape(panel.title)}</text>')
        parts.append(f'<g transform="translate({MARGIN} {y + HEAD})">{inked(panel.chart.svg(panel.title, 0))}</g>')
        y += HEAD + panel.chart.size[1] + GAP
    lines = [f'<tspan x="{MARGIN}" dy="{LINE}">{escape(line)}</tspan>' for line in wrap(about, LETTERS)]
    width, height = WIDTH + 2 * MARGIN, y + 10 + LINE * len(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="{FONT}" fill="#20242c"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<text x="{MARGIN}" y="{MARGIN + 10}" font-size="14" font-weight="600">{escape(title)}</text>{"".join(parts)}'
        f'<text y="{y}" font-size="11" fill="#63645f">{"".join(lines)}</text></svg>\n'
    )


def _panels(run: Run, kind: str) -> tuple[list[Panel], str]:
    if kind == PLANE:
        about = (
            "Held-out means, upright their standard error where the run tells it; a diamond: not taken as converged; "
            "dashed: the best linear decoders."
        )
        return plane_panels(run), f"{about} {run.name} in ochre."
    from vae.model.likelihoods import LIKELIHOODS  # torch takes its time

    likelihood = LIKELIHOODS[run.config.likelihood or "gaussian"]
    about = "Means an image. Solid: held out; dashed: training, since the record before. Upright: C turned by hand."
    return curve_panels(run.history, likelihood.owns_C), about


def _why_not(run: Run, kind: str) -> str:
    if _panels(run, kind)[0]:
        return ""
    return "its history holds no held-out record; train it for some epochs first."


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    progress(0.0, "reading the history")
    panels, about = _panels(run, kind)
    title = f"{run.name}: {run.data.get('name', run.config.dataset)}, {run.config.likelihood or 'likelihood not told'}"
    write_atomically(file, figure(title, about, panels).encode())
    return {"panels": len(panels)}


SVG = Export(
    title="Figure (SVG)",
    about="Curves or planes as lines and words that stay sharp in print and can be changed in a drawing program.",
    ending=".svg",
    write=_write,
    kinds={
        CURVES: "distortion, rate and ELBO over the training, with its changes of C",
        PLANE: "distortion over rate of the run's sweep, or of all runs on its images",
    },
    why_not=_why_not,
)
