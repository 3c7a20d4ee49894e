import assert from "node:assert/strict";
import test from "node:test";

import { seededNormal } from "../../../ui/static/decoder/random.js";
import { PlaceIndex, inside, latentNearest, typicalGap } from "../../../ui/static/map/index.js";
import { boundsOf } from "../../../ui/static/map/view.js";

const normal = seededNormal(7);
const cloud = (n, k = 2) => Float32Array.from({ length: n * k }, () => normal());

/** The same by looking at every point. */
function byHand(loc, k, z, count, leaveOut = -1) {
  return Array.from({ length: loc.length / k }, (_, index) => ({
    index,
    distance: Math.hypot(...Array.from(z, (v, d) => loc[index * k + d] - v)),
  }))
    .filter(({ index }) => index !== leaveOut)
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count);
}

test("the index finds the same nearest points as looking at all of them, inside and outside of the cloud", () => {
  for (const n of [1, 2, 50, 3000]) {
    const xy = cloud(n);
    const index = new PlaceIndex(xy, boundsOf(xy));
    for (let t = 0; t < 60; t++) {
      const at = [normal() * 2.5, normal() * 2.5];
      const [found, expected] = [index.nearest(...at, 8), byHand(xy, 2, at, 8)];
      assert.deepEqual(
        found.map((f) => f.index),
        expected.map((e) => e.index),
        `${n} points, at ${at}`,
      );
      found.forEach(({ distance }, i) => assert.ok(Math.abs(distance - expected[i].distance) < 1e-6));
    }
  }
});

test("points of one place, on a line, and beyond the reach", () => {
  const same = new Float32Array(20).fill(3);
  assert.equal(new PlaceIndex(same, boundsOf(same)).nearest(3, 3, 4).length, 4);
  const line = Float32Array.from({ length: 200 }, (_, i) => (i % 2 ? 0 : i));
  assert.deepEqual(
    new PlaceIndex(line, boundsOf(line))
      .nearest(41, 0, 2)
      .map((f) => f.index)
      .sort(),
    [20, 21],
  );
  assert.deepEqual(new PlaceIndex(line, boundsOf(line)).nearest(41, 5, 2, 1), []);
  assert.deepEqual(new PlaceIndex(new Float32Array(0), boundsOf(new Float32Array(0))).nearest(0, 0), []);
});

test("a lasso holds what lies inside, also where it is bent", () => {
  const xy = Float32Array.of(0, 0, 2.5, 0.5, 1, 0.5, 5, 5, 1, 2.5);
  const square = [
    [-1, -1],
    [3, -1],
    [3, 3],
    [-1, 3],
  ];
  assert.deepEqual([...inside(xy, square)], [0, 1, 2, 4]);
  const bay = [
    [-1, -1],
    [3, -1],
    [3, 3],
    [1, 1],
    [-1, 3],
  ]; // a bay from above
  assert.deepEqual([...inside(xy, bay)], [0, 1, 2]);
  assert.deepEqual([...inside(xy, square, (i) => i !== 2)], [0, 1, 4]);
});

test("neighbours in latent space are the true ones", () => {
  const k = 6;
  const loc = cloud(500, k);
  for (const i of [0, 17, 499]) {
    const z = loc.subarray(i * k, i * k + k);
    assert.deepEqual(
      latentNearest(loc, k, z, 10, i).map((f) => f.index),
      byHand(loc, k, z, 10, i).map((f) => f.index),
    );
    assert.equal(latentNearest(loc, k, z, 1)[0].index, i);
  }
  assert.equal(latentNearest(loc.subarray(0, 3 * k), k, loc.subarray(0, k), 10).length, 3);
});

test("the typical gap is that of neighbouring codes", () => {
  const grid = Float32Array.from({ length: 800 }, (_, i) => (i % 2 ? Math.floor(i / 40) : (i / 2) % 20));
  assert.ok(Math.abs(typicalGap(grid, 2) - 1) < 1e-6);
  assert.equal(typicalGap(Float32Array.of(1, 2), 2), 1);
});
