// Axes: ticks, ranges and the reduction of a long series to the pixels it is drawn on. No drawing here.

import { fixed } from "./format.js";

/** Round tick values inside [low, high], about `count` of them, and the step between two. */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  if (!(raw > 0) || !Number.isFinite(raw)) return { values: [low], step: 1 };
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((m) => m * power >= raw * 0.999) ?? 10) * power;
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(i * step + 0); // never −0
  return { values, step };
}

/** A tick's label with as many decimals as the step needs; in millions on an axis whose `largest` tick has them. */
export function tickLabel(value, step, largest = Math.abs(value)) {
  if (value !== 0 && largest >= 1e9) {
    const digits = Math.floor(Math.log10(Math.abs(value)) + 1e-9) - Math.floor(Math.log10(step) + 1e-9);
    return value
      .toExponential(Math.min(4, Math.max(0, digits)))
      .replace("e+", "e")
      .replaceAll("-", "−");
  }
  if (value !== 0 && largest >= 1e6) return `${tickLabel(value / 1e6, step / 1e6, 0)}M`;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = fixed(decimals).format(value);
  return (Number(text.replace(/,/g, "")) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** @typedef {{ index: number, count: number, x: number, mean: number, low: number, high: number }} Strip */

/**
 * One entry per strip of `strip` pixels that holds points of the series (first `n` of xs ascending, ys): mean place,
 * lowest, highest and mean value. So a history of any length costs one pass and is drawn with its extremes kept.
 */
export function columns(xs, ys, n, end, width, strip = 1) {
  return new Columns(strip).of(xs, ys, n, end, width);
}

/** `columns` of a series that grows: what was taken in before is not looked at again. */
export class Columns {
  constructor(/** @type {number} */ strip) {
    this.strip = strip;
    this.taken = 0; // points of the series
    /** @type {ArrayLike<number> | null} */ this.xs = null;
    /** @type {ArrayLike<number> | null} */ this.ys = null;
    this.scale = NaN; // pixels for one of x
    /** @type {Strip[]} */ this.found = [];
  }

  /** The columns of the first `n` points, good until the next call. */
  of(xs, ys, n, end, width) {
    const scale = width / (end || 1);
    if (xs !== this.xs || ys !== this.ys || scale !== this.scale || n < this.taken) {
      Object.assign(this, { xs, ys, scale, taken: 0, found: [] });
    }
    let column = this.found.at(-1);
    for (let i = this.taken; i < n; i++) {
      const y = ys[i];
      if (Number.isNaN(y)) continue;
      const at = xs[i] * scale;
      const index = Math.floor(at / this.strip);
      if (column === undefined || index !== column.index) {
        column = { index, count: 0, x: 0, mean: 0, low: y, high: y };
        this.found.push(column);
      }
      column.count += 1;
      column.x += (at - column.x) / column.count;
      column.mean += (y - column.mean) / column.count;
      if (y < column.low) column.low = y;
      if (y > column.high) column.high = y;
    }
    this.taken = n;
    return this.found;
  }
}

/** The value below which a share `q` of the sorted values lies, interpolated. */
export function quantile(sorted, q) {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  return sorted[below] + (at - below) * (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]);
}

/**
 * The range of an axis: all values, unless a few (the first steps, as a rule) lie so far out that they would
 * flatten the rest. The newest values are always inside. `floor` is a bound the quantity has, such as 0 for a rate;
 * `trim` false leaves nothing out.
 */
export function robustRange(cols, latest = [], floor = -Infinity, trim = true) {
  const known = latest.filter(Number.isFinite);
  const means = Float64Array.from([...cols.map((c) => c.mean), ...known]).sort();
  if (!means.length) return { low: 0, high: 1 };
  let low = Math.min(...known, ...cols.map((c) => c.low));
  let high = Math.max(...known, ...cols.map((c) => c.high));
  if (trim && means.length >= 12) {
    const [q0, q1] = [quantile(means, 0.05), quantile(means, 0.95)];
    const span = q1 - q0 || Math.abs(q1) * 0.02 || 1;
    if (low < q0 - 0.8 * span) low = Math.min(q0 - 0.2 * span, ...known);
    if (high > q1 + 0.8 * span) high = Math.max(q1 + 0.2 * span, ...known);
  }
  const span = Math.max(high - low, Math.abs(high) * 0.02, 0.1);
  const { step } = ticks(low, high + span * 0.01, 16);
  low = Math.floor((low - span * 0.04) / step) * step;
  high = Math.ceil((high + span * 0.06) / step) * step;
  if (low < floor || (floor === 0 && low < 0.65 * high)) low = floor;
  return { low, high };
}

const READABLE = 0.5; // share of the axis that what came after the last change should have at least

/**
 * The range of an axis on which what happened since `since` (a place like the x of `cols`; null: nothing changed) can be
 * read: all values, unless those before would flatten the ones after to less than half of the height. A quantity with a
 * floor is measured from there: that it fell to nearly nothing is what is to be seen.
 */
export function readableRange(cols, since, latest = [], floor = -Infinity) {
  const all = robustRange(cols, latest, floor);
  if (since === null) return all;
  const after = cols.filter(({ x }) => x > since);
  if (!after.length && !latest.some(Number.isFinite)) return all;
  const recent = robustRange(after, latest, floor);
  if (Number.isFinite(floor)) recent.low = Math.min(recent.low, Math.max(floor, all.low));
  return recent.high - recent.low < READABLE * (all.high - all.low) ? recent : all;
}

/**
 * Where the axis of steps ends: it stands still while the curve grows and then widens at once, to the run's last
 * step when that is near. An ended run fills its frame.
 */
export function frameEnd(step, total, ended) {
  if (ended || (total > 0 && step >= total)) return Math.max(1, step);
  if (!(total > 0)) total = Infinity; // not known yet
  if (step * 4 >= total) return total;
  return Math.min(total, 32 * 4 ** Math.ceil(Math.log(Math.max(step * 1.02, 32) / 32) / Math.log(4)));
}

/** Index of the entry of xs (ascending, first `n`) nearest to x; -1 if there is none. */
export function nearest(xs, n, x) {
  if (n === 0) return -1;
  let [low, high] = [0, n - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
}
