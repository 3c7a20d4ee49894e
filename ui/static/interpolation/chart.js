// ‖z‖ along the straight and the spherical path, against where the prior's draws lie, and what that means in words.

import { norm } from "../latent/space.js";
import { degrees, PATHS } from "./paths.js";
import { normRange } from "../latent/normal.js";
import { svg } from "../modes/svg.js";

const [WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM] = [320, 128, 30, 64, 10, 20];
const POINTS = 41;

/** ‖z‖ of both paths at POINTS places. */
export const lengths = (a, b) =>
  Object.fromEntries(
    Object.entries(PATHS).map(([name, path]) => [
      name,
      Array.from({ length: POINTS }, (_, i) => norm(path(a, b, i / (POINTS - 1)))),
    ]),
  );

/** Why spherical, with this pair's own numbers. */
export function reading(a, b) {
  const k = a.length;
  const along = lengths(a, b);
  const [low, high] = normRange(k);
  const least = Math.min(...along.straight);
  const ends = Math.min(norm(a), norm(b));
  const apart = `${degrees(a, b).toFixed(0)}° apart`;
  const typical = `√${k} = ${Math.sqrt(k).toFixed(2)}`;
  const usual = `Nine of ten draws from the prior have ‖z‖ between ${low.toFixed(2)} and ${high.toFixed(2)} (${typical}).`;
  if (k < 4) {
    const dimensions = k === 1 ? "one dimension" : `${k} dimensions`;
    return `${usual} With ${dimensions} the prior is densest at the centre, so a straight path through it is as good as a curved one.`;
  }
  if (least < low && ends >= low) {
    return (
      `${usual} The straight path falls to ${least.toFixed(2)}, where the decoder has hardly been trained; ` +
      "the spherical one keeps the length of the codes."
    );
  }
  if (least > 0.97 * ends)
    return `${usual} These two codes point in similar directions (${apart}): the two paths differ little.`;
  return `${usual} The straight path cuts the corner, down to ${least.toFixed(2)}; the spherical one keeps the length of the codes (${apart}).`;
}

export class LengthChart {
  constructor() {
    this.root = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "lengths", role: "img" });
    this.now = svg("circle", { r: 4, class: "now" });
  }

  draw(a, b, path) {
    const along = lengths(a, b);
    const [low, high] = normRange(a.length);
    const most = 1.08 * Math.max(high, ...along.straight, ...along.spherical);
    this.x = (t) => LEFT + t * (WIDE - LEFT - RIGHT);
    this.y = (value) => HIGH - BOTTOM - (value / most) * (HIGH - TOP - BOTTOM);
    const { x, y } = this;
    const root = Math.sqrt(a.length);
    const line = (name) =>
      svg("polyline", {
        points: along[name].map((value, i) => `${x(i / (POINTS - 1)).toFixed(1)},${y(value).toFixed(1)}`).join(" "),
        class: `path ${name === path ? "own" : "other"}`,
      });
    const end = WIDE - RIGHT;
    this.root.replaceChildren(
      svg("rect", { x: LEFT, width: end - LEFT, y: y(high), height: y(low) - y(high), class: "prior-range" }),
      svg("line", { x1: LEFT, x2: end, y1: y(root), y2: y(root), class: "prior-root" }),
      svg("line", { x1: LEFT, x2: end, y1: y(0), y2: y(0), class: "axis" }),
      svg("text", { x: end + 6, y: y(root) + 4, class: "prior-text" }, `√${a.length}`),
      svg("text", { x: end + 6, y: y(high) + 4, class: "prior-text" }, "prior 90 %"),
      svg("text", { x: LEFT - 6, y: y(0) + 4, class: "tick" }, "0"),
      svg("text", { x: LEFT - 6, y: TOP + 4, class: "tick" }, "‖z‖"),
      svg("text", { x: LEFT, y: HIGH - 5, class: "end" }, "A"),
      svg("text", { x: end, y: HIGH - 5, class: "end" }, "B"),
      ...Object.keys(PATHS)
        .sort((name) => (name === path ? 1 : -1))
        .map(line),
      this.now,
    );
    this.root.setAttribute(
      "aria-label",
      `Length of z from A to B: straight path ${along.straight[0].toFixed(2)}, halfway ` +
        `${along.straight[(POINTS - 1) / 2].toFixed(2)}, at B ${along.straight[POINTS - 1].toFixed(2)}; spherical path halfway ` +
        `${along.spherical[(POINTS - 1) / 2].toFixed(2)}; nine of ten prior draws between ${low.toFixed(2)} and ${high.toFixed(2)}.`,
    );
  }

  /** Where the scrubber stands. */
  at(t, z) {
    if (!this.x) return;
    this.now.setAttribute("cx", this.x(t));
    this.now.setAttribute("cy", this.y(norm(z)));
  }
}
