import assert from "node:assert/strict";
import test from "node:test";

import {
  QUANTILE,
  Trail,
  byRate,
  choleskyOf,
  classMeans,
  including,
  nearest,
  norm,
  packZ,
  place,
  posteriorDraw,
  priorDraw,
  rangeOf,
  readZ,
  rounded,
  stepped,
  valueAt,
} from "../../../ui/static/latent/space.js";

test("dimensions come by rate, equal ones and unknown ones in their order", () => {
  assert.deepEqual(byRate([0.1, 2.5, 0, 2.5], 4), [1, 3, 0, 2]);
  assert.deepEqual(byRate(null, 3), [0, 1, 2]);
});

test("the prior's slider holds 99.8 % of it", () => {
  const { low, high } = rangeOf();
  // erf by quadrature: the mass of N(0, 1) between the ends
  let mass = 0;
  const n = 4000;
  for (let i = 0; i < n; i++) {
    const x = low + ((i + 0.5) * (high - low)) / n;
    mass += (Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)) * ((high - low) / n);
  }
  assert.ok(Math.abs(mass - 0.998) < 1e-5, String(mass));
  assert.equal(low, -QUANTILE);
});

test("a posterior's slider is centred on it and as wide as its scale", () => {
  const range = rangeOf(1.5, 0.1);
  assert.ok(Math.abs((range.low + range.high) / 2 - 1.5) < 1e-12);
  assert.ok(Math.abs(range.high - range.low - 0.2 * QUANTILE) < 1e-12);
});

test("a range is widened for a value beyond it, and only then", () => {
  assert.deepEqual(including(rangeOf(), 1), rangeOf());
  assert.ok(including(rangeOf(), 4).high > 4);
  assert.equal(including(rangeOf(), 4).low, -QUANTILE);
  assert.ok(including(rangeOf(), -4).low < -4);
});

test("place and value are inverse, and end where the track ends", () => {
  const range = { low: -2, high: 3 };
  assert.equal(valueAt(place(1.25, range), range), 1.25);
  assert.equal(place(9, range), 1);
  assert.equal(valueAt(-0.5, range), -2);
});

test("arrows go in twentieths of a standard deviation, coarse steps in halves, there and back", () => {
  const range = rangeOf();
  assert.ok(Math.abs(stepped(0, 1, false, range) - 0.05) < 1e-12);
  assert.ok(Math.abs(stepped(0.05, -1, false, range)) < 1e-12);
  assert.ok(Math.abs(stepped(0.3, 1, true, range) - 0.5) < 1e-12);
  assert.equal(stepped(3.08, 1, false, range), range.high);
  assert.ok(Math.abs(stepped(2, 1, false, rangeOf(2, 0.1)) - 2.005) < 1e-12);
});

test("draws are seeded; their moments are those of the distribution", () => {
  assert.deepEqual(priorDraw(5, 7), priorDraw(5, 7));
  assert.notDeepEqual(priorDraw(5, 7), priorDraw(5, 8));
  const many = priorDraw(20_000, 1);
  const mean = many.reduce((sum, x) => sum + x, 0) / many.length;
  const variance = many.reduce((sum, x) => sum + (x - mean) ** 2, 0) / many.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `${mean} ${variance}`);
  const q = Array.from({ length: 5000 }, (_, seed) => posteriorDraw({ loc: [2, -1], scale: [0.5, 2] }, seed));
  const first = q.map(([x]) => x);
  const m = first.reduce((sum, x) => sum + x, 0) / q.length;
  assert.ok(Math.abs(m - 2) < 0.03, String(m));
  const v = first.reduce((sum, x) => sum + (x - m) ** 2, 0) / q.length;
  assert.ok(Math.abs(v - 0.25) < 0.03, String(v));
});

test("draws of a posterior that does not factorise have its covariance", () => {
  const covariance = [2, 1.2, -0.4, 1.2, 1, 0.1, -0.4, 0.1, 0.5];
  const L = choleskyOf(covariance, 3);
  assert.deepEqual([L[1], L[2], L[5]], [0, 0, 0]);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      const product = [0, 1, 2].reduce((sum, m) => sum + L[3 * i + m] * L[3 * j + m], 0);
      assert.ok(Math.abs(product - covariance[3 * i + j]) < 1e-12);
    }
  }
  const draws = Array.from({ length: 20_000 }, (_, seed) => posteriorDraw({ loc: [1, 0, -1], L }, seed));
  const mean = [0, 1, 2].map((i) => draws.reduce((sum, z) => sum + z[i], 0) / draws.length);
  mean.forEach((value, i) => assert.ok(Math.abs(value - [1, 0, -1][i]) < 0.04, String(mean)));
  covariance.forEach((expected, at) => {
    const [i, j] = [Math.floor(at / 3), at % 3];
    const found = draws.reduce((sum, z) => sum + (z[i] - mean[i]) * (z[j] - mean[j]), 0) / draws.length;
    assert.ok(Math.abs(found - expected) < 0.06, `${at}: ${found}`);
  });
});

test("the nearest code is the nearest", () => {
  const loc = Float32Array.of(0, 0, 3, 4, 1, 1, -1, 0);
  assert.deepEqual(nearest(loc, 2, [2.9, 4]), {
    index: 1,
    distance: Math.sqrt((3 - 2.9) ** 2),
  });
  assert.equal(nearest(loc, 2, [-0.9, 0.1]).index, 3);
  assert.equal(nearest(new Float32Array(0), 2, [0, 0]), null);
  assert.equal(norm([3, 4]), 5);
});

test("mean codes of the classes that there are", () => {
  const means = classMeans(Float32Array.of(0, 2, 4, 4, 2, 0), 2, Uint8Array.of(5, 1, 5));
  assert.deepEqual(
    means.map(({ label, count, z }) => [label, count, [...z]]),
    [
      [1, 1, [4, 4]],
      [5, 2, [1, 1]],
    ],
  );
});

test("z goes into the address and comes back", () => {
  assert.equal(packZ([1.4604, -0.0001, 0.9, 0, 0]), "1.46_0_0.9");
  assert.equal(packZ([0, 0]), "0");
  assert.deepEqual([...readZ("1.46_-0.3", 4)], [1.46, -0.3, 0, 0]);
  const z = rounded(priorDraw(30, 3));
  assert.deepEqual(readZ(packZ(z), 30), z);
  assert.deepEqual([...readZ("30,-30", 3)], [30, -30, 0]); // what people type
  for (const text of ["", "1_2_3", "a", "1__2", "1e5", "NaN", "Infinity", "1;2", "9999999", "100.01", "0_-101", null])
    assert.equal(readZ(text, 2), null, text);
});

test("undo goes back release by release", () => {
  const trail = new Trail(2);
  trail.clear([0]);
  assert.equal(trail.canUndo, false);
  assert.equal(trail.push([0]), false);
  for (const value of [1, 2, 3]) assert.equal(trail.push([value]), true);
  assert.deepEqual([...trail.undo()], [2]);
  assert.deepEqual([...trail.undo()], [1]);
  assert.equal(trail.undo(), null); // no more than two were kept
});
