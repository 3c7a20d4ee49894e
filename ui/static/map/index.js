// Which points are near, inside a shape, or near in latent space. Numbers only.

/** @import { Bounds, Near } from "./types.js" */

/** Points sorted into square cells, for nearest-point questions in constant time. xy: x, y, x, y, ..., all in bounds. */
export class PlaceIndex {
  /** @param {Float32Array} xy  @param {Bounds} bounds */
  constructor(xy, bounds) {
    const n = xy.length / 2;
    this.xy = xy;
    this.n = n;
    this.bounds = bounds;
    const { left, right, bottom, top } = bounds;
    this.cell =
      Math.max(
        (right - left) / 512,
        (top - bottom) / 512,
        Math.sqrt(((right - left) * (top - bottom) * 3) / Math.max(1, n)),
      ) || 1;
    this.columns = Math.max(1, Math.ceil((right - left) / this.cell));
    this.rows = Math.max(1, Math.ceil((top - bottom) / this.cell));
    const cells = new Uint32Array(n);
    this.starts = new Uint32Array(this.columns * this.rows + 1);
    for (let i = 0; i < n; i++) {
      const cell = this._row(xy[2 * i + 1]) * this.columns + this._column(xy[2 * i]);
      cells[i] = cell;
      this.starts[cell + 1] += 1;
    }
    for (let c = 1; c < this.starts.length; c++) this.starts[c] += this.starts[c - 1];
    const next = this.starts.slice();
    this.order = new Uint32Array(n);
    for (let i = 0; i < n; i++) this.order[next[cells[i]]++] = i;
  }

  _column = (x) => Math.min(this.columns - 1, Math.max(0, Math.floor((x - this.bounds.left) / this.cell) || 0));
  _row = (y) => Math.min(this.rows - 1, Math.max(0, Math.floor((y - this.bounds.bottom) / this.cell) || 0));

  /**
   * The `count` nearest points, nearest first. Those farther than `most` are left out.
   *
   * @returns {Near[]}
   */
  nearest(x, y, count = 1, most = Infinity) {
    const { xy, columns, rows, cell } = this;
    const [column, row] = [this._column(x), this._row(y)];
    const found = [];
    let worst = most * most;
    const visit = (c, r) => {
      const at = r * columns + c;
      for (let o = this.starts[at]; o < this.starts[at + 1]; o++) {
        const index = this.order[o];
        const squared = (xy[2 * index] - x) ** 2 + (xy[2 * index + 1] - y) ** 2;
        if (!(squared <= worst)) continue;
        let place = found.length;
        while (place > 0 && found[place - 1].distance > squared) place -= 1;
        found.splice(place, 0, { index, distance: squared });
        if (found.length > count) found.pop();
        if (found.length === count) worst = Math.min(worst, found[count - 1].distance);
      }
    };
    // A point in ring r lies at least r − 1 cells away, also from a place outside the box.
    const last = Math.max(columns, rows);
    for (let ring = 0; ring <= last; ring++) {
      if (ring > 1 && ((ring - 1) * cell) ** 2 > worst) break;
      if (ring === 0) visit(column, row);
      for (let d = -ring; ring > 0 && d <= ring; d++) {
        if (row - ring >= 0 && column + d >= 0 && column + d < columns) visit(column + d, row - ring);
        if (row + ring < rows && column + d >= 0 && column + d < columns) visit(column + d, row + ring);
        if (Math.abs(d) === ring) continue;
        if (column - ring >= 0 && row + d >= 0 && row + d < rows) visit(column - ring, row + d);
        if (column + ring < columns && row + d >= 0 && row + d < rows) visit(column + ring, row + d);
      }
    }
    return found.map(({ index, distance }) => ({ index, distance: Math.sqrt(distance) }));
  }
}

/**
 * Indices of the points inside a polygon (even-odd), ascending. `allowed(index)` may leave some out.
 *
 * @param {Float32Array} xy
 * @param {import("./types.js").Place[]} polygon
 * @param {(index: number) => boolean} [allowed]
 */
export function inside(xy, polygon, allowed = () => true) {
  const xs = polygon.map(([x]) => x);
  const ys = polygon.map(([, y]) => y);
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found = [];
  for (let i = 0; i < xy.length / 2; i++) {
    const [x, y] = [xy[2 * i], xy[2 * i + 1]];
    if (x < left || x > right || y < bottom || y > top || !allowed(i)) continue;
    let within = false;
    for (let a = 0, b = xs.length - 1; a < xs.length; b = a++) {
      if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) within = !within;
    }
    if (within) found.push(i);
  }
  return Uint32Array.from(found);
}

/** The `count` codes nearest to z in latent space (loc: n·k numbers), nearest first.  @returns {Near[]} */
export function latentNearest(loc, k, z, count, leaveOut = -1) {
  const n = loc.length / k;
  const found = [];
  let worst = Infinity;
  for (let i = 0; i < n; i++) {
    let squared = 0;
    for (let j = 0, at = i * k; j < k && squared < worst; j++, at++) squared += (loc[at] - z[j]) ** 2;
    if (!(squared < worst) || i === leaveOut) continue;
    let place = found.length;
    while (place > 0 && found[place - 1].distance > squared) place -= 1;
    found.splice(place, 0, { index: i, distance: squared });
    if (found.length > count) found.pop();
    if (found.length === count) worst = found[count - 1].distance;
  }
  return found.map(({ index, distance }) => ({ index, distance: Math.sqrt(distance) }));
}

/** The code nearest to z in latent space: { index, distance }. A good `guess` of the index spares most of the work. */
export function closest(loc, k, z, guess = 0) {
  const n = loc.length / k;
  let [index, best] = [guess, Infinity];
  for (let i = -1; i < n; i++) {
    const row = i < 0 ? guess : i;
    let squared = 0;
    for (let j = 0, at = row * k; j < k && squared < best; j++, at++) squared += (loc[at] - z[j]) ** 2;
    if (squared < best) [index, best] = [row, squared];
  }
  return { index, distance: Math.sqrt(best) };
}

/**
 * How far apart neighbouring codes lie: the distance from which 1 of 100 codes has its nearest neighbour. Measured on
 * `sample` of them.
 */
export function typicalGap(loc, k, sample = 200) {
  const n = loc.length / k;
  const gaps = [];
  for (let s = 0; s < Math.min(sample, n); s++) {
    const i = Math.floor((s * n) / Math.min(sample, n));
    const [nearest] = latentNearest(loc, k, loc.subarray(i * k, i * k + k), 1, i);
    if (nearest) gaps.push(nearest.distance);
  }
  gaps.sort((a, b) => a - b);
  return gaps.length ? gaps[Math.min(gaps.length - 1, Math.floor(0.99 * gaps.length))] || 1e-6 : 1;
}
