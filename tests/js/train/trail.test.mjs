import assert from "node:assert/strict";
import test from "node:test";

import { History } from "../../../ui/static/shared/history.js";
import { GrowingTrail, overlap, ranges, summary, trail, vertical } from "../../../ui/static/train/trail.js";

const record = (step, rate, error, C) => ({
  step,
  C,
  train: {
    rate,
    squared_error: error,
    distortion: 3 * error,
    elbo: -1,
    images: 64,
  },
});

test("a stretch ends where C was turned, and the next begins with the step after it", () => {
  const history = new History();
  history.append([
    record(10, 5, 2, 20),
    record(20, 6, 1, 20),
    { step: 20, knob: "C", value: 0.3 },
    record(30, 1, 5, 0.3),
    { step: 30, knob: "lr_factor", value: 0.5 },
    record(40, 0.5, 6, 0.3),
    { step: 40, knob: "C", value: "fit" },
    record(50, 2, 4, 22),
  ]);
  const found = trail(history, "error");
  assert.deepEqual(
    found.map(({ C, fitted }) => [C, fitted]),
    [
      [20, false],
      [0.3, false],
      [22, true],
    ],
  );
  assert.deepEqual(
    found.map(({ points }) => points.map(({ step, x, y }) => [step, x, y])),
    [
      [
        [10, 5, 2],
        [20, 6, 1],
      ],
      [
        [30, 1, 5],
        [40, 0.5, 6],
      ],
      [[50, 2, 4]],
    ],
  );
  assert.equal(trail(history, "error", "fit")[0].fitted, true); // as the config has it
  assert.deepEqual(
    trail(history, "distortion")[0].points.map(({ y }) => y),
    [6, 3],
  );
  assert.equal(
    summary("r", found, true),
    "Rate and error of r: rate 2.00 nats, squared error 4.00 pixel² at C 22.0. C was turned 2 times.",
  );
  assert.match(summary("r", found, false), /distortion 4.00 nats/);
  assert.match(summary("r", [], true), /no record yet/);
});

test("a long history is thinned to means over equally many records, and its end is kept", () => {
  const history = new History();
  history.append(Array.from({ length: 4001 }, (_, i) => record(i + 1, i, 2 * i, 1)));
  const [{ points }] = trail(history, "error");
  assert.ok(points.length <= 401 && points.length > 300, `${points.length}`);
  const every = Math.ceil(4001 / 400);
  assert.deepEqual([points[0].x, points[0].y], [(every - 1) / 2, every - 1]);
  assert.equal(points.at(-1).step, 4001);
});

test("the trail of a history that grows is that of the whole", () => {
  const history = new History();
  const growing = new GrowingTrail("error", "fit");
  for (let step = 1; step <= 1300; step++) {
    if (step % 97 === 0) history.append([{ step, knob: "C", value: step % 2 ? "fit" : step }]);
    history.append([record(step, step % 13 ? Math.sin(step) : null, Math.cos(step), step)]);
    if (step % 3 === 0) assert.deepEqual(growing.of(history), trail(history, "error", "fit"));
  }
  history.reset();
  assert.deepEqual(growing.of(history), []);
  history.append([record(1, 2, 3, 4), record(2, 2, 3, 4)]);
  assert.deepEqual(growing.of(history), trail(history, "error", "fit"));
});

test("records without a number are passed over", () => {
  const history = new History();
  history.append([record(1, null, 2, 1), { step: 1, knob: "C", value: 2 }, record(2, 3, 4, 2)]);
  assert.deepEqual(
    trail(history, "error").map(({ points }) => points.length),
    [1],
  );
});

test("the vertical axis is what C weights", () => {
  assert.deepEqual(
    [true, false].map((ownsC) => vertical(ownsC).name),
    ["error", "distortion"],
  );
});

test("both axes start at zero where zero is near, and hold the present point", () => {
  const points = [
    { x: 1, y: 5 },
    { x: 6, y: 2 },
  ];
  const { x, y } = ranges(points, "error");
  assert.deepEqual([x.low, y.low], [0, 0]);
  assert.ok(x.high >= 6 && y.high >= 5);
  assert.ok(ranges([{ x: 1, y: -900 }], "distortion").y.low < -900);
});

test("labels that would touch are told", () => {
  const box = (left, top) => ({
    left,
    right: left + 40,
    top,
    bottom: top + 14,
  });
  assert.equal(overlap(box(0, 0), box(45, 0)), true);
  assert.equal(overlap(box(0, 0), box(60, 0)), false);
  assert.equal(overlap(box(0, 0), box(0, 20)), false);
});
