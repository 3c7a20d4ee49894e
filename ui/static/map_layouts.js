// The kinds of map: how codes become places, and which code a place stands for.
//
//   layout.places(loc)  (n, 2) Float32Array     layout.place(z) -> [x, y] or null     layout.code(x, y) -> z or null

import { PlaceIndex } from "./map_index.js";
import { boundsOf } from "./map_view.js";

export const BLEND = 8; // points whose codes are blended where a map has no inverse

/** y = A z + b with orthonormal rows A: the plane itself, a pair of dimensions, PCA. Exact both ways on the plane. */
export class LinearLayout {
  /** rows: two arrays of k; offset: [b0, b1]; base: the code of which the plane goes through; axes: two names. */
  constructor({ rows, offset = [0, 0], base, axes, exact = true }) {
    Object.assign(this, { rows, offset, base, axes, exact, linear: true });
    this.k = base.length;
    this._z = new Float64Array(this.k);
  }

  /** Dimensions i and j, the others held at `base`. */
  static pair(k, i, j, base = new Float64Array(k)) {
    const unit = (at) => Float64Array.from({ length: k }, (_, d) => (d === at ? 1 : 0));
    return new LinearLayout({ rows: [unit(i), unit(j)], base, axes: [`z${i}`, `z${j}`] });
  }

  /** From the server's PCA. */
  static pca({ mean, components }) {
    const offset = components.map((row) => -row.reduce((sum, value, d) => sum + value * mean[d], 0));
    return new LinearLayout({ rows: components, offset, base: Float64Array.from(mean), axes: ["first component", "second component"] });
  }

  place(z) {
    return this.rows.map((row, a) => {
      let sum = this.offset[a];
      for (let d = 0; d < this.k; d++) sum += row[d] * z[d];
      return sum;
    });
  }

  places(loc) {
    const { k, rows: [first, second], offset } = this;
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

  /** The code on the plane at a place. The same array each time. */
  code(x, y) {
    const [px, py] = this.place(this.base);
    for (let d = 0; d < this.k; d++) {
      this._z[d] = this.base[d] + this.rows[0][d] * (x - px) + this.rows[1][d] * (y - py);
    }
    return this._z;
  }

  /** Where the prior's centre lies: its rings are circles around it, for the rows are orthonormal. */
  get priorCentre() {
    return this.offset;
  }

  /**
   * The half axes and the angle of the 1-sigma ellipse of N(z, diag variances) on the plane.
   */
  ellipse(logVariances) {
    const [first, second] = this.rows;
    let [xx, xy, yy] = [0, 0, 0];
    for (let d = 0; d < this.k; d++) {
      const variance = Math.exp(logVariances[d]);
      xx += first[d] * first[d] * variance;
      xy += first[d] * second[d] * variance;
      yy += second[d] * second[d] * variance;
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

/** One dimension: z across, the rate upwards. A place stands for its z. */
export class LineLayout {
  constructor(rate) {
    Object.assign(this, { rate, axes: ["z0", "rate in nats"], exact: true, linear: false });
  }

  place = () => null;
  code = (x) => Float64Array.of(x);

  places(loc) {
    const xy = new Float32Array(2 * loc.length);
    for (let i = 0; i < loc.length; i++) {
      xy[2 * i] = loc[i];
      xy[2 * i + 1] = this.rate[i];
    }
    return xy;
  }
}

/** Places without a formula (t-SNE, UMAP): a place stands for a blend of the codes of the points around it. */
export class FittedLayout {
  constructor(xy, loc, k) {
    Object.assign(this, { xy, loc, k, axes: ["", ""], exact: false, linear: false });
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
    return this._z;
  }
}
