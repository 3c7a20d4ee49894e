import assert from "node:assert/strict";
import test from "node:test";

import {
  elboLines,
  frameOf,
  joined,
  MARGIN,
  markAt,
  marksOf,
  neighbour,
  placeLabels,
  RADIUS,
  shownIn,
} from "../../../ui/static/terms/layout.js";
import { arrange, drawPlane } from "../../../ui/static/terms/plane.js";
import { SvgContext } from "../../../ui/static/shared/svg_context.js";

const point = (name, C, rate, error, more = {}) => ({
  name,
  C,
  rate,
  rate_error: 0.1,
  squared_error: error,
  squared_error_error: 0.05,
  distortion: 40 * error - 100,
  distortion_error: 2,
  curve: 0,
  slope: -1 / C,
  weighed: false,
  unsettled: "",
  words: "",
  ...more,
});
const CURVE = [point("c", 10, 7, 1.4), point("a", 1, 1, 4), point("b", 3, 4, 2)];
const measure = (text) => 6 * text.length;
const palette = Object.fromEntries(
  ["text", "faint", "hair", "prior", "sample", "card", "ground"].map((name, i) => [name, `rgb(0, 0, ${i})`]),
);
palette.font = "sans";

test("a frame holds every point with its errors, and rate 0", () => {
  for (const kind of ["squared_error", "distortion"]) {
    const frame = frameOf(CURVE, kind, 600, 400);
    assert.ok(frame.px(0) >= MARGIN.left + RADIUS && frame.px(0) < MARGIN.left + 30);
    for (const one of CURVE) {
      assert.ok(one.rate + one.rate_error <= frame.x[1]);
      const [low, high] = [-1, 1].map((sign) => frame.py(one[kind] + sign * one[`${kind}_error`]));
      assert.ok(frame.top <= high && low <= frame.bottom);
    }
  }
  const none = frameOf([], "distortion", 600, 400);
  assert.ok(Number.isFinite(none.px(1)) && Number.isFinite(none.py(1)));
});

test("lines of equal ELBO are no uprights beside one run alone", () => {
  const frame = frameOf(CURVE.slice(0, 1), "distortion", 600, 400);
  assert.ok(frame.y[1] - frame.y[0] >= 0.4 * frame.x[1] - 1e-9);
  assert.ok(frame.y[0] < CURVE[0].distortion && CURVE[0].distortion < frame.y[1]);
});

test("lines of equal ELBO fall by a nat of distortion a nat of rate, and cross the frame", () => {
  const frame = frameOf(CURVE, "distortion", 600, 400);
  const sums = elboLines(frame);
  assert.ok(sums.length >= 4);
  for (const sum of sums) assert.ok(frame.y[0] <= sum && sum <= frame.y[1] + frame.x[1]);
  const [rate, up] = [frame.px(3) - frame.px(2), frame.py(5 - 3) - frame.py(5 - 2)];
  assert.ok(rate > 0 && up > 0); // to the right and down
});

test("runs whose C weighs the distortion have no place in the rate – error plane", () => {
  const mixed = [...CURVE, point("w", 1, 2, 3, { weighed: true }), point("n", 1, 2, null, { distortion: null })];
  assert.deepEqual(shownIn(mixed, "squared_error").map(({ name }) => name), ["c", "a", "b"]); // prettier-ignore
  assert.deepEqual(shownIn(mixed, "distortion").map(({ name }) => name), ["c", "a", "b", "w"]); // prettier-ignore
});

test("labels cover no point and no other label; the chosen one is always there", () => {
  const crowd = Array.from({ length: 1000 }, (_, i) => point(`p${i}`, i + 1, 5 + Math.sin(i), 2 + Math.cos(i * 1.7)));
  const frame = frameOf(crowd, "squared_error", 700, 400);
  const marks = marksOf(crowd, "squared_error", frame);
  const placed = placeLabels(marks, frame, measure, "p500");
  assert.ok(placed.length > 5 && placed.length < 400);
  const boxes = placed.map(({ text, x, y }) => ({
    l: x - 3 * text.length,
    r: x + 3 * text.length,
    t: y - 11,
    b: y + 2,
  }));
  boxes.forEach((a, i) => {
    for (const b of boxes.slice(i + 1)) assert.ok(a.r <= b.l || b.r <= a.l || a.b <= b.t || b.b <= a.t);
    for (const { x, y } of marks)
      assert.ok(x + RADIUS <= a.l || x - RADIUS >= a.r || y + RADIUS <= a.t || y - RADIUS >= a.b);
  });
  const own = frameOf(CURVE, "squared_error", 700, 400);
  const alone = placeLabels(marksOf(CURVE, "squared_error", own), own, measure, "b");
  assert.equal(alone[0].name, "b");
  assert.deepEqual(alone.map(({ text }) => text).sort(), ["1", "10", "3"]);
});

test("curves are joined by C, those alone are not, and the keys walk along them", () => {
  const all = [...CURVE, point("x", 5, 2, 2, { curve: null })];
  const marks = marksOf(all, "squared_error", frameOf(all, "squared_error", 600, 400));
  assert.deepEqual(joined(marks).map((row) => row.map(({ point }) => point.name)), [["a", "b", "c"]]); // prettier-ignore
  assert.equal(neighbour(all, "a", 1), "b");
  assert.equal(neighbour(all, "c", 1), null);
  assert.equal(neighbour(all, "b", -1), "a");
  assert.equal(neighbour(all, "gone", 1), "c");
  assert.equal(neighbour([], "", 1), null);
});

test("a pointer takes the nearest point within reach", () => {
  const frame = frameOf(CURVE, "squared_error", 600, 400);
  const marks = marksOf(CURVE, "squared_error", frame);
  const { x, y } = marks[1];
  assert.equal(markAt(marks, x + 5, y - 5).point.name, "a");
  assert.equal(markAt(marks, x + 40, y), null);
});

test("a drawing has every point, hollow where it has not converged, and the tangent where the law holds", () => {
  const draw = (points, kind, chosen) => {
    const context = new SvgContext(600, 400, measure);
    const plan = arrange(points, kind, 600, 400, measure, chosen);
    drawPlane(context, plan, { palette, linear: [{ rate: 1, squared_error: 3, distortion: 5 }], chosen, hover: "" });
    return context.text();
  };
  const gold = `stroke="${palette.sample}" stroke-width="2"`;
  assert.ok(draw(CURVE, "squared_error", "b").includes(gold));
  assert.ok(!draw(CURVE, "distortion", "b").includes(gold)); // in nats −1/C is not asked for
  const weighed = CURVE.map((one) => ({ ...one, weighed: true }));
  assert.ok(draw(weighed, "distortion", "b").includes(gold));
  const circles = (text) => text.split("a4.5 4.5").length - 1;
  assert.equal(circles(draw(CURVE, "squared_error", "b")), 2 * 2 * 2); // two points, filled and edged, two arcs each
  const open = draw(
    CURVE.map((one) => ({ ...one, unsettled: "it is still training" })),
    "squared_error",
    "b",
  );
  assert.ok(open.includes(`fill="${palette.card}"`));
  assert.ok(!draw(CURVE, "squared_error", "b").includes(`fill="${palette.card}"`));
});

test("a thousand points are drawn in a sixtieth of a second", () => {
  const crowd = Array.from({ length: 1000 }, (_, i) => point(`p${i}`, i + 1, 5 + Math.sin(i), 2 + Math.cos(i * 1.7)));
  const plan = arrange(crowd, "squared_error", 700, 400, measure, "p500");
  const quiet = new Proxy({}, { get: () => () => {}, set: () => true });
  const times = Array.from({ length: 20 }, () => {
    const began = performance.now();
    drawPlane(quiet, plan, { palette, linear: [], chosen: "p500", hover: "" });
    return performance.now() - began;
  });
  assert.ok(Math.min(...times) < 1000 / 60); // whatever else this machine does
});
