// Positions in latent space: ranges of sliders, steps of keys, draws, the nearest code, and z as text for the address.
// Numbers only, no drawing.

import { seededNormal } from "../decoder/random.js";

export const ALIVE = 0.01; // nats of rate: a dimension below carries nothing. “Active” is another rule: vae/bound/metrics.py
export const QUANTILE = 3.0902; // the standard normal's at 0.999: sliders reach from 0.1 % to 99.9 %
const FINE = 0.05; // standard deviations per arrow key
const COARSE = 0.5; // and with Shift, or per Page key
const FAR = 100; // from 0, in any dimension: what the page takes from an address
const DIGITS = 3; // decimals of z in the address

/** Dimensions by rate, largest first, equal ones in their order; in their own order where no rates are known. */
export function byRate(rates, k) {
  const all = Array.from({ length: k }, (_, i) => i);
  return rates ? all.sort((a, b) => (rates[b] ?? 0) - (rates[a] ?? 0) || a - b) : all;
}

/** Where a slider over N(loc, scale²) begins and ends. */
export function rangeOf(loc = 0, scale = 1) {
  return { low: loc - QUANTILE * scale, high: loc + QUANTILE * scale, loc, scale };
}

/** The range, widened so that `value` lies on it: a slider shows where its dimension is. */
export function including(range, value) {
  const slack = 0.3 * range.scale;
  return {
    ...range,
    low: value < range.low ? value - slack : range.low,
    high: value > range.high ? value + slack : range.high,
  };
}

/** A coordinate: 1.46, −0.30. */
export const coordinate = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2).replace("-", "−"));

/** The ends of a range, with digits that tell them apart: [−3.09, 3.09]. */
export const endsOf = ({ low, high }) =>
  [low, high].map((end) => (high - low < 0.5 ? end.toFixed(3).replace("-", "−") : coordinate(end)));

/** Place of a value on its slider, 0 to 1. */
export const place = (value, { low, high }) => Math.min(1, Math.max(0, (value - low) / (high - low)));

/** The value at a place of the slider. */
export const valueAt = (at, { low, high }) => low + Math.min(1, Math.max(0, at)) * (high - low);

/** One key press. Steps land on a grid through the centre, so that there and back is the same place. */
export function stepped(value, direction, coarse, range) {
  const size = (coarse ? COARSE : FINE) * range.scale;
  const at = (value - range.loc) / size;
  const next = direction > 0 ? Math.floor(at + 1e-6) + 1 : Math.ceil(at - 1e-6) - 1;
  return Math.min(range.high, Math.max(range.low, range.loc + next * size));
}

export function norm(z) {
  let sum = 0;
  for (const value of z) sum += value * value;
  return Math.sqrt(sum);
}

/** A draw from the prior N(0, I); one seed, one draw. */
export function priorDraw(k, seed) {
  const normal = seededNormal(seed);
  return Float64Array.from({ length: k }, () => normal());
}

/** A draw from N(loc, L Lᵀ), L (k, k) row by row, or from N(loc, diag(scale²)) where there is no L. */
export function posteriorDraw({ loc, scale, L }, seed) {
  const normal = seededNormal(seed);
  const noise = Float64Array.from(loc, () => normal());
  if (!L) return Float64Array.from(loc, (m, i) => m + scale[i] * noise[i]);
  return Float64Array.from(loc, (m, i) => {
    let sum = m;
    for (let j = 0; j <= i; j++) sum += L[i * loc.length + j] * noise[j];
    return sum;
  });
}

/** The lower triangular L with L Lᵀ = the covariance, (k, k) row by row (Cholesky); in float64, of float32 numbers. */
export function choleskyOf(covariance, k) {
  const L = new Float64Array(k * k);
  for (let i = 0; i < k; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = covariance[i * k + j];
      for (let m = 0; m < j; m++) sum -= L[i * k + m] * L[j * k + m];
      L[i * k + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / L[j * k + j];
    }
  }
  return L;
}

/** The code nearest to z of n codes (n·k numbers): {index, distance}; null where there is none. */
export function nearest(loc, k, z) {
  let index = -1;
  let least = Infinity;
  for (let row = 0, at = 0; at < loc.length; row++, at += k) {
    let sum = 0;
    for (let j = 0; j < k && sum < least; j++) sum += (loc[at + j] - z[j]) ** 2;
    if (sum < least) [least, index] = [sum, row];
  }
  return index < 0 ? null : { index, distance: Math.sqrt(least) };
}

/** The mean code of each class that has images: [{label, count, z}]. */
export function classMeans(loc, k, labels) {
  const sums = new Map();
  labels.forEach((label, row) => {
    if (!sums.has(label)) sums.set(label, { label, count: 0, z: new Float64Array(k) });
    const sum = sums.get(label);
    sum.count++;
    for (let j = 0; j < k; j++) sum.z[j] += loc[row * k + j];
  });
  for (const { count, z } of sums.values()) for (let j = 0; j < k; j++) z[j] /= count;
  return [...sums.values()].sort((a, b) => a.label - b.label);
}

/** z as text for the address: `1.46_-0.3_0.91`; zeros at the end are left out. */
export function packZ(z) {
  const parts = Array.from(z, (value) => String(Number(value.toFixed(DIGITS)) || 0));
  while (parts.length > 1 && parts.at(-1) === "0") parts.pop();
  return parts.join("_");
}

/** The z in such a text, k numbers; null if it is none. Commas are what people type. */
export function readZ(text, k) {
  if (!text) return null;
  const values = text.split(/[_,]/).map((part) => (/^-?\d{1,6}(\.\d{1,9})?$/.test(part) ? Number(part) : NaN));
  if (values.length > k || !values.every((value) => Math.abs(value) <= FAR)) return null;
  return Float64Array.from({ length: k }, (_, i) => values[i] ?? 0);
}

/** Steps back: what z was at each release, the newest last. */
export class Trail {
  /** @type {Float64Array[]} */ past = [];
  /** @type {Float64Array | null} */ now = null;

  constructor(most = 100) {
    this.most = most;
  }

  /** Forget them, and stand at z.  @param {Float64Array | null} [z] */
  clear(z = null) {
    this.past = [];
    this.now = z && Float64Array.from(z);
  }

  /** z as it is after a release; false if nothing changed. */
  push(z) {
    if (this.now && this.now.every((value, i) => value === z[i])) return false;
    if (this.now) this.past.push(this.now);
    if (this.past.length > this.most) this.past.shift();
    this.now = Float64Array.from(z);
    return true;
  }

  get canUndo() {
    return this.past.length > 0;
  }

  /** The z before the last release; null if there is none. */
  undo() {
    const before = this.past.pop();
    if (!before) return null;
    this.now = before;
    return before;
  }
}

/** z as the address carries it, so that a link brings the very same image back. */
export const rounded = (z) => Float64Array.from(z, (value) => Number(value.toFixed(DIGITS)) || 0);
