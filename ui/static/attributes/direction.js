// A direction between two sets of codes and how far apart they lie along it, in the letters of tests/oracles/latent_geometry.py.

import { seededUniform } from "../decoder/random.js";

/** Mean code of A, difference of the means, its length, projections of both sets and Cohen's d (null: no meaning).
 *  `loc` is (n, k); `a` and `b` are row numbers. On the projections A's mean lies at 0 and B's at `length`. */
export function attributeDirection(loc, k, a, b) {
  const start = meanCode(loc, k, a);
  const direction = meanCode(loc, k, b).map((value, j) => value - start[j]);
  const length = Math.sqrt(direction.reduce((sum, value) => sum + value * value, 0));
  const unit = direction.map((value) => (length ? value / length : 0));
  const projections = [a, b].map((rows) => project(loc, k, rows, start, unit));
  const enough = length > 0 && a.length > 1 && b.length > 1;
  return { start, direction, length, projections, effect: enough ? cohensD(...projections) : null };
}

function meanCode(loc, k, rows) {
  const sums = new Float64Array(k);
  for (const row of rows) for (let j = 0; j < k; j++) sums[j] += loc[row * k + j];
  return Array.from(sums, (sum) => sum / rows.length);
}

function project(loc, k, rows, start, unit) {
  const found = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    let sum = 0;
    for (let j = 0, at = rows[i] * k; j < k; j++) sum += (loc[at + j] - start[j]) * unit[j];
    found[i] = sum;
  }
  return found;
}

/** (mean y − mean x) / s with the pooled variance s²; null where there is none. */
export function cohensD(x, y) {
  const [meanX, meanY] = [x, y].map((values) => values.reduce((sum, value) => sum + value, 0) / values.length);
  const squares = (values, mean) => values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const pooled = (squares(x, meanX) + squares(y, meanY)) / (x.length + y.length - 2);
  return pooled > 0 ? (meanY - meanX) / Math.sqrt(pooled) : null;
}

/** `count` of the numbers 0..n−1 without replacement: draw `index` of those of `seed`. */
export function randomRows(n, count, index, seed) {
  const uniform = seededUniform(seed * 2 ** 32 + index);
  const rows = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(uniform() * (n - i));
    const row = rows[i];
    rows[i] = rows[j];
    rows[j] = row;
  }
  return rows.subarray(0, count);
}

/** The effect size of random pair `index`: two sets of these sizes, drawn blindly from all n codes. */
export function randomEffect(loc, n, k, sizeA, sizeB, index, seed) {
  const rows = randomRows(n, sizeA + sizeB, index, seed);
  return attributeDirection(loc, k, rows.subarray(0, sizeA), rows.subarray(sizeA)).effect ?? 0;
}
