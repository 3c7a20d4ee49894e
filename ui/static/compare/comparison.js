// Two runs compared, as the server sends it (ui/live/comparison.py): what is in it, and which code of B goes with one
// of A. Numbers only, no drawing.

import { readFrame } from "../shared/framing.js";

/** @import { ComparisonHeader, Meaning } from "./types.js" */
/** @import { Vector } from "../shared/types.js" */

/**
 * How far the server is, or the whole comparison. Throws RangeError if it holds less than it says.
 *
 * @returns {{ state: "working", fraction: number, words: string } | Comparison}
 */
export function readComparison(bytes) {
  const { header, body } = readFrame(bytes, "comparison");
  return header.state === "working" ? header : new Comparison(header, body);
}

export class Comparison {
  state = /** @type {const} */ ("done");

  /** @param {ComparisonHeader} header  @param {Uint8Array<ArrayBuffer>} body */
  constructor(header, body) {
    this.header = header;
    const { n, k, neighbours } = header;
    let at = body.byteOffset;
    const take = (count) => {
      if (at + 4 * count > body.byteOffset + body.length)
        throw new RangeError("the comparison does not hold what its header says");
      const array = new Float32Array(body.buffer, at, count);
      at += 4 * count;
      return array;
    };
    this.k = Math.max(...k);
    this.loc = [take(n * k[0]), take(n * k[1])];
    this.places = [take(2 * n), take(2 * n)];
    this.distortion = [take(n), take(n)];
    this.rate = [take(n), take(n)];
    this.movement = take(n);
    /** @type {Map<number, Float32Array>} */
    this.kept = new Map(neighbours.map((count) => [count, take(n)]));
    this.rotation = take(this.k * this.k);
    this.mean = [take(this.k), take(this.k)];
  }

  /** E_q[z] of image `index` under A (0) or B (1); for bits their probabilities. */
  code(side, index) {
    const k = this.header.k[side];
    return Float64Array.from(this.loc[side].subarray(index * k, (index + 1) * k));
  }

  /** The code of B at the place where z of A lies: z_B = R (z_A − mean_A) + mean_B.  @param {Vector} z */
  aligned(z) {
    const { k, rotation, mean } = this;
    const supports = this.header.supports;
    const centred = Float64Array.from({ length: k }, (_, d) => inPriorUnits(z[d] ?? null, supports[0]) - mean[0][d]);
    return Float64Array.from({ length: this.header.k[1] }, (_, i) => {
      let sum = mean[1][i];
      for (let d = 0; d < k; d++) sum += rotation[i * k + d] * centred[d];
      return supports[1] === "binary" ? Number(sum > 0) : sum;
    });
  }

  /** What z of A means for B: the aligned place, or the same numbers as far as there are dimensions.  @param {Vector} z  @param {Meaning} meaning */
  toB(z, meaning) {
    if (meaning === "aligned" || !this.hasSameNumbers) return this.aligned(z);
    return Float64Array.from({ length: this.header.k[1] }, (_, i) => z[i] ?? 0);
  }

  /** Whether the numbers of A are codes of B: bits are none of real numbers. */
  get hasSameNumbers() {
    return this.header.supports[0] === this.header.supports[1];
  }
}

/** A coordinate with a prior of mean 0 and deviation 1: a bit as ±1; null: a dimension that is filled up, 0. */
export const inPriorUnits = (value, support) => (value === null ? 0 : support === "binary" ? 2 * value - 1 : value);

/** Mean and its standard error of some of the values. */
export function meanOf(values, indices) {
  let sum = 0;
  for (const index of indices) sum += values[index];
  const mean = sum / indices.length;
  let squares = 0;
  for (const index of indices) squares += (values[index] - mean) ** 2;
  const n = indices.length;
  return { mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : NaN };
}
