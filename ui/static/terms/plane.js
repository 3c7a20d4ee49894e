// One plane drawn: on a canvas for the screen, or on an SvgContext for a file.

import { tickLabel, ticks } from "../shared/scale.js";
import { elboLines, frameOf, joined, MARGIN, marksOf, PICKED, placeLabels, RADIUS, shownIn } from "./layout.js";

const SIZE = 11;
const AXES = { squared_error: "squared error per image, pixel²", distortion: "distortion, nats" };

/** @import { Kind, Point } from "./layout.js" */

/** Everything about a plane of this size that does not depend on the pointer. */
export function arrange(/** @type {Point[]} */ points, /** @type {Kind} */ kind, width, height, measure, chosen) {
  const shown = shownIn(points, kind);
  const frame = frameOf(shown, kind, width, height);
  const marks = marksOf(shown, kind, frame);
  const sorted = joined(marks); // before the labels, which leave the order of marks alone
  return { kind, width, height, frame, marks, rows: sorted, labels: placeLabels(marks, frame, measure, chosen) };
}

/** Draw it. `chosen`: a run's name; `hover`: another's; `linear`: the linear decoder's curve, or []. */
export function drawPlane(context, plan, { palette, linear, chosen, hover }) {
  const { frame, kind } = plan;
  context.lineWidth = 1;
  axes(context, plan, palette);
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top - 20, frame.right - frame.left + MARGIN.right, frame.bottom - frame.top + 20);
  context.clip();
  if (kind === "distortion") equalElbo(context, frame, palette);
  const along = linear.map((one) => ({ x: frame.px(one.rate), y: frame.py(one[kind]) }));
  line(context, along, palette.faint, 1.2, [5, 4]);
  for (const row of plan.rows) line(context, row, palette.text, 1.6);
  const picked = plan.marks.find(({ point }) => point.name === chosen);
  if (picked) tangent(context, plan, picked, palette);
  for (const mark of plan.marks) errors(context, mark, palette);
  for (const mark of plan.marks) if (mark !== picked) dot(context, mark, palette, palette.text, RADIUS);
  if (picked) dot(context, picked, palette, palette.sample, PICKED);
  const over = plan.marks.find(({ point }) => point.name === hover);
  if (over) ring(context, over, palette);
  context.restore();
  labels(context, plan, palette, chosen);
}

function axes(context, { kind, width, frame }, palette) {
  const { x, y, left, right, bottom, px, py } = frame;
  context.font = `${SIZE}px ${palette.font}`;
  context.strokeStyle = palette.hair;
  context.fillStyle = palette.faint;
  context.setLineDash([]);
  context.textBaseline = "middle";
  context.textAlign = "right";
  const across = ticks(y[0], y[1], 5);
  for (const value of across.values) {
    line(context, [{ x: left, y: py(value) }, { x: right, y: py(value) }], palette.hair, 1); // prettier-ignore
    context.fillText(tickLabel(value, across.step), left - 8, py(value));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  const along = ticks(x[0], x[1], Math.max(3, Math.min(8, (right - left) / 70)));
  for (const value of along.values) context.fillText(tickLabel(value, along.step), px(value), bottom + 6);
  context.textBaseline = "alphabetic";
  context.textAlign = "right";
  context.fillText("rate, nats", width - MARGIN.right, bottom + 34);
  context.textAlign = "left";
  context.fillText(AXES[kind], 4, 11);
}

function equalElbo(context, frame, palette) {
  const { x, px, py } = frame;
  for (const sum of elboLines(frame)) {
    const ends = x.map((rate) => ({ x: px(rate), y: py(sum - rate) }));
    line(context, ends, palette.prior, 0.8, [1.5, 4]);
  }
}

/** The slope that theory asks for, as a line through the chosen point, in the plane where the law holds. */
function tangent(context, { kind, frame }, { point }, palette) {
  if (point.slope === null || (kind === "distortion") !== point.weighed) return;
  const reach = 0.28 * (frame.x[1] - frame.x[0]);
  const high = 0.35 * (frame.y[1] - frame.y[0]);
  const far = Math.min(reach, high / Math.abs(point.slope));
  const ends = [-far, far].map((by) => ({
    x: frame.px(point.rate + by),
    y: frame.py(point[kind] + by * point.slope),
  }));
  line(context, ends, palette.sample, 2);
}

function errors(context, { x, y, tall, wide }, palette) {
  if (tall > RADIUS) line(context, [{ x, y: y - tall }, { x, y: y + tall }], palette.faint, 1); // prettier-ignore
  if (wide > RADIUS) line(context, [{ x: x - wide, y }, { x: x + wide, y }], palette.faint, 1); // prettier-ignore
}

/** Hollow where the run has not converged. */
function dot(context, { point, x, y }, palette, colour, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = point.unsettled ? palette.card : colour;
  context.fill();
  context.lineWidth = point.unsettled ? 1.8 : 1;
  context.strokeStyle = point.unsettled ? colour : palette.card;
  context.stroke();
}

function ring(context, { x, y }, palette) {
  context.beginPath();
  context.arc(x, y, PICKED + 3, 0, 7);
  context.lineWidth = 2;
  context.strokeStyle = palette.sample;
  context.stroke();
}

function labels(context, { labels: placed }, palette, chosen) {
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  for (const { text, x, y, name } of placed) {
    context.fillStyle = name === chosen ? palette.sample : palette.text;
    context.font = `${name === chosen ? 650 : 400} ${SIZE}px ${palette.font}`;
    context.fillText(text, x, y);
  }
}

function line(context, places, colour, width, dash = []) {
  if (places.length < 2) return;
  context.beginPath();
  places.forEach(({ x, y }, i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.setLineDash(dash);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
  context.setLineDash([]);
}
