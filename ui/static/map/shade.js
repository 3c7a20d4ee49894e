// Shading of the places that are far from any data: what is decoded there has nothing to compare with.

import { closest, typicalGap } from "./index.js";
import { contextOf } from "../shared/mount.js";

const PASSES = [14, 56]; // cells across the longer side: coarse at once, then fine
const BUDGET = 6; // milliseconds in one go
const SAMPLE = 12_000; // codes compared with

/** How strongly a place is shaded: 0 up to the gap that 99 of 100 codes keep within, 1 from twice that on. */
export const shadeOf = (distance, gap) => Math.min(1, Math.max(0, distance / gap - 1));

/** Every so-many-th code, `SAMPLE` at most. */
export function thinned(loc, k, most = SAMPLE) {
  const n = loc.length / k;
  const step = Math.ceil(n / most);
  if (step <= 1) return loc;
  const out = new Float32Array(Math.ceil(n / step) * k);
  for (let i = 0, to = 0; i < n; i += step, to += k) out.set(loc.subarray(i * k, i * k + k), to);
  return out;
}

/**
 * @import { Bounds, Tone } from "./types.js"
 *
 * @typedef {{ bounds: Bounds, width: number, height: number, tone: Tone, pass: number, row: number, data: ImageData | null }} Next
 */

export class Shade {
  on = true;
  budget = BUDGET;
  /** @type {Float32Array | null} what is compared with */ loc;
  /** @type {number} numbers of each */ k;
  /** @type {(x: number, y: number) => ArrayLike<number>} what a place of the map is, there */ code;
  /** @type {number | null} that neighbouring codes keep within */ gap;
  /** @type {Bounds | null} of what is painted on `canvas` */ bounds;
  /** @type {string | null} the window that was asked for last */ wanted;
  /** @type {Next | null} what is being computed */ next;

  /** `wake()` is called when more can be drawn. */
  constructor(wake, canvas = document.createElement("canvas")) {
    this.wake = wake;
    this.canvas = canvas;
    this._forget();
  }

  /** codes {loc, k} in the space in which distance counts: latent space, or the map itself where it has no inverse. */
  start(loc, k, code) {
    this.loc = thinned(loc, k);
    this.k = k;
    this.code = code;
    this.gap = null;
    this._forget();
  }

  clear() {
    this.loc = null;
    this._forget();
  }

  /** What was computed, or is half computed, is of other codes. */
  _forget() {
    this.bounds = this.wanted = this.next = null;
  }

  /** Where it is shaded, under the points; `tone` light or dark. Computed for the window it is asked for, in slices. */
  draw(context, view, tone, moving) {
    if (!this.on || !this.loc) return;
    const { bounds, width, height } = view;
    const wanted = [...Object.values(bounds), width, height, tone].join();
    if (wanted !== this.wanted && !moving) {
      this.wanted = wanted;
      this.next = { bounds, width, height, tone, pass: 0, row: 0, data: null };
    }
    if (this.bounds) {
      const { left, right, bottom, top } = this.bounds;
      context.imageSmoothingEnabled = true;
      context.drawImage(
        this.canvas,
        view.toX(left),
        view.toY(top),
        (right - left) * view.scale,
        (top - bottom) * view.scale,
      );
    }
    if (this.next && !moving) this._compute(this.next, this.loc);
  }

  /** @param {Next} next  @param {Float32Array} loc */
  _compute(next, loc) {
    const until = performance.now() + this.budget;
    this.gap ??= typicalGap(loc, this.k, 120);
    const cell = Math.max(next.width, next.height) / PASSES[next.pass];
    const data = (next.data ??= new ImageData(
      Math.max(1, Math.round(next.width / cell)),
      Math.max(1, Math.round(next.height / cell)),
    ));
    while (next.row < data.height) {
      this._row(next, data);
      if (performance.now() > until) return this.wake();
    }
    Object.assign(this.canvas, { width: data.width, height: data.height });
    contextOf(this.canvas).putImageData(data, 0, 0);
    this.bounds = next.bounds;
    this.next = next.pass + 1 < PASSES.length ? { ...next, pass: next.pass + 1, row: 0, data: null } : null;
    this.wake();
  }

  _row(next, { data, width, height }) {
    const { left, right, bottom, top } = next.bounds;
    const { row } = next;
    const ink = next.tone === "dark" ? [0, 0, 0, 105] : [128, 120, 104, 44];
    const y = top - ((row + 0.5) / height) * (top - bottom);
    let near = { index: 0 };
    for (let c = 0; c < width; c++) {
      near = closest(this.loc, this.k, this.code(left + ((c + 0.5) / width) * (right - left), y), near.index);
      const at = 4 * (row * width + c);
      data.set(ink, at);
      data[at + 3] = ink[3] * shadeOf(near.distance, this.gap);
    }
    next.row += 1;
  }
}
