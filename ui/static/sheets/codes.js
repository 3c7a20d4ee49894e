// Which codes a sheet shows: draws from the prior, and traversals around a code. As in tests/oracles/latent_geometry.py.

import { seededNormal } from "../decoder/random.js";
import { fairBits } from "../latent/bits.js";
import { normalQuantile } from "../latent/normal.js";

/** `count` draws from N(0, I_k), (count, k); a larger sheet begins with the smaller one of the same seed. */
export function priorDraws(k, count, seed) {
  const normal = seededNormal(seed);
  return Float32Array.from({ length: count * k }, normal);
}

/** The priors by the support of z: draws, what they are called, a coordinate as text. */
export const PRIORS = {
  real: {
    draws: priorDraws,
    words: (k) => `N(0, I) in ${k} dimensions`,
    number: (value) => value.toFixed(2).replace("-", "−"),
  },
  binary: {
    draws: (k, count, seed) => Float32Array.from(fairBits(k * count, seed)),
    words: (k) => `${k} fair coin flips`,
    number: String,
  },
};

/** Values of one dimension, ascending and symmetric about 0: evenly within ±bound, or the prior's quantiles at (i + ½)/count. */
export function traversalValues(count, spacing = "even", bound = 2.5) {
  return Array.from({ length: count }, (_, i) =>
    spacing === "even" ? (bound * (2 * i - (count - 1))) / (count - 1) : normalQuantile((i + 0.5) / count),
  );
}

/** Codes of a traversal sheet, (dimensions, values, k): z with one coordinate replaced. */
export function traversalCodes(z, values, dimensions) {
  const k = z.length;
  const codes = new Float32Array(dimensions.length * values.length * k);
  dimensions.forEach((dimension, row) =>
    values.forEach((value, column) => {
      const at = (row * values.length + column) * k;
      codes.set(z, at);
      codes[at + dimension] = value;
    }),
  );
  return codes;
}

/** Index of the value nearest to `present`. */
export const nearestValue = (values, present) =>
  values.reduce((best, value, i) => (Math.abs(value - present) < Math.abs(values[best] - present) ? i : best), 0);
