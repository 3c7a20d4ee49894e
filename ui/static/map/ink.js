// What is drawn in lines around the points: rings of the prior, axes, the posterior's ellipse, marks, names.

import { tickLabel, ticks } from "../shared/scale.js";

const RINGS = [1, 2, 3];

/** The share of the prior within r standard deviations, in words. In a plane lengths are Rayleigh: 1 − exp(−r²/2). */
const shareWithin = (r) => (100 * -Math.expm1(-(r ** 2) / 2)).toFixed(0);

export const ringLabel = (sigma) => `${sigma}σ, ${shareWithin(sigma)} %`;

/** What the rings are, for the page. */
export const aboutRings = `dashed: the prior at ${RINGS.join(", ")}σ, which hold ${RINGS.map(shareWithin).join(", ")} % of it`;

/** Circles at 1, 2, 3 standard deviations of the prior, above the points: a thin halo of the ground keeps them readable. */
export function rings(context, view, [x, y], { prior, card, font, type }, ratio) {
  const [px, py] = [view.toX(x), view.toY(y)];
  context.save();
  context.lineJoin = "round";
  context.font = `600 ${11 * type * ratio}px ${font}`;
  context.textAlign = "center";
  for (const sigma of RINGS) {
    const radius = sigma * view.scale;
    const [from, to] = arcWithin(view, px, py, radius);
    context.beginPath();
    context.arc(px, py, radius, from, to);
    context.setLineDash([]);
    inked(context, card, 3 * ratio, 0.55, () => context.stroke());
    context.setLineDash([3 * ratio, 4 * ratio]);
    inked(context, prior, 1.25 * ratio, 1, () => context.stroke());
    if (radius <= 40 * ratio) continue;
    const at = [ringLabel(sigma), px, view.toY(y + sigma) - 4 * ratio];
    context.setLineDash([]);
    inked(context, card, 3.5 * ratio, 0.9, () => context.strokeText(...at));
    inked(context, prior, ratio, 1, () => context.fillText(...at));
  }
  context.restore();
}

function inked(context, colour, lineWidth, globalAlpha, draw) {
  Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineWidth, globalAlpha });
  draw();
}

/** The angles of a circle between which it can be seen; far closer than its radius, dashes all around would be endless. */
export function arcWithin({ width, height }, px, py, radius) {
  const reach = Math.hypot(width, height);
  if (radius < 2 * reach) return [0, 2 * Math.PI];
  const middle = Math.atan2(height / 2 - py, width / 2 - px);
  return [middle - reach / radius, middle + reach / radius];
}

/** Ticks with numbers along the left and lower edges, and the axes' names. */
export function axes(context, view, [across, upwards], { faint, font, type }, ratio) {
  const { left, right, bottom, top } = view.bounds;
  context.save();
  context.fillStyle = context.strokeStyle = faint;
  context.lineWidth = ratio;
  context.font = `${11 * type * ratio}px ${font}`;
  const count = Math.max(3, view.width / ratio / type / 110);
  const length = 4 * ratio;
  const horizontal = ticks(left, right, count);
  context.textAlign = "center";
  for (const value of horizontal.values) {
    const x = Math.round(view.toX(value)) + 0.5;
    if (x < 34 * type * ratio || x > view.width - 60 * type * ratio) continue;
    context.fillRect(x, view.height - length, ratio, length);
    context.fillText(tickLabel(value, horizontal.step), x, view.height - 7 * ratio);
  }
  const vertical = ticks(bottom, top, (count * view.height) / view.width);
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const value of vertical.values) {
    const y = Math.round(view.toY(value)) + 0.5;
    if (y < 26 * type * ratio || y > view.height - 26 * type * ratio) continue;
    context.fillRect(0, y, length, ratio);
    context.fillText(tickLabel(value, vertical.step), 7 * ratio, y);
  }
  context.font = `600 ${11 * type * ratio}px ${font}`;
  context.textBaseline = "alphabetic";
  context.textAlign = "right";
  context.fillText(across, view.width - 8 * ratio, view.height - 7 * ratio);
  context.textAlign = "left";
  context.fillText(upwards, 8 * ratio, (5 + 11 * type) * ratio);
  context.restore();
}

/** The ellipses of 1 and 2 sigma around a place (x, y), as LinearLayout.ellipse gives them, with a cross. */
export function ellipse(context, view, [x, y], { major, minor, angle }, colour, ratio) {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = 2 * ratio;
  for (const sigma of [1, 2]) {
    context.globalAlpha = sigma === 1 ? 1 : 0.45;
    context.beginPath();
    context.ellipse(
      view.toX(x),
      view.toY(y),
      sigma * major * view.scale,
      sigma * minor * view.scale,
      -angle,
      0,
      2 * Math.PI,
    );
    context.stroke();
  }
  context.globalAlpha = 1;
  cross(context, view.toX(x), view.toY(y), 5 * ratio);
  context.restore();
}

function cross(context, px, py, arm) {
  context.beginPath();
  context.moveTo(px - arm, py);
  context.lineTo(px + arm, py);
  context.moveTo(px, py - arm);
  context.lineTo(px, py + arm);
  context.stroke();
}

/** A ring around a place; `ground` keeps it apart from the points beneath. */
export function mark(context, view, [x, y], colour, ground, radius, ratio) {
  context.save();
  for (const [width, stroke] of [
    [4.5, ground],
    [2, colour],
  ]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = stroke;
    context.beginPath();
    context.arc(view.toX(x), view.toY(y), radius * ratio, 0, 2 * Math.PI);
    context.stroke();
  }
  context.restore();
}

/** A filled dot in a ring, for what came from outside. */
export function dot(context, view, place, colour, ground, ratio) {
  mark(context, view, place, colour, ground, 10, ratio);
  context.save();
  context.fillStyle = colour;
  context.beginPath();
  context.arc(view.toX(place[0]), view.toY(place[1]), 5 * ratio, 0, 2 * Math.PI);
  context.fill();
  context.restore();
}

/** Where the pointer is. */
export function crosshair(context, px, py, colour, ground, ratio) {
  context.save();
  for (const [width, stroke] of [
    [3.5, ground],
    [1.5, colour],
  ]) {
    context.lineWidth = width * ratio;
    context.strokeStyle = stroke;
    cross(context, px, py, 7 * ratio);
  }
  context.restore();
}

/** The outline of a lasso or box, in data coordinates. */
export function outline(context, view, shape, colour, ratio) {
  if (!shape || shape.length < 2) return;
  context.save();
  context.beginPath();
  shape.forEach(([x, y], i) =>
    i ? context.lineTo(view.toX(x), view.toY(y)) : context.moveTo(view.toX(x), view.toY(y)),
  );
  context.closePath();
  context.fillStyle = context.strokeStyle = colour;
  context.globalAlpha = 0.08;
  context.fill("evenodd");
  context.globalAlpha = 1;
  context.lineWidth = 1.5 * ratio;
  context.setLineDash([5 * ratio, 3 * ratio]);
  context.stroke();
  context.restore();
}

/** Names of classes where their points lie thickest; a halo keeps them readable. */
export function names(context, view, labels, { text, card, font, type }, ratio) {
  context.save();
  context.font = `650 ${13 * type * ratio}px ${font}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const {
    name,
    place: [x, y],
  } of labels) {
    const [px, py] = [view.toX(x), view.toY(y)];
    if (px < 0 || py < 0 || px > view.width || py > view.height) continue;
    context.strokeStyle = card;
    context.globalAlpha = 0.85;
    context.lineWidth = 4 * ratio;
    context.strokeText(name, px, py);
    context.globalAlpha = 1;
    context.fillStyle = text;
    context.fillText(name, px, py);
  }
  context.restore();
}

/**
 * For each class the median place of its points, from at most 4,000 of all.
 *
 * @param {Float32Array} xy
 * @param {Uint8Array} kinds
 * @param {{ index: number, name: string }[]} classes
 * @returns {{ name: string, place: import("./types.js").Place }[]}
 */
export function namePlaces(xy, kinds, classes) {
  const step = Math.max(1, Math.floor(kinds.length / 4000));
  return classes.flatMap(({ index, name }) => {
    /** @type {number[][]} */
    const [xs, ys] = [[], []];
    for (let i = 0; i < kinds.length; i += step) {
      if (kinds[i] !== index) continue;
      xs.push(xy[2 * i]);
      ys.push(xy[2 * i + 1]);
    }
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    return xs.length ? [{ name, place: [median(xs), median(ys)] }] : [];
  });
}
