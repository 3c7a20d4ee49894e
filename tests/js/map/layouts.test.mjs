import assert from "node:assert/strict";
import test from "node:test";

import { seededNormal } from "../../../ui/static/decoder/random.js";
import { BLEND, FittedLayout, LineLayout, LinearLayout } from "../../../ui/static/map/layouts.js";
import { aboutLayout, aboutPicture, sameView } from "../../../ui/static/map/words.js";

const normal = seededNormal(3);
const close = (a, b, tolerance = 1e-6) =>
  Array.from(a).forEach((value, i) =>
    assert.ok(Math.abs(value - b[i]) < tolerance, `${Array.from(a)} is not ${Array.from(b)}`),
  );

test("the plane of d = 2 is the codes themselves, both ways", () => {
  const plane = LinearLayout.pair(2, 0, 1);
  const loc = Float32Array.from({ length: 40 }, normal);
  close(plane.places(loc), loc);
  close(plane.code(0.9, -1.1), [0.9, -1.1]);
  assert.deepEqual(plane.axes, ["z0", "z1"]);
});

test("a pair of dimensions leaves the others where they are held", () => {
  const base = Float64Array.of(5, 6, 7, 8);
  const pair = LinearLayout.pair(4, 3, 1, base);
  close(pair.place([1, 2, 3, 4]), [4, 2]);
  close(pair.code(0.5, -0.5), [5, -0.5, 7, 0.5]);
});

test("PCA's plane: codes on it come back, others come back to their foot on it", () => {
  const s = Math.SQRT1_2;
  const pca = LinearLayout.pca({
    mean: [1, 2, 3],
    components: [
      [s, s, 0],
      [0, 0, 1],
    ],
  });
  close(pca.place([1, 2, 3]), [0, 0]);
  const z = Float64Array.of(1 + s * 2, 2 + s * 2, 2);
  close(pca.place(z), [2, -1]);
  close(pca.code(2, -1), z);
  const off = [z[0] + 0.3, z[1] - 0.3, z[2]]; // at a right angle to the plane
  close(pca.code(...pca.place(off)), z);
  close(pca.priorCentre, [-s * 3, -3]);
});

test("the posterior's ellipse has the variances of the directions on the map", () => {
  const tilted = new LinearLayout({
    rows: [
      [Math.SQRT1_2, Math.SQRT1_2],
      [-Math.SQRT1_2, Math.SQRT1_2],
    ],
    base: new Float64Array(2),
    axes: ["", ""],
  });
  const e = tilted.ellipse({ log_variance: [Math.log(4), Math.log(1)] });
  close([e.major, e.minor], [2, 1]);
  close([Math.abs(e.angle)], [Math.PI / 4]);
  const plain = LinearLayout.pair(2, 0, 1).ellipse({
    log_variance: [Math.log(0.25), Math.log(9)],
  });
  close([plain.major, plain.minor, Math.abs(plain.angle)], [3, 0.5, Math.PI / 2]);
});

test("of a full covariance the ellipse is the marginal of the two directions shown", () => {
  const covariance = [4, 0.3, 1.2, 0.3, 2, -0.7, 1.2, -0.7, 1]; // of z0 and z2: 4, 1.2, 1
  const e = LinearLayout.pair(3, 0, 2).ellipse({
    log_variance: null,
    covariance,
  });
  const [middle, spread] = [2.5, Math.hypot(1.5, 1.2)];
  close([e.major ** 2, e.minor ** 2, e.angle], [middle + spread, middle - spread, 0.5 * Math.atan2(2.4, 3)]);
  const swapped = LinearLayout.pair(3, 2, 0).ellipse({ covariance });
  close([swapped.major, swapped.minor, swapped.angle], [e.major, e.minor, Math.PI / 2 - e.angle]);
  const diagonal = [Math.log(3), Math.log(0.2), Math.log(0.7)];
  const pca = LinearLayout.pca({
    mean: [0, 0, 0],
    components: [
      [0.6, 0.8, 0],
      [0, 0, 1],
    ],
  });
  const full = pca.ellipse({ covariance: [3, 0, 0, 0, 0.2, 0, 0, 0, 0.7] });
  const same = pca.ellipse({ log_variance: diagonal });
  close([full.major, full.minor, full.angle], [same.major, same.minor, same.angle]);
});

test("a latent of bits has no rings, and a place stands for its nearest code", () => {
  const pair = LinearLayout.pair(3, 0, 2, Float64Array.of(0.1, 0.9, 0.2), true);
  assert.equal(pair.priorCentre, null);
  assert.deepEqual([...pair.code(0.7, 0.3)], [1, 1, 0]);
  assert.deepEqual([...pair.code(-4, 0.5)], [0, 1, 1]);
  close(pair.point(0.7, 0.3), [0.7, 0.9, 0.3]); // what shading measures from
  const pca = LinearLayout.pca(
    {
      mean: [0.5, 0.5],
      components: [
        [1, 0],
        [0, 1],
      ],
    },
    true,
  );
  assert.deepEqual([...pca.code(-0.2, 0.2)], [0, 1]);
  const map = new FittedLayout(Float32Array.of(0, 0, 10, 10), Float32Array.of(0.8, 0.4, 0.1, 0.1), 2, true);
  assert.deepEqual([...map.code(0.1, 0)], [1, 0]);
  assert.deepEqual([...new LineLayout(Float32Array.of(1), true).code(0.6)], [1]);
});

test("one dimension lies along the rate", () => {
  const line = new LineLayout(Float32Array.of(7, 8));
  close(line.places(Float32Array.of(-1, 2)), [-1, 7, 2, 8]);
  close(line.code(0.25, 7.7), [0.25]);
  close(line.place([0.25], 7.7), [0.25, 7.7]); // a picture of one's own
});

test("a fitted map decodes to a blend of its nearest points, exact at a point", () => {
  const [n, k] = [200, 5];
  const xy = Float32Array.from({ length: 2 * n }, normal);
  const loc = Float32Array.from({ length: k * n }, normal);
  const map = new FittedLayout(xy, loc, k);
  close(map.code(xy[20], xy[21]), loc.subarray(10 * k, 11 * k), 1e-2);
  const near = Array.from({ length: n }, (_, i) => ({
    i,
    d: Math.hypot(xy[2 * i] - 0.1, xy[2 * i + 1] - 0.2),
  }))
    .sort((a, b) => a.d - b.d)
    .slice(0, BLEND);
  const sum = near.reduce((total, { d }) => total + 1 / (d * d + 1e-9), 0);
  const expected = Array.from({ length: k }, (_, j) =>
    near.reduce((total, { i, d }) => total + loc[i * k + j] / (d * d + 1e-9) / sum, 0),
  );
  close(map.code(0.1, 0.2), expected, 1e-5);
});

test("the page says what each kind of map is, and that neighbours are latent ones", () => {
  const plane = { explained: [0.2, 0.09] };
  const kinds = {
    plane: "linear",
    line: "line",
    dims: "linear",
    "a plane": "linear",
    neighbours: "fitted",
  };
  const about = (method, more = {}) =>
    aboutLayout({
      view: { method, i: 2, j: 5 },
      method: { name: method, title: method, kind: kinds[method], about: `what ${method} means` },
      source: "9 images",
      k: 10,
      plane,
      base: null,
      shaded: true,
      beneath: "off",
      ...more,
    });
  for (const method of Object.keys(kinds))
    assert.match(about(method), /^9 images · .*found in latent space, not on the map\.$/s);
  assert.match(about("a plane"), /what a plane means, with 29 % of their variance.*exactly/);
  assert.match(
    about("neighbours"),
    /what neighbours means; it has no inverse.*8 nearest points, weighted by 1\/distance²/,
  );
  assert.match(
    about("dims", { base: "row 7 of faces.npz" }),
    /z2 × z5, the other 8 held at the code of row 7 of faces.npz;/,
  );
  assert.doesNotMatch(about("plane", { shaded: false }), /shaded/);
  for (const method of ["a plane", "dims", "neighbours", "line"]) {
    const bits = about(method, { bits: true });
    assert.match(bits, /probabilit.*no plane between them and no prior ring; a place decodes to its nearest code/);
    assert.doesNotMatch(bits, /dashed|ellipse/);
  }
  assert.doesNotMatch(aboutPicture({ rate: 1, z: [0.2] }, { place: [0.2, 1] }, true), /‖z‖/);
  assert.match(
    aboutPicture({ rate: 18.7, z: [3, 4] }, { place: null, why: "This map is not finished yet." }),
    /not finished.*‖z‖ = 5\.00/,
  );
  assert.ok(sameView({ method: "pca", i: 0 }, { method: "pca", i: 0 }));
  assert.ok(!sameView({ method: "pca" }, { method: "tsne" }));
});
