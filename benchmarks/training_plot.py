"""Draws how far each training loop of `train_cpu.py` is from the matrix products alone: `draw` returns an SVG."""

from __future__ import annotations

import statistics
from html import escape
from typing import Any

from benchmarks.training_loops import CEILING, CEILING_BFLOAT16, SHIPPED

WIDTH, ROW, TOP = 880, 26, 44
LEFT, RIGHT = 300, 632  # of the bars
STYLE = """
svg { --ground: #fff; --text: #1f2328; --quiet: #59636e; --grid: #d1d9e0; --ours: #1f5fa8; --peers: #8a6d3b;
  --products: #59636e; --gap: #e6eaef; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --text: #e6edf3; --quiet: #9da7b3; --grid: #30363d; --ours: #6cb0f5; --peers: #d0ab6a;
    --products: #9da7b3; --gap: #21262d; } }
text { fill: var(--text); } .quiet { fill: var(--quiet); } .ground { fill: var(--ground); } .gap { fill: var(--gap); }
.ours { fill: var(--ours); } .peers { fill: var(--peers); } .products { fill: var(--products); }
.grid { stroke: var(--grid); } .range { stroke: var(--text); stroke-width: 1.5; fill: none; }
.ceiling { stroke: var(--text); stroke-width: 1.5; stroke-dasharray: 5 3; }
"""


def draw(found: dict[str, Any]) -> str:
    """Returns a bar for each loop of the task: its speed by CPU time in units of the float32 products', the median of
    the rounds and their range, and the gap to the products of its own precision."""
    rows = [row for row in found["table"] if row["threads"] == found["table"][0]["threads"] and CEILING in row["times"]]
    speeds = {row["loop"]: row["times"][CEILING]["cpu"] for row in rows}
    most = 1.08 * max(max(values) for values in speeds.values())
    bottom = TOP + ROW * len(rows)

    def x(speed: float) -> float:
        return LEFT + (RIGHT - LEFT) * speed / most

    step = 0.25 if most < 2 else 0.5
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 64}" font-family="sans-serif" '
        f'font-size="12" role="img"><title>{escape(found["task"])}</title><style>{STYLE}</style>'
        f'<rect class="ground" width="{WIDTH}" height="{bottom + 64}"/>'
    ]
    for n in range(int(most / step) + 1):
        parts.append(f'<path class="grid" d="M{x(n * step):.1f} {TOP - 4}V{bottom}"/>')
        parts.append(f'<text class="quiet" x="{x(n * step):.1f}" y="{bottom + 16}" text-anchor="middle">{n * step:g}')
        parts.append("</text>")
    for number, row in enumerate(rows):
        parts += bar(row["loop"], speeds, row["loop"] in bfloat16_loops(found), TOP + ROW * number, x)
    for name, words in ((CEILING, "float32 products"), (CEILING_BFLOAT16, "bfloat16 products")):
        if name in speeds:
            at = x(statistics.median(speeds[name]))
            parts.append(f'<path class="ceiling" d="M{at:.1f} {TOP - 8}V{bottom}"/>')
            parts.append(f'<text x="{at:.1f}" y="{TOP - 14}" text-anchor="middle">{words}</text>')
    legend = (
        (36, "images per CPU second, divided by those of the float32 products in the same round"),
        (54, "pale: the gap to the products of the loop’s own precision"),
    )
    for below, words in legend:
        parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{bottom + below}" text-anchor="middle">{words}</text>')
    return "".join([*parts, "</svg>\n"])


def bfloat16_loops(found: dict[str, Any]) -> set[str]:
    """The loops whose products are in bfloat16."""
    by_default = found["shipped"]["precision"] == "bfloat16"
    names = [row["loop"] for row in found["table"]]
    return {name for name in names if "bfloat16" in name or (by_default and name.startswith(SHIPPED))}


def bar(loop: str, speeds: dict[str, list[float]], in_bfloat16: bool, top: float, x: Any) -> list[str]:
    """The name, the bar with its range, the gap up to the ceiling, the figures."""
    values, ceiling = speeds[loop], CEILING_BFLOAT16 if in_bfloat16 else CEILING
    low, middle, high = min(values), statistics.median(values), max(values)
    kind = "products" if loop in (CEILING, CEILING_BFLOAT16) else "ours" if loop.startswith("ELBO Room") else "peers"
    y, text = top + ROW / 2, f"{middle:.2f} ({low:.2f}–{high:.2f})"
    parts = [f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(loop)}</text>']
    if ceiling in speeds and loop != ceiling:
        share = statistics.median(mine / theirs for mine, theirs in zip(values, speeds[ceiling], strict=True))
        end = max(middle, statistics.median(speeds[ceiling]))
        parts.append(
            f'<rect class="gap" x="{x(middle):.1f}" y="{top + 4}" width="{x(end) - x(middle):.1f}" height="{ROW - 8}"/>'
        )
        text += f", {share:.2f} of bfloat16" if in_bfloat16 else ""
    return [
        *parts,
        f'<rect class="{kind}" x="{LEFT}" y="{top + 4}" width="{x(middle) - LEFT:.1f}" height="{ROW - 8}"/>',
        f'<path class="range" d="M{x(low):.1f} {y}H{x(high):.1f}M{x(low):.1f} {y - 4}v8M{x(high):.1f} {y - 4}v8"/>',
        f'<text x="{RIGHT + 12}" y="{y + 4}">{text}</text>',
    ]
