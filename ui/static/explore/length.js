// How far z is from what is usual: the length of a code of real numbers, the bits of one of bits.

import { bitString } from "../latent/bits.js";
import { norm } from "../latent/space.js";
import { element } from "../shared/mount.js";
import { shareShorter } from "../latent/normal.js";

const USUAL = [0.025, 0.5, 0.975]; // 95 of 100 draws from the prior lie between the first and the last
const known = new Map(); // dimensions -> lengths

/** The lengths below which 2.5, 50 and 97.5 % of draws from N(0, I_k) lie: ‖z‖ is chi-distributed. Found by halving. */
export function usualLengths(k) {
  if (!known.has(k))
    known.set(
      k,
      USUAL.map((share) => lengthBelow(k, share)),
    );
  return known.get(k);
}

function lengthBelow(k, share) {
  let [low, high] = [0, Math.sqrt(k) + 6];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (shareShorter(k, middle) < share) low = middle;
    else high = middle;
  }
  return high;
}

/** ‖z‖ beside what a draw from the prior has: the band holds 95 % of draws. At least `0 … 2√k` is drawn. */
export function normPlaces(length, k) {
  const end = 2 * Math.max(Math.sqrt(k), length / 1.9, 1.6);
  const [at, low, high] = [length, usualLengths(k)[0], usualLengths(k)[2]].map((value) => Math.min(1, value / end));
  return { at, low, high };
}

/** "2.5 % to 97.5 %" as lengths, with the median. */
export function usualWords(k) {
  const [low, median, high] = usualLengths(k).map((length) => length.toFixed(2));
  return `typical ${median}, 95 % of the prior from ${low} to ${high}`;
}

export class Length {
  constructor() {
    this.title = "Length of z";
    this.caption = "Decoded as you drag";
    this.text = element("p", { className: "norm" });
    this.mark = element("span", { className: "mark" });
    this.band = element("span", { className: "typical" });
    this.parts = [this.text, element("div", { className: "gauge", "aria-hidden": "true" }, this.band, this.mark)];
  }

  show(z) {
    const [length, k] = [norm(z), z.length];
    const { at, low, high } = normPlaces(length, k);
    this.text.textContent = `‖z‖ = ${length.toFixed(2)}\n${usualWords(k)}`;
    this.mark.style.left = `${100 * at}%`;
    this.band.style.left = `${100 * low}%`;
    this.band.style.width = `${100 * (high - low)}%`;
  }
}

export class Bits {
  constructor() {
    this.title = "Code";
    this.caption = "Decoded as you flip";
    this.code = element("output", { className: "bits" });
    this.text = element("p", { className: "norm" });
    this.parts = [this.code, this.text];
  }

  /** `base`: the code that was started from. */
  show(z, base) {
    const distance = z.reduce((sum, bit, i) => sum + Math.abs(bit - base[i]), 0);
    this.code.textContent = bitString(z);
    const far = distance
      ? `${distance} ${distance === 1 ? "bit" : "bits"} flipped from the start`
      : "the code it started from";
    this.text.textContent = `${far}\nz0 is the first bit`;
  }
}
