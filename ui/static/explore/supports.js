// What differs between codes of real numbers and codes of bits, by the support of z, for the Explore page's first mode.

import { bitString, fairBits, likelyBits, nearestBits, posteriorBits } from "../latent/bits.js";
import { Bits, Length } from "./length.js";
import { cycling, flipping } from "./motion.js";
import { Sliders } from "./sliders.js";
import { classMeans, coordinate, nearest, posteriorDraw, priorDraw } from "../latent/space.js";
import { Switches } from "./switches.js";

/** @typedef {(typeof SUPPORTS)["real"] | (typeof SUPPORTS)["binary"]} Support */

export const SUPPORTS = {
  real: {
    Controls: Sliders,
    Place: Length,
    dimensions: "Latent dimensions",
    words: { origin: "Prior mean", mean: "Posterior mean", label: "mean" },
    duration: undefined, // of easing to a start: the usual one
    priorDraw,
    posteriorDraw,
    classCodes: classMeans,
    codeOf: (loc) => loc,
    cycle: (dimension, z, range, now) => cycling(dimension, z[dimension], range, now),
    nearest,
    distance: (value) => `distance ${value.toFixed(2)} in z`,
    describe: (z) =>
      Array.from(z.slice(0, 12), (value, i) => `z${i} ${coordinate(value)}`).join(", ") +
      (z.length > 12 ? " and so on" : ""),
  },
  binary: {
    Controls: Switches,
    Place: Bits,
    dimensions: "Latent bits",
    words: { origin: "All zeros", mean: "Likely code", label: "likely bits" },
    duration: 0, // there is nothing between 0 and 1
    priorDraw: fairBits,
    posteriorDraw: posteriorBits,
    classCodes: (loc, k, labels) => classMeans(loc, k, labels).map((one) => ({ ...one, z: likelyBits(one.z) })),
    codeOf: likelyBits,
    cycle: (dimension, z, _, now) => flipping(dimension, z[dimension], now),
    nearest: nearestBits,
    distance: (value) => `${value.toFixed(1)} bits differ on average over q`,
    describe: (z) => `code ${bitString(z)}`,
  },
};
