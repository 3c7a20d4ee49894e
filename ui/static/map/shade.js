// Shading of the places that are far from any data: what is decoded there has nothing to compare with.

import { closest, typicalGap } from "./index.js";

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

export class Shade {
  constructor(wake, canvas = document.createElement("canvas")) {
    Object.assign(this, { wake, canvas, on: true, budget: BUDGET });
    this._forget();
  }

  /** codes {loc, k} in the space in which distance counts: latent space, or the map itself where it has no inverse. */
  start(loc, k, code) {
    Object.assign(this, { loc: thinned(loc, k), k, code, gap: null });
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
    if (this.next && !moving) this._compute();
  }

  _compute() {
    const until = performance.now() + this.budget;
    const { next } = this;
    this.gap ??= typicalGap(this.loc, this.k, 120);
    if (!next.data) {
      const cell = Math.max(next.width, next.height) / PASSES[next.pass];
      next.data = new ImageData(
        Math.max(1, Math.round(next.width / cell)),
        Math.max(1, Math.round(next.height / cell)),
      );
    }
    while (next.row < next.data.height) {
      this._row(next);
      if (performance.now() > until) return this.wake();
    }
    Object.assign(this.canvas, { width: next.data.width, height: next.data.height });
    this.canvas.getContext("2d").putImageData(next.data, 0, 0);
    this.bounds = next.bounds;
    this.next = next.pass + 1 < PASSES.length ? { ...next, pass: next.pass + 1, row: 0, data: null } : null;
    this.wake();
  }

  _row(next) {
    const {
      bounds: { left, right, bottom, top },
      data: { data, width, height },
      row,
    } = next;
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
