import assert from "node:assert/strict";
import test from "node:test";

import { addends, compact, duration, nats, significant, terse, whole } from "../../../ui/static/shared/format.js";

test("nats carry digits that fit their size and a true minus", () => {
  const cases = [
    [94.34, "94.3"],
    [4.712, "4.71"],
    [0.0421, "0.042"],
    [-52.1, "−52.1"],
    [-1204.4, "−1,204"],
    [0, "0.00"],
    [999.96, "1,000"],
    [-999_999, "−999,999"],
    [1_983_211, "1.98 M"],
    [-2e8, "−200 M"],
    [2e9, "2.00e9"],
    [9.996, "10.0"],
    [-0.0001, "0.000"],
    [NaN, "–"],
    [Infinity, "–"],
  ];
  for (const [value, text] of cases) assert.equal(nats(value), text, String(value));
});

test("C has three significant digits at every size", () => {
  const cases = [
    [0.01, "0.0100"],
    [0.999999, "1.00"],
    [2, "2.00"],
    [36.24, "36.2"],
    [999.9, "1,000"],
    [100, "100"],
    [11873, "11,900"],
    [4.2e-5, "4.20e−5"],
    [2e7, "2.00e7"],
    [829_000, "8.29e5"],
    [99_949, "99,900"],
    [1e-9, "1.00e−9"],
    [0, "0.00"],
  ];
  for (const [value, text] of cases) assert.equal(significant(value), text, String(value));
});

test("C is written in few signs beside a marker", () => {
  const cases = [
    [2, "2"],
    [36.2345, "36.2"],
    [0.5, "0.5"],
    [5e6, "5e6"],
    [829_000, "8.29e5"],
    [1e-6, "1e−6"],
    [1000, "1000"],
  ];
  for (const [value, text] of cases) assert.equal(terse(value), text, String(value));
});

test("parts shown add up to the sum shown", () => {
  const read = (text) => Number(text.replace("−", "-").replaceAll(",", ""));
  for (let i = 0; i < 500; i++) {
    const [sum, part] = [300 * Math.sin(i), 10 ** (3 * Math.sin(7 * i))];
    const [a, b] = addends(sum, part).map(read);
    assert.ok(Math.abs(a + b - read(nats(sum))) < 1e-9, `${sum} ${part}`);
  }
  assert.deepEqual(addends(-52.13, 31.96), ["32.0", "−84.1"]);
  assert.deepEqual(addends(-3, 1995), ["1,995.00", "−1,998.00"]);
});

test("short numbers", () => {
  assert.deepEqual([305.3, -20879, 0.42, 1_250_000].map(compact), ["305", "−20.9K", "0.42", "1.25M"]);
});

test("durations and whole numbers read as people say them", () => {
  assert.deepEqual([0.2, 38, 59.6, 250, 3599, 4320].map(duration), [
    "0 s",
    "38 s",
    "60 s",
    "4 min 10 s",
    "59 min",
    "1 h 12 min",
  ]);
  assert.equal(whole(24310.4), "24,310");
});
