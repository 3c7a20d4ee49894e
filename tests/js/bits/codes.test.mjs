import assert from "node:assert/strict";
import test from "node:test";

import { aggregate, allCodes, entropy } from "../../../ui/static/bits/codes.js";
import { bitString } from "../../../ui/static/latent/bits.js";

const rows = (codes, k) =>
  Array.from({ length: codes.length / k }, (_, i) => bitString(codes.subarray(i * k, (i + 1) * k)));
const differ = (a, b) => [...a].filter((bit, i) => bit !== b[i]).length;

test("all codes are there once, in the order of numbers", () => {
  assert.deepEqual(rows(allCodes(3, 4, "plain"), 3), ["000", "001", "010", "011", "100", "101", "110", "111"]);
});

test("in Gray order neighbours across and down differ in one bit", () => {
  for (const [k, columns] of [
    [8, 16],
    [8, 8],
    [5, 8],
    [2, 4],
    [1, 2],
    [3, 1],
  ]) {
    const codes = rows(allCodes(k, columns, "gray"), k);
    assert.equal(new Set(codes).size, 2 ** k);
    codes.forEach((code, n) => {
      if ((n + 1) % columns) assert.equal(differ(code, codes[n + 1]), 1);
      if (n + columns < codes.length) assert.equal(differ(code, codes[n + columns]), 1);
    });
  }
});

test("the aggregate posterior is the mean of the images' own, and sums to 1", () => {
  const loc = Float32Array.from([0.75, 0.5, 0.25, 1]);
  const found = aggregate(allCodes(2, 2, "plain"), loc, 2); // 00, 01, 10, 11
  assert.deepEqual(Array.from(found), [0.0625, (0.125 + 0.75) / 2, 0.1875, (0.375 + 0.25) / 2]);
  assert.equal(
    found.reduce((a, b) => a + b),
    1,
  );
});

test("entropy of a fair choice and of none", () => {
  assert.ok(Math.abs(entropy(Float64Array.from({ length: 256 }, () => 1 / 256)) - 8 * Math.log(2)) < 1e-12);
  assert.equal(Math.abs(entropy(Float64Array.of(0, 1))), 0);
});
