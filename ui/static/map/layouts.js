// The kinds of map: how codes become places, and which code a place stands for.
//
//   layout.places(loc)  (n, 2) Float32Array     layout.place(z) -> [x, y] or null     layout.code(x, y) -> z or null
//
// Where the latent is made of bits, places are those of their probabilities, and a place stands for the nearest code.

import { PlaceIndex } from "./index.js";
import { boundsOf } from "./view.js";

/** @import { Ellipse, Layout, Place, Plane, Spread } from "./types.js" */

export const BLEND = 8; // points whose codes are blended where a map has no inverse

/** Round each probability to the nearer of 0 and 1, in place. */
export function toBits(z) {
  for (let d = 0; d < z.length; d++) z[d] = z[d] >= 0.5 ? 1 : 0;
  return z;
}

/** y = A z + b with orthonormal rows A: the plane itself, a pair of dimensions, PCA. Exact both ways on the plane. */
/** @implements {Layout} */
export class LinearLayout {
  exact = true;
  linear = true;

  /**
   * rows: two arrays of k; base: the code of which the plane goes through; axes: two names.
   *
   * @param {{ rows: ArrayLike<number>[], offset?: Place, base: Float64Array, axes: [string, string], bits?: boolean }} plane
   */
  constructor({ rows, offset = [0, 0], base, axes, bits = false }) {
    this.rows = rows;
    this.offset = offset;
    this.base = base;
    this.axes = axes;
    this.bits = bits;
    this.k = base.length;
    this._z = new Float64Array(this.k);
  }

  /** Dimensions i and j, the others held at `base`. */
  static pair(k, i, j, base = new Float64Array(k), bits = false) {
    const unit = (at) => Float64Array.from({ length: k }, (_, d) => (d === at ? 1 : 0));
    return new LinearLayout({ rows: [unit(i), unit(j)], base, axes: [`z${i}`, `z${j}`], bits });
  }

  /** From the server's PCA.  @param {Plane} plane */
  static pca({ mean, components }, bits = false) {
    const [first, second] = components.map((row) => -row.reduce((sum, value, d) => sum + value * mean[d], 0));
    return new LinearLayout({
      rows: components,
      offset: [first, second],
      base: Float64Array.from(mean),
      axes: ["first component", "second component"],
      bits,
    });
  }

  /** @returns {Place} */
  place(z) {
    const [first, second] = this.rows;
    let [x, y] = this.offset;
    for (let d = 0; d < this.k; d++) {
      x += first[d] * z[d];
      y += second[d] * z[d];
    }
    return [x, y];
  }

  places(loc) {
    const { k, offset } = this;
    const [first, second] = this.rows;
    const n = loc.length / k;
    const xy = new Float32Array(2 * n);
    for (let i = 0, at = 0; i < n; i++, at += k) {
      let [x, y] = offset;
      for (let d = 0; d < k; d++) {
        x += first[d] * loc[at + d];
        y += second[d] * loc[at + d];
      }
      xy[2 * i] = x;
      xy[2 * i + 1] = y;
    }
    return xy;
  }

  /** The code at a place. The same array each time. */
  code(x, y) {
    const z = this.point(x, y);
    return this.bits ? toBits(z) : z;
  }

  /** The point of the plane at a place, for bits a vector of probabilities or beyond. The same array each time. */
  point(x, y) {
    const [px, py] = this.place(this.base);
    for (let d = 0; d < this.k; d++) {
      this._z[d] = this.base[d] + this.rows[0][d] * (x - px) + this.rows[1][d] * (y - py);
    }
    return this._z;
  }

  /** Where the prior's centre lies: its rings are circles around it, for the rows are orthonormal. Bits have none. */
  get priorCentre() {
    return this.bits ? null : this.offset;
  }

  /**
   * The half axes and the angle of the 1-sigma ellipse of N(z, S) on the plane: that of A S Aᵀ. S is given by its
   * diagonal's logarithms (log_variance) or in whole (covariance, k·k numbers).
   *
   * @param {Spread} spread
   * @returns {Ellipse}
   */
  ellipse({ log_variance: logVariance, covariance }) {
    const { k } = this;
    const [first, second] = this.rows;
    let [xx, xy, yy] = [0, 0, 0];
    for (let d = 0; d < k; d++) {
      for (let e = covariance ? 0 : d; e < (covariance ? k : d + 1); e++) {
        const both = covariance ? covariance[d * k + e] : Math.exp(logVariance?.[d] ?? -Infinity);
        xx += first[d] * first[e] * both;
        xy += first[d] * second[e] * both;
        yy += second[d] * second[e] * both;
      }
    }
    const middle = (xx + yy) / 2;
    const spread = Math.hypot((xx - yy) / 2, xy);
    return {
      major: Math.sqrt(middle + spread),
      minor: Math.sqrt(Math.max(0, middle - spread)),
      angle: 0.5 * Math.atan2(2 * xy, xx - yy),
    };
  }
}

/** One dimension: z across, the rate upwards. A place stands for its z.  @implements {Layout} */
export class LineLayout {
  /** @type {[string, string]} */ axes = ["z0", "rate in nats"];
  exact = true;
  linear = false;

  constructor(rate, bits = false) {
    this.rate = rate;
    this.bits = bits;
  }

  /** @returns {Place} */
  place = (z, rate) => [z[0], rate];
  code = (x) => (this.bits ? toBits(Float64Array.of(x)) : Float64Array.of(x));

  places(loc) {
    const xy = new Float32Array(2 * loc.length);
    for (let i = 0; i < loc.length; i++) {
      xy[2 * i] = loc[i];
      xy[2 * i + 1] = this.rate[i];
    }
    return xy;
  }
}

/**
 * Places without a formula (t-SNE, UMAP): a place stands for a blend of the codes of the points around it.
 *
 * @implements {Layout}
 */
export class FittedLayout {
  /** @type {[string, string]} */ axes = ["", ""];
  exact = false;
  linear = false;
  /** @type {PlaceIndex | undefined} made when it is first asked */ index;

  constructor(xy, loc, k, bits = false) {
    this.xy = xy;
    this.loc = loc;
    this.k = k;
    this.bits = bits;
    this._z = new Float64Array(k);
  }

  place = () => null;
  places = () => this.xy;

  /** Σ w z of the BLEND nearest points on the map, w ∝ 1/distance². The same array each time. */
  code(x, y) {
    this.index ??= new PlaceIndex(this.xy, boundsOf(this.xy));
    const near = this.index.nearest(x, y, BLEND);
    if (!near.length) return null;
    const weights = near.map(({ distance }) => 1 / (distance * distance + 1e-9));
    const sum = weights.reduce((a, b) => a + b, 0);
    this._z.fill(0);
    near.forEach(({ index }, m) => {
      for (let d = 0; d < this.k; d++) this._z[d] += (weights[m] / sum) * this.loc[index * this.k + d];
    });
    return this.bits ? toBits(this._z) : this._z;
  }
}
