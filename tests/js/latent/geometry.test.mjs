// Paths, sheets and directions in the page against tests/oracles/latent_geometry.py, which wrote geometry.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { attributeDirection, cohensD, randomEffect, randomRows } from "../../../ui/static/attributes/direction.js";
import { degrees, PATHS, slerp } from "../../../ui/static/interpolation/paths.js";
import { lengthWords, normalQuantile, normRange, shareShorter } from "../../../ui/static/latent/normal.js";
import { nearestValue, priorDraws, traversalCodes, traversalValues } from "../../../ui/static/sheets/codes.js";

const numbers = JSON.parse(readFileSync(new URL("./geometry.json", import.meta.url), "utf8"));
const near = (actual, expected, limit = 1e-12) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) =>
    assert.ok(Math.abs(actual[i] - value) <= limit * Math.max(1, Math.abs(value)), `[${i}] ${actual[i]}, not ${value}`),
  );
};

test("both paths, opposite, missing and equal directions too", () => {
  assert.equal(numbers.paths.length, 7);
  for (const { a, b, t, ...paths } of numbers.paths) {
    for (const [name, path] of Object.entries(PATHS)) near(path(a, b, t), paths[name]);
  }
});

test("the ends of the spherical path are the codes, its middle keeps their length", () => {
  near(slerp([3, 0], [0, 5], 0), [3, 0]);
  near(slerp([3, 0], [0, 5], 1), [0, 5]);
  near(slerp([3, 0], [0, 5], 0.5), [Math.SQRT1_2 * 4, Math.SQRT1_2 * 4]);
  assert.equal(Math.round(degrees([1, 0], [1, 1])), 45);
});

test("where the prior's draws lie", () => {
  for (const [k, range] of Object.entries(numbers.norm_range)) near(normRange(Number(k)), range);
  assert.equal(normalQuantile(0.5), 0);
  near([normalQuantile(1e-9), normalQuantile(0.975)], [-5.997807015007686, 1.9599639845400545], 1e-14);
});

test("the share of the prior's draws that are shorter is exact", () => {
  const chi = [
    // k, length, scipy.stats.chi(k).cdf(length)
    [1, 1, 0.6826894921370859],
    [1, 1.96, 0.9500042097035591],
    [3, 2.5, 0.899939166880605],
    [10, 1, 0.00017211562995584072],
    [10, 3.5, 0.7313266505039712],
    [10, 6, 0.999915823901951],
    [50, 7, 0.4865049163587093],
    [512, 22.6, 0.49284262865178524],
    [512, 24, 0.9739850894846317],
  ];
  for (const [k, length, share] of chi) near([shareShorter(k, length)], [share], 1e-11);
  for (const length of [0, 0.5, 2, 4]) near([shareShorter(2, length)], [1 - Math.exp(-(length ** 2) / 2)]);
  assert.deepEqual([shareShorter(10, 1e6), shareShorter(512, 0.5), shareShorter(1, 1e-200)], [1, 0, 0]);
  for (const k of [4, 10, 100])
    near(
      normRange(k).map((length) => shareShorter(k, length)),
      [0.05, 0.95],
      0.01,
    );
});

test("lengths in words", () => {
  assert.equal(lengthWords(1, 1.96), "longer than 95.0 of 100 draws from the prior");
  assert.equal(lengthWords(10, 3.5), "longer than 73.1 of 100 draws from the prior");
  assert.equal(lengthWords(10, 6), "longer than over 99.9 of 100 draws from the prior");
  assert.equal(lengthWords(50, 7), "shorter than 51.3 of 100 draws from the prior");
});

test("values and codes of a traversal", () => {
  for (const [spacing, cases] of Object.entries(numbers.values)) {
    for (const [count, values] of Object.entries(cases)) near(traversalValues(Number(count), spacing), values);
  }
  assert.deepEqual([...traversalCodes([0.5, -1, 2], [-1, 1], [2, 0])], numbers.sheet);
  assert.equal(nearestValue([-2, 0, 2], 0.9), 1);
  assert.equal(nearestValue([-2, 0, 2], 7), 2);
});

test("random rows are the same ones", () => {
  numbers.rows.forEach((rows, index) => assert.deepEqual([...randomRows(9, 4, index, 5)], rows));
});

test("a direction, its effect size, and those of random pairs", () => {
  const { codes, k, a, b, seed, start, direction, effect, random_effects, exceeded } = numbers.attribute;
  const loc = Float32Array.from(codes);
  const found = attributeDirection(loc, k, a, b);
  near(found.start, start);
  near(found.direction, direction);
  near([found.effect], [effect]);
  const random = random_effects.map((_, index) =>
    randomEffect(loc, loc.length / k, k, a.length, b.length, index, seed),
  );
  near(random, random_effects);
  assert.equal(random.filter((value) => value < found.effect).length, exceeded);
});

test("projections put A's mean at 0 and B's at the length of the direction", () => {
  const { codes, k, a, b } = numbers.attribute;
  const found = attributeDirection(Float32Array.from(codes), k, a, b);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  near(found.projections.map(mean), [0, found.length]);
});

test("no effect size without a spread", () => {
  assert.equal(cohensD([1, 1], [2, 2]), null);
  assert.equal(attributeDirection(Float32Array.of(0, 1, 2), 1, [0], [1, 2]).effect, null);
  assert.equal(attributeDirection(Float32Array.of(1, 1, 1, 1), 1, [0, 1], [2, 3]).effect, null);
});

test("draws from the prior: seeded, standard normal, a larger sheet begins with the smaller", () => {
  const draws = priorDraws(10, 2000, 3);
  assert.deepEqual(priorDraws(10, 40, 3), draws.subarray(0, 400));
  assert.notDeepEqual(priorDraws(10, 40, 4), draws.subarray(0, 400));
  const mean = draws.reduce((sum, value) => sum + value, 0) / draws.length;
  const variance = draws.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws.length;
  assert.ok(Math.abs(mean) < 4 / Math.sqrt(20_000));
  assert.ok(Math.abs(variance - 1) < 4 * Math.sqrt(2 / 20_000));
});
