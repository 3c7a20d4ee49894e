import assert from "node:assert/strict";
import test from "node:test";

import {
  comparison,
  gaussianParts,
  optimum,
  place,
  readTyped,
  stepped,
  valueAt,
} from "../../../ui/static/train/c_scale.js";

const close = (a, b, tolerance) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

test("the scale is logarithmic and its two directions agree", () => {
  assert.equal(place(1, 0.01, 100), 0.5);
  close(place(10, 0.1, 1000), 0.5, 1e-12);
  assert.equal(place(1e9, 0.01, 100), 1);
  assert.equal(place(1e-9, 0.01, 100), 0);
  for (let at = 0; at <= 1; at += 0.05) close(place(valueAt(at, 0.01, 100), 0.01, 100), at, 1e-3);
  assert.equal(valueAt(0.5, 0.01, 100), 1);
  assert.equal(valueAt(7, 0.01, 100), 100);
});

test("keys walk on a grid that meets 1 and 10, and stop at the ends", () => {
  let value = 0.87;
  value = stepped(value, 1, false, 0.01, 100);
  assert.equal(value, 0.891);
  value = stepped(value, 1, false, 0.01, 100);
  assert.equal(value, 1);
  for (let i = 0; i < 20; i++) value = stepped(value, 1, false, 0.01, 100);
  assert.equal(value, 10);
  for (let i = 0; i < 20; i++) value = stepped(value, -1, false, 0.01, 100);
  assert.equal(value, 1);
  assert.equal(stepped(1, 1, true, 0.01, 100), 3.16);
  assert.equal(stepped(100, 1, false, 0.01, 100), 100);
  assert.equal(stepped(0.01, -1, true, 0.01, 100), 0.01);
});

test("the optimum of a Gaussian minimises its distortion; elsewhere it is the ELBO", () => {
  const [pixels, squaredError] = [64, 2.7];
  const best = optimum(true, pixels, squaredError);
  assert.equal(best, 64 / 5.4);
  const distortion = (C) => {
    const { squared, constant } = gaussianParts(C, { squared_error: squaredError }, pixels);
    return squared + constant;
  };
  assert.ok(distortion(best) < distortion(best * 1.01));
  assert.ok(distortion(best) < distortion(best / 1.01));
  assert.equal(optimum(false, 784, NaN), 1);
  assert.equal(optimum(true, 64, NaN), null);
  assert.equal(optimum(true, 64, 0), null);
});

test("the two parts of a Gaussian distortion are those of −log N(x; f, c)", () => {
  const [C, squaredError, pixels] = [36.2, 2.71, 64];
  const c = 1 / (2 * C);
  const { squared, constant } = gaussianParts(C, { squared_error: squaredError }, pixels);
  close(squared, squaredError / (2 * c), 1e-9);
  close(constant, (pixels / 2) * Math.log(2 * Math.PI * c), 1e-9);
});

test("where C moved within a record its normaliser makes the two parts add up to the distortion", () => {
  const { squared, constant } = gaussianParts(100, { distortion: -52.1, normaliser: -140.3, squared_error: 2.71 }, 64);
  assert.equal(constant, -140.3);
  close(squared + constant, -52.1, 1e-12);
  assert.equal(gaussianParts(100, { distortion: -52.1, normaliser: null, squared_error: 2.71 }, 64).squared, 271);
});

test("what is typed is a C, or a sentence says why not", () => {
  const good = [
    ["2", 2],
    [" 0.5 ", 0.5],
    ["1e-3", 1e-3],
    ["1.00e−3", 1e-3],
    ["36,2", 36.2],
    ["0,125", 0.125],
    ["1,000", 1000],
    ["99,900.5", 99900.5],
    [".5", 0.5],
    ["+3", 3],
    ["1e30", 1e30],
    ["1e-30", 1e-30],
  ];
  for (const [text, value] of good) assert.deepEqual(readTyped(text, false), { value, problem: "" }, text);
  assert.deepEqual(readTyped("Fit", true), { value: "fit", problem: "" });
  assert.match(readTyped("fit", false).problem, /Only a Gaussian/);
  assert.match(readTyped("fit", true, false).problem, /loop of your own cannot fit C/);
  for (const text of ["abc", "nan", "Infinity", "0x10", "1 2", "1,00,000"]) {
    assert.equal(readTyped(text, true).value, null, text);
    assert.match(readTyped(text, true).problem, /positive number such as .*fit/, text);
  }
  for (const text of ["-3", "−3", "0", "1e400", "1e-400", "1.1e30", "9e-31"])
    assert.match(readTyped(text, true).problem, /from 1e−30 to 1e30/, text);
  assert.deepEqual(readTyped(" ", true), { value: null, problem: "" });
});

test("the noise is compared with the errors that remain", () => {
  assert.equal(comparison(5, null), "");
  assert.deepEqual(
    [300, 20, 0.3].map((C) => comparison(C, 22).split(" ")[1]),
    ["finer", "about", "wider"],
  );
});
