// Where the map is looked at: centre and scale, equal on both axes, y upwards. Numbers only.

const CLOSEST = 4000; // times nearer than the whole
const FARTHEST = 0.25;

/** @import { Bounds } from "./types.js" */

export class View {
  // pixels
  width = 1;
  height = 1;
  // what is in the middle
  x = 0;
  y = 0;
  // pixels per unit: now, and where all is shown
  scale = 1;
  whole = 1;

  /** The frame in pixels. What is in its middle stays there. */
  resize(width, height) {
    const factor = Math.min(width, height) / Math.min(this.width, this.height);
    this.width = width;
    this.height = height;
    this.scale *= factor;
    this.whole *= factor;
  }

  toX = (x) => (x - this.x) * this.scale + this.width / 2;
  toY = (y) => (this.y - y) * this.scale + this.height / 2;
  fromX = (px) => (px - this.width / 2) / this.scale + this.x;
  fromY = (py) => this.y - (py - this.height / 2) / this.scale;

  /** Show all of { left, right, bottom, top }. */
  show({ left, right, bottom, top }, margin = 0.04) {
    this.x = (left + right) / 2;
    this.y = (bottom + top) / 2;
    const room = 1 - 2 * margin;
    this.scale = Math.min((this.width * room) / (right - left || 1), (this.height * room) / (top - bottom || 1));
    this.whole = this.scale;
  }

  /** How much nearer than the whole. */
  get zoom() {
    return this.scale / this.whole;
  }

  /** Decimals that tell two neighbouring pixels apart. */
  get digits() {
    return Math.min(9, Math.max(0, Math.ceil(Math.log10(this.scale))));
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
  }

  /** Come nearer by `factor`; what is at the pixel stays there. */
  zoomAt(px, py, factor) {
    const scale = Math.min(this.whole * CLOSEST, Math.max(this.whole * FARTHEST, this.scale * factor));
    const [x, y] = [this.fromX(px), this.fromY(py)];
    this.scale = scale;
    this.x = x - (px - this.width / 2) / scale;
    this.y = y + (py - this.height / 2) / scale;
  }

  /** @returns {Bounds} */
  get bounds() {
    return { left: this.fromX(0), right: this.fromX(this.width), bottom: this.fromY(this.height), top: this.fromY(0) };
  }
}

/**
 * The box around the places (x, y, x, y, ...), without the outermost `cut` share on each side; never empty.
 *
 * @param {Float32Array} xy
 * @returns {Bounds}
 */
export function boundsOf(xy, cut = 0) {
  const n = xy.length / 2;
  const step = cut ? Math.max(1, Math.floor(n / 20_000)) : 1;
  const side = (offset) => {
    if (!cut) {
      let [low, high] = [Infinity, -Infinity];
      for (let i = offset; i < xy.length; i += 2) {
        if (xy[i] < low) low = xy[i];
        if (xy[i] > high) high = xy[i];
      }
      return [low, high];
    }
    const some = new Float32Array(Math.ceil(n / step));
    for (let i = 0, j = 0; i < n; i += step) some[j++] = xy[2 * i + offset];
    some.sort();
    const at = Math.floor(cut * some.length);
    return [some[at], some[some.length - 1 - at]];
  };
  const [left, right] = side(0);
  const [bottom, top] = side(1);
  if (!Number.isFinite(left + right + bottom + top)) return { left: -1, right: 1, bottom: -1, top: 1 };
  const slack = Math.max(right - left, top - bottom) ? 0 : 1;
  return { left: left - slack, right: right + slack, bottom: bottom - slack, top: top + slack };
}

/** The smallest box around both.  @param {Bounds} a  @param {Bounds} b  @returns {Bounds} */
export const joined = (a, b) => ({
  left: Math.min(a.left, b.left),
  right: Math.max(a.right, b.right),
  bottom: Math.min(a.bottom, b.bottom),
  top: Math.max(a.top, b.top),
});
