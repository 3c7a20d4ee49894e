// The evidence for a direction: both sets along it, and its effect size among those of random pairs of sets.

import { svg } from "../modes/svg.js";

const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [320, 112, 8, 8, 18, 22];

/** Share of the values in each of `bins` equal parts of [low, high]; what lies outside counts to the outermost. */
export function shares(values, low, high, bins) {
  const counts = new Array(bins).fill(0);
  const width = (high - low) / bins || 1;
  for (const value of values)
    counts[Math.max(0, Math.min(bins - 1, Math.floor((value - low) / width)))] += 1 / values.length;
  return counts;
}

/** A round number of half steps that holds most of the values, for axes in units of the direction. */
export function reach(projections, length) {
  const all = projections.flatMap((values) => Array.from(values, (value) => value / length)).sort((x, y) => x - y);
  const at = (q) => all[Math.floor(q * (all.length - 1))];
  return [Math.min(-0.5, Math.floor(2 * at(0.005)) / 2), Math.max(1.5, Math.ceil(2 * at(0.995)) / 2)];
}

const bars = (values, most, className) => {
  const width = (WIDE - LEFT - RIGHT) / values.length;
  const points = values.flatMap((share, i) => {
    const y = (HIGH - BOTTOM - (share / most) * (HIGH - TOP - BOTTOM)).toFixed(1);
    return [`${(LEFT + i * width).toFixed(1)},${y}`, `${(LEFT + (i + 1) * width).toFixed(1)},${y}`];
  });
  return svg("polygon", {
    class: className,
    points: [`${LEFT},${HIGH - BOTTOM}`, ...points, `${WIDE - RIGHT},${HIGH - BOTTOM}`].join(" "),
  });
};

const frame = (label) =>
  svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "evidence", role: "img", "aria-label": label });

/** Both sets projected onto the direction, A's mean at 0 and B's at 1. */
export function setsChart({ projections, length }) {
  const [low, high] = reach(projections, length);
  const x = (value) => LEFT + ((value - low) / (high - low)) * (WIDE - LEFT - RIGHT);
  const found = projections.map((values) =>
    shares(
      Array.from(values, (value) => value / length),
      low,
      high,
      36,
    ),
  );
  const most = Math.max(...found.flat());
  const chart = frame("Where the images of A and B lie along the direction");
  chart.append(
    svg("line", { x1: LEFT, x2: WIDE - RIGHT, y1: HIGH - BOTTOM, y2: HIGH - BOTTOM, class: "axis" }),
    bars(found[0], most, "set-a"),
    bars(found[1], most, "set-b"),
    svg("text", { x: x(0), y: 11, class: "set-a" }, "A"),
    svg("text", { x: x(1), y: 11, class: "set-b" }, "B"),
    svg("line", { x1: x(0), x2: x(0), y1: TOP - 4, y2: HIGH - BOTTOM, class: "set-a" }),
    svg("line", { x1: x(1), x2: x(1), y1: TOP - 4, y2: HIGH - BOTTOM, class: "set-b" }),
  );
  for (let tick = Math.ceil(low); tick <= high; tick++) {
    chart.append(svg("text", { x: x(tick), y: HIGH - 7, class: "tick" }, String(tick).replace("-", "−")));
  }
  return chart;
}

/** The effect sizes of random pairs, and where this direction's lies among them. */
export function randomChart(effect, random) {
  const high = 1.12 * Math.max(effect, ...random, 0.1);
  const x = (value) => LEFT + (value / high) * (WIDE - LEFT - RIGHT);
  const found = shares(random, 0, high, 48);
  const range = `from ${Math.min(...random).toFixed(2)} to ${Math.max(...random).toFixed(2)}`;
  const chart = frame(`Cohen’s d ${effect.toFixed(2)} of this direction; random pairs ${range}`);
  const ownEnd = x(effect) > WIDE / 2;
  chart.append(
    svg("line", { x1: LEFT, x2: WIDE - RIGHT, y1: HIGH - BOTTOM, y2: HIGH - BOTTOM, class: "axis" }),
    bars(found, Math.max(...found), "random"),
    svg("line", { x1: x(effect), x2: x(effect), y1: TOP - 4, y2: HIGH - BOTTOM, class: "own" }),
    svg(
      "text",
      { x: x(effect) + (ownEnd ? 4 : -4), y: 11, class: ownEnd ? "own right" : "own" },
      `this direction, Cohen’s d = ${effect.toFixed(2)}`,
    ),
    svg("text", { x: LEFT, y: HIGH - 7, class: "start" }, "0"),
    svg("text", { x: WIDE - RIGHT, y: HIGH - 7, class: "right" }, "Cohen’s d of random pairs"),
  );
  return chart;
}

/** What the effect size says, in words; `done` random pairs so far, of `pairs`. */
export function verdict({ effect, sizes, random, pairs }) {
  const [a, b] = sizes.map((size) => size.toLocaleString("en-US"));
  if (effect === null)
    return `${a} and ${b} ${sizes[1] === 1 ? "image" : "images"}: an effect size takes two images in each set at least.`;
  const size = `Cohen’s d = ${effect.toFixed(2)}, sets of ${a} and ${b} images`;
  if (random.length < pairs) return `${size}; comparing with random pairs of sets, ${random.length} of ${pairs} …`;
  const exceeded = random.filter((value) => value < effect).length;
  const evidence = `${size}: larger than ${exceeded} of ${pairs} random pairs of sets of these sizes.`;
  if (exceeded >= 0.95 * pairs) return evidence;
  return `${evidence} Sets drawn blindly differ about as much, so this direction may be chance: take more images.`;
}
