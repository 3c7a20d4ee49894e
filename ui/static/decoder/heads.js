// What the decoder's output means: one entry per likelihood of vae/model/likelihoods.py, in the same letters. Each turns one
// output into the mean of p(x|z), and draws from p(x|z). JavaScript computes in double precision, so that every float32
// that leaves here is right to its last digit.

import { seededNormal, seededUniform } from "./random.js";

const NEAR = 0.02; // |l| below which a series stands in; series and formula are both within 2e-13 of the truth there

export const sigmoid = (l) => 1 / (1 + Math.exp(-l));

/** 1/(1 − e^−l) − 1/l, the continuous Bernoulli's mean; ½ at l = 0, where both terms are infinite. */
export function continuousBernoulliMean(l) {
  if (Math.abs(l) < NEAR) return 0.5 + (l / 12) * (1 - (l * l) / 60);
  return -1 / Math.expm1(-l) - 1 / l;
}

/** The x with CDF(x) = u, by the inverse for −|l|, mirrored where l > 0. */
export function continuousBernoulliQuantile(l, u) {
  const steep = Math.max(Math.abs(l), 1e-7); // flat below
  const x = Math.min(1, Math.log1p(u * Math.expm1(-steep)) / -steep);
  return l > 0 ? 1 - x : x;
}

/**
 * By the likelihood's name: mean(constants) -> a function output -> mean, sampler(seed, constants) -> a function
 * output -> draw. The constants: C and location + spread · output, on the data's scale, of a Gaussian.
 */
export const HEADS = {
  bernoulli: {
    mean: () => sigmoid,
    sampler(seed) {
      const uniform = seededUniform(seed);
      return (l) => (uniform() < sigmoid(l) ? 1 : 0);
    },
  },
  gaussian: {
    mean:
      ({ location = 0, spread = 1 }) =>
      (output) =>
        location + spread * output, // clamped for display only
    sampler(seed, { C, location = 0, spread = 1 }) {
      const normal = seededNormal(seed);
      const scale = Math.sqrt(0.5 / C); // c = 1/(2C)
      return (output) => location + spread * output + scale * normal();
    },
  },
  "continuous-bernoulli": {
    mean: () => continuousBernoulliMean,
    sampler(seed) {
      const uniform = seededUniform(seed);
      return (l) => continuousBernoulliQuantile(l, uniform());
    },
  },
};
