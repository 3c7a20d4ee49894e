import assert from "node:assert/strict";
import test from "node:test";

import { compact, duration, nats, significant, whole } from "../../ui/static/format.js";

test("nats carry digits that fit their size and a true minus", () => {
  const cases = [[94.34, "94.3"], [4.712, "4.71"], [0.0421, "0.042"], [-52.1, "−52.1"], [-1204.4, "−1,204"], [0, "0.00"],
    [999.96, "1,000"], [9.996, "10.0"], [-0.0001, "0.000"], [NaN, "–"], [Infinity, "–"]];
  for (const [value, text] of cases) assert.equal(nats(value), text, String(value));
});

test("C has three significant digits at every size", () => {
  const cases = [[0.01, "0.0100"], [0.999999, "1.00"], [2, "2.00"], [36.24, "36.2"], [999.9, "1,000"], [100, "100"],
    [11873, "11,900"], [4.2e-5, "4.20e−5"], [2e7, "2.00e7"], [0, "0.00"]];
  for (const [value, text] of cases) assert.equal(significant(value), text, String(value));
});

test("short numbers", () => {
  assert.deepEqual([305.3, -20879, 0.42, 1_250_000].map(compact), ["305", "−20.9K", "0.42", "1.25M"]);
});

test("durations and whole numbers read as people say them", () => {
  assert.deepEqual([0.2, 38, 59.6, 250, 3599, 4320].map(duration), ["0 s", "38 s", "60 s", "4 min 10 s", "59 min", "1 h 12 min"]);
  assert.equal(whole(24310.4), "24,310");
});
