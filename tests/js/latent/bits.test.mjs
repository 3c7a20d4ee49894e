import assert from "node:assert/strict";
import test from "node:test";

import {
  bitString,
  differing,
  fairBits,
  flipped,
  likelyBits,
  nearestBits,
  posteriorBits,
} from "../../../ui/static/latent/bits.js";
import { SUPPORTS } from "../../../ui/static/explore/supports.js";
import { PRIORS } from "../../../ui/static/sheets/codes.js";

test("draws of bits are seeded, fair from the prior, and as q says from a posterior", () => {
  assert.deepEqual(fairBits(40, 7), fairBits(40, 7));
  assert.notDeepEqual(fairBits(40, 7), fairBits(40, 8));
  const coins = fairBits(20_000, 1);
  assert.ok(coins.every((bit) => bit === 0 || bit === 1));
  assert.ok(Math.abs(coins.reduce((sum, bit) => sum + bit, 0) / coins.length - 0.5) < 0.015);
  const sums = [0, 0, 0];
  for (let seed = 0; seed < 4000; seed++)
    posteriorBits({ loc: [0, 0.25, 1] }, seed).forEach((bit, i) => (sums[i] += bit));
  assert.deepEqual([sums[0], sums[2]], [0, 4000]);
  assert.ok(Math.abs(sums[1] / 4000 - 0.25) < 0.03, String(sums));
});

test("a sheet of draws begins with the smaller one of the same seed", () => {
  const [few, many] = [4, 20].map((count) => PRIORS.binary.draws(3, count, 5));
  assert.deepEqual([...few], [...many.slice(0, 12)]);
  assert.equal(PRIORS.binary.number(many[0]), String(many[0]));
});

test("the nearest image is the one whose code differs least on average", () => {
  const loc = Float32Array.of(0.9, 0.1, 0.5, 0.5, 0, 1);
  assert.equal(nearestBits(loc, 2, [1, 0]).index, 0);
  assert.ok(Math.abs(nearestBits(loc, 2, [1, 0]).distance - 0.2) < 1e-6);
  assert.deepEqual(nearestBits(loc, 2, [0, 1]), { index: 2, distance: 0 });
  assert.equal(nearestBits(new Float32Array(0), 2, [0, 0]), null);
});

test("from one code to another, bit after bit in the order given", () => {
  const [a, b] = [
    [0, 1, 0, 1],
    [1, 1, 1, 0],
  ];
  const flips = differing(a, b, [3, 1, 0, 2]);
  assert.deepEqual(flips, [3, 0, 2]);
  assert.deepEqual(
    [0, 1, 2, 3].map((count) => bitString(flipped(a, b, flips, count))),
    ["0101", "0100", "1100", "1110"],
  );
  assert.deepEqual([...likelyBits([0.2, 0.5, 0.51])], [0, 0, 1]);
});

test("both supports answer the same questions", () => {
  assert.deepEqual(Object.keys(SUPPORTS.binary), Object.keys(SUPPORTS.real));
  assert.equal(SUPPORTS.binary.describe([1, 0, 1]), "code 101");
  const codes = SUPPORTS.binary.classCodes(Float32Array.of(0.9, 0.2, 0.4, 0.6), 2, Uint8Array.of(3, 3));
  assert.deepEqual(
    codes.map(({ label, z }) => [label, [...z]]),
    [[3, [1, 0]]],
  );
});
