import assert from "node:assert/strict";
import test from "node:test";

import { Column, History } from "../../../ui/static/shared/history.js";

const record = (
  step,
  { distortion = 90, rate = 10, C = 1, squared_error = 2, rates = [6, 4], test: held = null } = {},
) => ({
  step,
  C,
  epoch: step / 10,
  lr: 1e-3,
  seconds: 0,
  train: {
    distortion,
    rate,
    elbo: -(distortion + rate),
    squared_error,
    loss: 0,
    rate_per_dim: rates,
    images: 64,
  },
  test: held,
});

test("columns grow without losing anything", () => {
  const column = new Column();
  for (let i = 0; i < 5000; i++) column.push(i * 0.5);
  assert.equal(column.length, 5000);
  assert.equal(column.values[4999], 2499.5);
  assert.equal(column.last(), 2499.5);
  assert.ok(Number.isNaN(new Column().last()));
});

test("records fill the series; held-out has its own steps; −ELBO is the sum", () => {
  const history = new History();
  history.append([
    record(10),
    record(20, {
      distortion: -50,
      rate: 5,
      test: { distortion: -48, rate: 5.5, elbo: 42.5 },
    }),
  ]);
  assert.deepEqual([...history.train.step.values.slice(0, 2)], [10, 20]);
  assert.deepEqual([...history.train.sum.values.slice(0, 2)], [100, -45]);
  assert.equal(history.test.length, 1);
  assert.equal(history.test.step.values[0], 20);
  assert.equal(history.test.sum.values[0], -42.5);
  assert.equal(history.latest.step, 20);
  assert.equal(history.latestTest.rate, 5.5);
});

test("changes of knobs become markers with the value before; forced steps and repetitions do not", () => {
  const history = new History();
  history.append([
    record(10, { C: 1 }),
    { step: 10, knob: "C", value: 2 },
    { step: 10, knob: "step", value: 1 },
    record(20, { C: 2 }),
    { step: 20, knob: "C", value: 2 },
    { step: 30, knob: "lr_factor", value: 0.5 },
    { step: 40, knob: "C", value: "fit" },
  ]);
  assert.deepEqual(history.markers, [
    { step: 10, knob: "C", value: 2, before: 1 },
    { step: 30, knob: "lr_factor", value: 0.5, before: null },
    { step: 40, knob: "C", value: "fit", before: 2 },
  ]);
});

test("the squared error is that of as few of the last records as hold 2,000 images", () => {
  const history = new History();
  history.append([record(1, { squared_error: 4 }), record(2, { squared_error: 2 })]);
  assert.equal(history.squaredError, 3); // few images: all of them
  history.append(Array.from({ length: 31 }, (_, i) => record(3 + i, { squared_error: 1 })));
  assert.equal(history.squaredError, (2 + 31) / 32); // 32 records of 64 images
  history.append([record(40, { squared_error: 1 })]);
  assert.equal(history.squaredError, 1);
  const many = record(41, { squared_error: 7 });
  many.train.images = 2560;
  history.append([many]);
  assert.equal(history.squaredError, 7);
});

test("rates per dimension are those of the newest record, so that they add up to its rate", () => {
  const history = new History();
  history.append([record(1, { rates: [4, 0] }), record(2, { rates: [2, 0] })]);
  assert.deepEqual(history.ratePerDim, [2, 0]);
  history.append([record(3, { rates: null })]);
  assert.equal(history.ratePerDim, null);
  history.append([record(4, { rates: [1, 2, 3] })]);
  assert.deepEqual(history.ratePerDim, [1, 2, 3]);
  assert.equal(history.marginal, false);
  const full = record(5, { rates: null });
  full.train.marginal_rate_per_dim = [3, 1];
  history.append([full]);
  assert.deepEqual([history.ratePerDim, history.marginal], [[3, 1], true]);
});

test("a held-out measurement is current until C changes", () => {
  const history = new History();
  const held = { distortion: 1, rate: 1, elbo: -2, images: 2000 };
  assert.equal(history.testCurrent, false);
  history.append([record(10, { test: held }), { step: 10, knob: "part", value: "decoder" }, record(20)]);
  assert.equal(history.testCurrent, true);
  history.append([{ step: 20, knob: "C", value: 2 }, record(30, { C: 2 })]);
  assert.equal(history.testCurrent, false);
  history.append([record(40, { C: 2, test: { ...held, images: 10_000 } }), { step: 40, knob: "C", value: 2 }]);
  assert.equal(history.testCurrent, true); // set again to what it was
  assert.deepEqual(history.testImages, [2000, 10_000]);
});

test("a reset forgets everything, and lines of an unknown kind are passed over", () => {
  const history = new History();
  history.append([record(1), { step: 1, knob: "C", value: 3 }, { step: 2, note: "?" }, {}]);
  const { version } = history;
  history.reset();
  assert.equal(history.train.length + history.test.length + history.markers.length + history.C.length, 0);
  assert.ok(Number.isNaN(history.squaredError));
  assert.equal(history.latest, null);
  assert.ok(history.version > version);
});

test("the highest rate of one dimension and the last turn of C are remembered", () => {
  const history = new History();
  assert.deepEqual([history.highestRate, history.lastTurn], [0, null]);
  history.append([
    record(1, { rates: [4, 0] }),
    { step: 1, knob: "C", value: 9 },
    { step: 1, knob: "part", value: "encoder" },
    record(2, { rates: [2, 0] }),
  ]);
  assert.deepEqual([history.highestRate, history.lastTurn], [4, 1]);
  assert.deepEqual([...history.train.error.values.slice(0, 2)], [2, 2]);
  history.reset();
  assert.deepEqual([history.highestRate, history.lastTurn], [0, null]);
});
