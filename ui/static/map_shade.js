// Shading of the places that are far from any data: what is decoded there has nothing to compare with.

import { latentNearest, typicalGap } from "./map_index.js";

const CELLS = 56; // across the longer side
const BUDGET = 6; // milliseconds in one go
const SAMPLE = 12_000; // codes compared with

/** How strongly a place is shaded: 0 up to the gap that 99 of 100 codes keep within, 1 from three times that on. */
export const shadeOf = (distance, gap) => Math.min(1, Math.max(0, (distance / gap - 1) / 2));

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
  constructor(wake) {
    this.wake = wake;
    this.on = true;
    this.canvas = document.createElement("canvas");
  }

  /** codes {loc, k} in the space in which distance counts: latent space, or the map itself where it has no inverse. */
  start(loc, k, code) {
    Object.assign(this, { loc: thinned(loc, k), k, code, gap: null, bounds: null, row: 0 });
  }

  clear() {
    this.loc = null;
  }

  /** Where it is shaded, under the points; `tone` light or dark. Computed for the window it is asked for, in slices. */
  draw(context, view, tone, moving) {
    if (!this.on || !this.loc) return;
    const { left, right, bottom, top } = view.bounds;
    const wanted = [left, right, bottom, top, tone].join();
    if (wanted !== this.wanted && !moving) {
      this.wanted = wanted;
      this.next = { bounds: view.bounds, row: 0, data: null, tone };
    }
    if (this.bounds) {
      const { bounds } = this;
      context.imageSmoothingEnabled = true;
      context.drawImage(this.canvas, view.toX(bounds.left), view.toY(bounds.top),
        (bounds.right - bounds.left) * view.scale, (bounds.top - bounds.bottom) * view.scale);
    }
    if (this.next && !moving) this._compute(view);
  }

  _compute(view) {
    const until = performance.now() + BUDGET;
    const { next } = this;
    const cell = Math.max(view.width, view.height) / CELLS;
    const [columns, rows] = [Math.max(1, Math.round(view.width / cell)), Math.max(1, Math.round(view.height / cell))];
    this.gap ??= typicalGap(this.loc, this.k, 120);
    next.data ??= new ImageData(columns, rows);
    const { bounds, data } = next;
    const ink = next.tone === "dark" ? [0, 0, 0, 105] : [128, 120, 104, 44];
    for (; next.row < rows; next.row++) {
      if (performance.now() > until) return this.wake();
      const y = bounds.top - ((next.row + 0.5) / rows) * (bounds.top - bounds.bottom);
      for (let c = 0; c < columns; c++) {
        const z = this.code(bounds.left + ((c + 0.5) / columns) * (bounds.right - bounds.left), y);
        const [near] = latentNearest(this.loc, this.k, z, 1);
        const at = 4 * (next.row * columns + c);
        data.data.set(ink, at);
        data.data[at + 3] = ink[3] * shadeOf(near.distance, this.gap);
      }
    }
    Object.assign(this.canvas, { width: columns, height: rows });
    this.canvas.getContext("2d").putImageData(data, 0, 0);
    this.bounds = bounds;
    this.next = null;
    this.wake();
  }
}
