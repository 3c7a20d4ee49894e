import assert from "node:assert/strict";
import test from "node:test";

import { inPriorUnits, meanOf, readComparison } from "../../../ui/static/compare/comparison.js";
import { framed } from "./framed.mjs";

/** A comparison of n = 2 images: sizes of both latents, their supports, the rotation and the means. */
function made({ k = [2, 2], supports = ["real", "real"], rotation, mean = [[], []], cut = 0 }) {
  const most = Math.max(...k);
  const header = { state: "done", n: 2, k, supports, neighbours: [1, 5] };
  const filled = (values) => Array.from({ length: most }, (_, i) => values[i] ?? 0);
  const numbers = [
    ...Array.from({ length: 2 * k[0] }, (_, i) => i),
    ...Array.from({ length: 2 * k[1] }, (_, i) => -i),
    ...[0, 1, 2, 3, 4, 5, 6, 7], // places
    ...[10, 11, 12, 13, 14, 15, 16, 17], // distortion and rate of both
    ...[0.5, 1.5], // movement
    ...[0, 1, 0.2, 0.4], // kept
    ...rotation.flat(),
    ...filled(mean[0]),
    ...filled(mean[1]),
  ];
  return readComparison(framed(header, numbers.slice(0, numbers.length - cut)));
}

const quarter = [
  [0, -1],
  [1, 0],
];

test("all arrays lie where the header says", () => {
  const found = made({ rotation: quarter });
  assert.deepEqual([...found.code(0, 1)], [2, 3]);
  assert.deepEqual([...found.code(1, 1)], [-2, -3]);
  assert.deepEqual([...found.places[1]], [4, 5, 6, 7]);
  assert.deepEqual([...found.distortion[1], ...found.rate[0]], [12, 13, 14, 15]);
  assert.deepEqual([...found.movement], [0.5, 1.5]);
  assert.deepEqual(
    [...found.kept.get(5)].map((share) => share.toFixed(1)),
    ["0.2", "0.4"],
  );
  assert.throws(() => made({ rotation: quarter, cut: 1 }), RangeError);
});

test("the aligned place undoes z_A = (z_B − mean_B) R + mean_A", () => {
  const found = made({
    rotation: quarter,
    mean: [
      [1, 2],
      [3, 5],
    ],
  });
  const zB = [0.25, -2];
  const centred = [zB[0] - 3, zB[1] - 5];
  const zA = [0, 1].map((d) => centred[0] * quarter[0][d] + centred[1] * quarter[1][d] + [1, 2][d]);
  assert.deepEqual([...found.toB(zA, "aligned")], zB);
  assert.deepEqual([...found.toB(zA, "numbers")], zA);
});

test("a smaller latent is filled with zeros, a larger one is cut", () => {
  const eye = [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ]; // z0 of one is z2 of the other
  const wider = made({ k: [2, 3], rotation: eye });
  assert.deepEqual([...wider.toB([4, 5], "aligned")], [0, 5, 4]);
  assert.deepEqual([...wider.toB([4, 5], "numbers")], [4, 5, 0]);
  const narrower = made({ k: [3, 2], rotation: eye });
  assert.deepEqual([...narrower.toB([4, 5, 6], "aligned")], [6, 5]);
  assert.deepEqual([...narrower.toB([4, 5, 6], "numbers")], [4, 5]);
});

test("bits are permuted and flipped, and beside real numbers there are no same numbers", () => {
  const bits = made({
    supports: ["binary", "binary"],
    rotation: [
      [0, 1],
      [-1, 0],
    ],
  });
  assert.deepEqual([...bits.toB([1, 0], "aligned")], [0, 0]);
  assert.deepEqual([...bits.toB([1, 1], "aligned")], [1, 0]);
  const mixed = made({
    supports: ["real", "binary"],
    rotation: [
      [1, 0],
      [0, 1],
    ],
  });
  assert.equal(mixed.hasSameNumbers, false);
  assert.deepEqual([...mixed.toB([-0.3, 1.7], "numbers")], [0, 1]);
  assert.deepEqual(
    [0, 1, null].map((bit) => inPriorUnits(bit, "binary")),
    [-1, 1, 0],
  );
});

test("while it is computed there is only how far it is", () => {
  const header = { state: "working", fraction: 0.5, words: "encoding" };
  assert.deepEqual(readComparison(framed(header, [])), header);
});

test("mean and error of some of the values", () => {
  const { mean, error } = meanOf([1, 2, 3, 100], [0, 1, 2]);
  assert.equal(mean, 2);
  assert.ok(Math.abs(error - Math.sqrt(1 / 3)) < 1e-12);
  assert.ok(Number.isNaN(meanOf([4], [0]).error));
});
