import assert from "node:assert/strict";
import test from "node:test";

import { firstPair, pingPong } from "../../../ui/static/interpolation/interpolation.js";
import { lengths, reading } from "../../../ui/static/interpolation/chart.js";

test("the first pair is of two labels", () => {
  assert.deepEqual(firstPair({ labels: Uint8Array.of(7, 7, 7, 2, 7), header: { n: 5 } }), { a: 0, b: 3 });
  assert.deepEqual(firstPair({ labels: Uint8Array.of(7, 7), header: { n: 2 } }), { a: 0, b: 1 });
  assert.deepEqual(firstPair({ labels: null, header: { n: 9 } }), {
    a: 0,
    b: 1,
  });
});

test("play goes there and back", () => {
  assert.deepEqual(
    [0, 250, 1000, 1500, 2000, 2250].map((at) => pingPong(at, 1000)),
    [0, 0.25, 1, 0.5, 0, 0.25],
  );
});

const axis = (k, i, length) => Array.from({ length: k }, (_, j) => (i === j ? length : 0));

test("lengths along both paths", () => {
  const { straight, spherical } = lengths(axis(4, 0, 2), axis(4, 1, 2));
  assert.ok(Math.abs(straight[20] - Math.SQRT2) < 1e-12);
  for (const length of spherical) assert.ok(Math.abs(length - 2) < 1e-12);
});

test("the words follow the numbers of the pair", () => {
  const far = reading(axis(16, 0, 4), axis(16, 1, -4));
  assert.match(far, /^Nine of ten draws from the prior have ‖z‖ between 2\.8\d and 5\.1\d \(√16 = 4\.00\)\./);
  assert.match(far, /cuts the corner, down to 2\.83.*90° apart/); // 4/√2, just within nine of ten
  assert.match(reading(axis(16, 0, 4), axis(16, 0, -4)), /falls to 0\.00, where the decoder has hardly been trained/);
  assert.match(reading(axis(16, 0, 4), axis(16, 0, 4.5)), /similar directions \(0° apart\)/);
  assert.match(reading([1, 0], [0, 1]), /With 2 dimensions the prior is densest at the centre/);
});
