// How far z is from what is usual: the length of a code of real numbers, the bits of one of bits.

import { bitString } from "./explore_bits.js";
import { norm } from "./explore_space.js";
import { element } from "./mount.js";

/** ‖z‖ beside what a draw from the prior has. `0 … 2√d` is drawn; the band holds 95 % of draws, ‖z‖ ≈ √d ± 2·√½. */
export function normPlaces(length, k) {
  const end = 2 * Math.max(Math.sqrt(k), length / 1.9, 1.6);
  const clamp = (value) => Math.min(1, Math.max(0, value / end));
  return { at: clamp(length), low: clamp(Math.sqrt(k) - Math.SQRT2), high: clamp(Math.sqrt(k) + Math.SQRT2) };
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
    this.text.textContent = `‖z‖ = ${length.toFixed(2)}\ntypical √${k} = ${Math.sqrt(k).toFixed(2)}`;
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
    const far = distance ? `${distance} ${distance === 1 ? "bit" : "bits"} flipped from the start` : "the code it started from";
    this.text.textContent = `${far}\nz0 is the first bit`;
  }
}
