import assert from "node:assert/strict";
import test from "node:test";

import {
  continuousBernoulliMean,
  continuousBernoulliQuantile,
  HEADS,
  sigmoid,
} from "../../../ui/static/decoder/heads.js";
import { seededNormal, seededUniform } from "../../../ui/static/decoder/random.js";

const close = (actual, expected, limit) => {
  assert.ok(Math.abs(actual - expected) <= limit, `${actual}, not ${expected}`);
};

test("the continuous Bernoulli's mean, to 1e-12, through its singularity and far out", () => {
  const exact = [
    // 1/(1 − e^−l) − 1/l, computed with 50 digits
    [1e-8, 0.5000000008333333],
    [1e-4, 0.500008333333332],
    [0.001, 0.5000833333319444],
    [0.0199, 0.5016583223881601],
    [0.0201, 0.501674988721496],
    [0.1, 0.5083319447750496],
    [0.3, 0.5249625801767492],
    [1, 0.5819767068693265],
    [5, 0.8067836549063042],
    [20, 0.9500000020611536],
    [100, 0.99],
  ];
  for (const [l, mean] of exact) {
    close(continuousBernoulliMean(l), mean, 1e-12);
    close(continuousBernoulliMean(-l), 1 - mean, 1e-12);
  }
  assert.equal(continuousBernoulliMean(0), 0.5);
  assert.equal(Math.fround(continuousBernoulliMean(1e4)), Math.fround(1 - 1e-4));
});

test("it rises all the way, also where the series takes over", () => {
  let before = 0;
  for (let l = -0.05; l < 0.05; l += 1e-5) {
    assert.ok(continuousBernoulliMean(l) > before);
    before = continuousBernoulliMean(l);
  }
});

test("the continuous Bernoulli's quantiles invert its distribution", () => {
  for (const l of [-30, -2, -1e-3, 1e-3, 0.5, 4, 30]) {
    for (const u of [0, 0.1, 0.5, 0.999]) {
      const x = continuousBernoulliQuantile(l, u);
      // mirrored for l > 0: the draw that belongs to 1 − u
      close(Math.expm1(l * x) / Math.expm1(l), l > 0 ? 1 - u : u, 1e-9);
    }
  }
  close(continuousBernoulliQuantile(0, 0.25), 0.25, 1e-7);
});

test("sigmoid does not overflow", () => {
  assert.deepEqual([-1000, 0, 1000].map(sigmoid), [0, 0.5, 1]);
});

test("samples have the variance of their likelihood", () => {
  const variance = (name, output, constants) => {
    const draw = HEADS[name].sampler(11, constants);
    const draws = Array.from({ length: 20_000 }, () => draw(output));
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    close(mean, HEADS[name].mean(constants)(output), 0.02);
    return draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
  };
  close(variance("bernoulli", Math.log(3), {}), 0.75 * 0.25, 0.004);
  close(variance("gaussian", 0.3, { C: 8 }), 1 / 16, 0.003); // c = 1/(2C)
  close(variance("gaussian", 0.3, { C: 8, location: -1, spread: 20 }), 1 / 16, 0.003); // in the data's units as well
  close(variance("continuous-bernoulli", 0, {}), 1 / 12, 0.002);
  close(variance("continuous-bernoulli", 3, {}), 1 / 9 - Math.E ** 3 / (Math.E ** 3 - 1) ** 2, 0.002);
});

test("uniform numbers fill [0, 1) evenly; seeds that are neighbours have nothing in common", () => {
  const counts = new Array(16).fill(0);
  const [a, b] = [seededUniform(1), seededUniform(2)];
  let product = 0;
  for (let i = 0; i < 16_000; i++) {
    const u = a();
    assert.ok(u >= 0 && u < 1);
    counts[Math.floor(16 * u)]++;
    product += (u - 0.5) * (b() - 0.5);
  }
  const chi = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chi < 37.7, `chi² = ${chi} on 15 degrees of freedom`); // 1 in 1,000
  close(product / 16_000, 0, 4 / 12 / Math.sqrt(16_000));
  assert.notEqual(seededUniform(0)(), seededUniform(2 ** 32)()); // all digits of the seed count
  const first = Array.from({ length: 3 }, seededUniform(5));
  assert.deepEqual(Array.from({ length: 3 }, seededUniform(5)), first);
});

test("normal numbers have the moments of a normal", () => {
  const normal = seededNormal(4);
  const x = Array.from({ length: 40_000 }, normal);
  const moment = (power) => x.reduce((sum, value) => sum + value ** power, 0) / x.length;
  [0, 1, 0, 3].forEach((expected, i) => close(moment(i + 1), expected, [0.02, 0.03, 0.08, 0.2][i]));
});
