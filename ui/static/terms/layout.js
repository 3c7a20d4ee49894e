// Where things go in a plane of rate and what it is traded for: frame, marks, labels. No drawing here.

import { ticks } from "../shared/scale.js";
import { terse } from "../shared/format.js";

export const MARGIN = { left: 50, right: 18, top: 26, bottom: 40 };
export const [RADIUS, PICKED, REACH] = [4.5, 6.5, 16]; // of a point, of the chosen one, within which a pointer takes one
const LABEL = { height: 13, gap: 3 };
const SIDES = [[0, 1], [0.75, 1], [0, -1], [0.75, -1], [1, 0], [-0.75, -1], [-1, 0], [-0.75, 1]]; // prettier-ignore
const GRAIN = 6; // pixels between two places of a line that labels keep off
const LINES = 9; // of equal ELBO, about

/**
 * @typedef {object} Point  One run, as Python says it (ui/terms/planes.py).
 * @property {string} name
 * @property {number | null} C
 * @property {number} rate  nats
 * @property {number | null} rate_error
 * @property {number | null} squared_error  pixel²
 * @property {number | null} squared_error_error
 * @property {number | null} distortion  nats
 * @property {number | null} distortion_error
 * @property {number | null} curve  which curve it is on, null for none
 * @property {number | null} slope  that theory asks for
 * @property {boolean} weighed  whether C weighs the distortion
 * @property {string} unsettled  why it counts as not converged, "" where it has
 * @property {number | null} step  of its picture, null where there is none
 * @property {string} words  state and numbers, for its card
 *
 * @typedef {"squared_error" | "distortion"} Kind
 * @typedef {{ left: number, right: number, top: number, bottom: number, x: number[], y: number[], px: (value: number) => number, py: (value: number) => number }} Frame
 * @typedef {{ point: Point, x: number, y: number, tall: number, wide: number }} Mark
 */

const FALL = 0.4; // nats of distortion that the plane shows at least, a nat of rate that it shows

/** The points that have a place in a plane. */
export const shownIn = (/** @type {Point[]} */ points, /** @type {Kind} */ kind) =>
  points.filter((point) => Number.isFinite(point[kind]) && (kind === "distortion" || !point.weighed));

/** All values with some room, `least` of the axis's unit from end to end where they lie closer. */
function range(values, least) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.08 * (high - low), (least - (high - low)) / 2);
  return [low - room, high + room];
}

/**
 * The frame of a plane: both axes hold all points with their errors, rate from 0; the linear decoder's curve may run out of it.
 *
 * @param {Point[]} points
 * @param {Kind} kind
 * @returns {Frame}
 */
export function frameOf(points, kind, width, height) {
  const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
  const known = points.length ? points : [/** @type {Point} */ ({ rate: 1, squared_error: 1, distortion: 1 })];
  const ends = (/** @type {Point} */ point, name) => {
    const error = point[`${name}_error`] ?? 0;
    return [point[name] - error, point[name] + error];
  };
  const most = range([0, ...known.flatMap((point) => ends(point, "rate"))], 0.5)[1];
  const falls = FALL * most; // of the lines of equal ELBO: one run alone would else make them upright
  const x = [-0.03 * most, most]; // a point at rate 0 is whole
  const y = range(
    known.flatMap((point) => ends(point, kind)),
    kind === "distortion" ? falls : 0.01,
  );
  return {
    left,
    right,
    top,
    bottom,
    x,
    y,
    px: (value) => left + ((value - x[0]) / (x[1] - x[0])) * (right - left),
    py: (value) => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - top),
  };
}

/** Distortion + rate of lines of equal ELBO through the frame, at round numbers of nats. */
export function elboLines({ x, y }) {
  return ticks(y[0] + x[0], y[1] + x[1], LINES).values;
}

/** Every point's place in pixels, and how far its errors reach. */
export const marksOf = (points, kind, frame) =>
  points.map((point) => {
    const [x, y] = [frame.px(point.rate), frame.py(point[kind])];
    const tall = Math.abs(frame.py(point[kind] + (point[`${kind}_error`] ?? 0)) - y);
    return { point, x, y, tall, wide: Math.abs(frame.px(point.rate + (point.rate_error ?? 0)) - x) };
  });

/**
 * The labels of points, C, where there is room around them: over no point or its errors, no curve and no other label.
 * The chosen one comes first; of a crowd as many as fit are told.
 *
 * @param {Mark[]} marks
 * @param {(text: string) => number} measure
 * @returns {{ text: string, x: number, y: number, name: string }[]}  x the middle, y the base line
 */
export function placeLabels(marks, frame, measure, chosen = "") {
  const taken = new Crowd();
  for (const { x, y, tall, wide } of marks) {
    taken.add({ left: x - RADIUS, right: x + RADIUS, top: y - RADIUS, bottom: y + RADIUS });
    if (tall > RADIUS) taken.add({ left: x - 1, right: x + 1, top: y - tall, bottom: y + tall });
    if (wide > RADIUS) taken.add({ left: x - wide, right: x + wide, top: y - 1, bottom: y + 1 });
  }
  for (const row of joined(marks)) taken.addLine(row);
  const placed = [];
  const order = [...marks].sort((a, b) => Number(b.point.name === chosen) - Number(a.point.name === chosen));
  for (const { point, x, y } of order) {
    if (point.C === null) continue;
    const text = terse(point.C);
    const half = measure(text) / 2;
    for (const [across, up] of SIDES) {
      const middle = x + across * (RADIUS + LABEL.gap + half);
      const base = y + (up > 0 ? -RADIUS - LABEL.gap : up < 0 ? RADIUS + LABEL.height - 1 : 4);
      const box = { left: middle - half, right: middle + half, top: base - LABEL.height + 2, bottom: base + 2 };
      const inside = box.left >= frame.left && box.right <= frame.right + MARGIN.right && box.bottom <= frame.bottom;
      if (!inside || box.top < 0 || taken.hit(box)) continue;
      taken.add(box);
      placed.push({ text, x: middle, y: base, name: point.name });
      break;
    }
  }
  return placed;
}

/** Boxes by the cells that they touch, so that a thousand of them are asked quickly. */
class Crowd {
  constructor() {
    this.cells = new Map();
  }

  *_cells({ left, right, top, bottom }) {
    for (let x = Math.floor(left / 32); x <= Math.floor(right / 32); x++)
      for (let y = Math.floor(top / 32); y <= Math.floor(bottom / 32); y++) yield `${x},${y}`;
  }

  add(box) {
    for (const cell of this._cells(box)) this.cells.set(cell, [...(this.cells.get(cell) ?? []), box]);
  }

  addLine(places) {
    for (let i = 1; i < places.length; i++) {
      const [a, b] = [places[i - 1], places[i]];
      const count = Math.ceil(Math.hypot(b.x - a.x, b.y - a.y) / GRAIN);
      for (let j = 1; j < count; j++) {
        const [x, y] = [a.x + ((b.x - a.x) * j) / count, a.y + ((b.y - a.y) * j) / count];
        this.add({ left: x - 1, right: x + 1, top: y - 1, bottom: y + 1 });
      }
    }
  }

  hit(box) {
    for (const cell of this._cells(box))
      for (const other of this.cells.get(cell) ?? [])
        if (box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top)
          return true;
    return false;
  }
}

/** The mark nearest to a place within REACH, or null. */
export function markAt(marks, x, y) {
  let [best, least] = [null, REACH ** 2];
  for (const mark of marks) {
    const far = (mark.x - x) ** 2 + (mark.y - y) ** 2;
    if (far < least) [best, least] = [mark, far];
  }
  return best;
}

/** The next point along the curve of the chosen one, by C; the first of all where none is chosen. */
export function neighbour(points, chosen, direction) {
  const here = points.find(({ name }) => name === chosen);
  if (!here) return points[0]?.name ?? null;
  const along = points.filter(({ curve }) => curve === here.curve).sort((a, b) => (a.C ?? 0) - (b.C ?? 0));
  return along[along.indexOf(here) + direction]?.name ?? null;
}

/** The curves as rows of marks, by C. */
export function joined(marks) {
  const found = new Map();
  for (const mark of marks)
    if (mark.point.curve !== null) found.set(mark.point.curve, [...(found.get(mark.point.curve) ?? []), mark]);
  return [...found.values()].map((row) => row.sort((a, b) => a.point.C - b.point.C));
}
