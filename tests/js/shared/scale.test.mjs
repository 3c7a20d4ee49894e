import assert from "node:assert/strict";
import test from "node:test";

import {
  Columns,
  columns,
  frameEnd,
  nearest,
  quantile,
  readableRange,
  robustRange,
  tickLabel,
  ticks,
} from "../../../ui/static/shared/scale.js";

const close = (a, b, tolerance = 1e-9) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);

test("ticks are round, inside the range, and about as many as asked for", () => {
  assert.deepEqual(ticks(0, 100, 5), {
    values: [0, 20, 40, 60, 80, 100],
    step: 20,
  });
  const { values, step } = ticks(-52.3, 13.1, 5);
  assert.equal(step, 20);
  assert.deepEqual(values, [-40, -20, 0]);
  for (const [low, high] of [
    [0.001, 0.0042],
    [-1e6, 3e6],
    [93.1, 93.9],
  ]) {
    const found = ticks(low, high, 5);
    assert.ok(found.values.length >= 2 && found.values.length <= 7, `${found.values}`);
    assert.ok(found.values.every((v) => v >= low - 1e-9 && v <= high + 1e-9));
  }
  assert.deepEqual(ticks(5, 5, 4), { values: [5], step: 1 });
});

test("tick labels have the decimals of their step", () => {
  assert.equal(tickLabel(20, 20), "20");
  assert.equal(tickLabel(0.30000000000000004, 0.1), "0.3");
  assert.equal(tickLabel(-0.25, 0.05), "−0.25");
  assert.equal(tickLabel(12000, 2000), "12,000");
  assert.equal(tickLabel(-1e-17, 0.5), "0.0");
});

test("a long series becomes one entry per strip, with its extremes and its mean", () => {
  const n = 10_000;
  const xs = Float64Array.from({ length: n }, (_, i) => i);
  const ys = Float64Array.from({ length: n }, (_, i) => i % 10);
  ys[5003] = 77;
  ys[5004] = -5;
  const found = columns(xs, ys, n, n, 100);
  assert.equal(found.length, 100);
  assert.equal(
    found.reduce((sum, c) => sum + c.count, 0),
    n,
  );
  assert.equal(found[50].high, 77);
  assert.equal(found[50].low, -5);
  close(found[3].mean, 4.5);
  close(found[3].x, 3.495);
  assert.equal(columns(xs, ys, n, n, 100, 5).length, 20);
});

test("only the first n values of a longer buffer are drawn, and holes are skipped", () => {
  const found = columns([0, 1, 2, 3], [5, NaN, 7, 9], 3, 4, 400);
  assert.deepEqual(
    found.map((c) => c.mean),
    [5, 7],
  );
  assert.deepEqual(columns([], [], 0, 0, 100), []);
});

test("quantiles interpolate", () => {
  assert.equal(quantile([0, 10], 0.25), 2.5);
  assert.equal(quantile([3], 0.9), 3);
});

const curve = (f, n = 300) =>
  columns(
    Array.from({ length: n }, (_, i) => i),
    Array.from({ length: n }, (_, i) => f(i)),
    n,
    n,
    n,
  );

test("a first transient does not flatten the rest", () => {
  const { low, high } = robustRange(
    curve((i) => (i < 3 ? 5000 : 94 + 20 * Math.exp(-i / 40))),
    [94],
  );
  assert.ok(high < 130, `high ${high}`);
  assert.ok(low > 80 && low <= 94, `low ${low}`);
});

test("a slow descent is shown whole, also below zero", () => {
  const { low, high } = robustRange(
    curve((i) => -60 + 150 * Math.exp(-i / 100)),
    [-52],
  );
  assert.ok(high >= 90, `high ${high}`);
  assert.ok(low <= -52 && low > -80, `low ${low}`);
});

test("the newest values are always inside", () => {
  const { high } = robustRange(
    curve((i) => (i === 299 ? 900 : 1)),
    [900],
  );
  assert.ok(high >= 900);
});

test("a rate starts at zero, a constant has room, nothing has a range", () => {
  assert.equal(
    robustRange(
      curve((i) => 18 + 0.01 * i),
      [20],
      0,
    ).low > 10,
    true,
  ); // far from 0: its own range
  assert.equal(
    robustRange(
      curve((i) => 0.05 * i),
      [15],
      0,
    ).low,
    0,
  );
  const flat = robustRange(
    curve(() => 7),
    [7],
  );
  assert.ok(flat.low < 7 && flat.high > 7);
  assert.equal(
    robustRange(
      curve(() => 0),
      [0],
      0,
    ).low,
    0,
  );
  assert.deepEqual(robustRange([], []), { low: 0, high: 1 });
});

test("the frame stands still, then widens at once, and ends with the run", () => {
  const ends = Array.from({ length: 2000 }, (_, i) => frameEnd(i, 20_000, false));
  assert.ok(new Set(ends).size <= 5, `${[...new Set(ends)]}`);
  ends.forEach((end, i) => assert.ok(end >= i));
  assert.equal(frameEnd(6000, 20_000, false), 20_000);
  assert.equal(frameEnd(6000, 20_000, true), 6000);
  assert.equal(frameEnd(0, 0, true), 1);
  assert.equal(frameEnd(40, 0, false), 128); // before the run's length is known
  assert.equal(frameEnd(25_000, 20_000, false), 25_000); // a run that was extended
});

test("the nearest record is found", () => {
  const xs = [10, 20, 40];
  assert.deepEqual(
    [-5, 14, 16, 29, 31, 99].map((x) => nearest(xs, 3, x)),
    [0, 0, 1, 1, 2, 2],
  );
  assert.equal(nearest(xs, 0, 3), -1);
});

test("the ticks of large numbers are short", () => {
  assert.equal(tickLabel(500_000, 500_000, 2e6), "0.5M");
  assert.equal(tickLabel(-1_985_000, 5000), "−1.985M");
  assert.equal(tickLabel(0, 500_000, 2e6), "0");
  assert.equal(tickLabel(999_000, 1000, 999_000), "999,000");
  assert.equal(tickLabel(-2.5e9, 5e8), "−2.5e9");
});

test("after a jump the axis follows what came after it, unless both can be read on one", () => {
  const jumped = curve((i) => (i < 200 ? -20 + 0.01 * i : 5000 - 2 * (i - 200)));
  const far = readableRange(jumped, 199.5, [4802]);
  assert.ok(far.low > 4000, `low ${far.low}`);
  const whole = readableRange(jumped, null, [4802]);
  assert.ok(whole.low < 0 && whole.high > 4800, `${whole.low} ${whole.high}`);
  const near = curve((i) => (i < 200 ? 10 : 10 - 0.05 * (i - 200)));
  assert.deepEqual(readableRange(near, 199.5, [5]), robustRange(near, [5]));
});

test("a rate that fell to nothing is still drawn from zero", () => {
  const collapsed = curve((i) => (i < 200 ? 9 : 0.001));
  assert.equal(readableRange(collapsed, 199.5, [0.001], 0).low, 0);
  const rate = curve((i) => (i < 200 ? 5 : 9 + 0.1 * Math.sin(i)));
  assert.equal(readableRange(rate, 199.5, [9], 0).low, 0);
});

test("the past whole is whole: nothing is left out of the range", () => {
  const range = robustRange(
    curve((i) => (i < 3 ? 5000 : 94)),
    [94],
    -Infinity,
    false,
  );
  assert.ok(range.high >= 5000 && range.low <= 94);
});

test("columns of a series that grows are those of the whole", () => {
  const growing = new Columns(2);
  let [xs, ys] = [new Float64Array(8), new Float64Array(8)];
  for (let n = 1; n <= 400; n++) {
    if (n > xs.length) {
      // an array that was too short is replaced by a longer copy
      [xs, ys] = [xs, ys].map((short) => {
        const longer = new Float64Array(2 * short.length);
        longer.set(short);
        return longer;
      });
    }
    xs[n - 1] = 3 * n;
    ys[n - 1] = n % 7 ? Math.sin(n) : NaN;
    const [end, width] = [n < 300 ? 600 : 2400, n < 350 ? 500 : 320];
    assert.deepEqual(growing.of(xs, ys, n, end, width), columns(xs, ys, n, end, width, 2));
  }
  assert.deepEqual(growing.of(xs, ys, 5, 600, 500), columns(xs, ys, 5, 600, 500, 2)); // it started over
});
