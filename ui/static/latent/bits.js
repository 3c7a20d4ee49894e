// Codes of bits, 0 and 1: draws, the most probable code of an image, distances, flips.

import { seededUniform } from "../decoder/random.js";

/** k fair coin flips; one seed, one draw. */
export function fairBits(k, seed) {
  const uniform = seededUniform(seed);
  return Float64Array.from({ length: k }, () => (uniform() < 0.5 ? 0 : 1));
}

/** A draw of bits that are 1 with these probabilities. */
export function posteriorBits({ loc }, seed) {
  const uniform = seededUniform(seed);
  return Float64Array.from(loc, (probability) => (uniform() < probability ? 1 : 0));
}

/** The most probable code where bits are 1 with these probabilities. */
export const likelyBits = (probabilities) => Float64Array.from(probabilities, (p) => (p > 0.5 ? 1 : 0));

/** The image of n whose code, drawn from q, differs from z in the fewest bits on average: {index, distance}. */
export function nearestBits(loc, k, z) {
  let [index, least] = [-1, Infinity];
  for (let row = 0, at = 0; at < loc.length; row++, at += k) {
    let sum = 0;
    for (let j = 0; j < k && sum < least; j++) sum += z[j] ? 1 - loc[at + j] : loc[at + j];
    if (sum < least) [least, index] = [sum, row];
  }
  return index < 0 ? null : { index, distance: least };
}

/** z as a string of bits, z0 first. */
export const bitString = (z) => Array.from(z, (bit) => (bit >= 0.5 ? "1" : "0")).join("");

/** The dimensions in which two codes differ, in the order given. */
export const differing = (a, b, order) => order.filter((dimension) => a[dimension] !== b[dimension]);

/** From a to b, one bit after another: `flips` are the dimensions that differ, the first `count` of them flipped. */
export function flipped(a, b, flips, count) {
  const z = Array.from(a);
  for (const dimension of flips.slice(0, count)) z[dimension] = b[dimension];
  return z;
}
