import assert from "node:assert/strict";
import test from "node:test";

import { View, boundsOf, joined } from "../../../ui/static/map/view.js";

const view = (scale = 10) =>
  Object.assign(new View(), {
    width: 400,
    height: 300,
    scale,
    whole: scale,
    x: 1,
    y: -2,
  });
const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test("pixels and places are each other's inverse, y grows upwards", () => {
  const v = view();
  assert.equal(v.toX(1), 200);
  assert.equal(v.toY(-2), 150);
  assert.ok(v.toY(0) < v.toY(-2));
  for (const [x, y] of [
    [3.7, 2.2],
    [-8, 11],
  ]) {
    near(v.fromX(v.toX(x)), x);
    near(v.fromY(v.toY(y)), y);
  }
});

test("coordinates gain digits with the zoom, so that neighbouring pixels differ", () => {
  for (const [scale, digits] of [
    [0.5, 0],
    [10, 1],
    [99, 2],
    [2500, 4],
    [4e5, 6],
  ]) {
    assert.equal(view(scale).digits, digits);
    if (digits) assert.notEqual(view(scale).fromX(200).toFixed(digits), view(scale).fromX(201).toFixed(digits));
  }
});

test("zooming keeps what is under the pointer, within limits", () => {
  const v = view();
  const [x, y] = [v.fromX(320), v.fromY(40)];
  v.zoomAt(320, 40, 3);
  near(v.fromX(320), x);
  near(v.fromY(40), y);
  near(v.zoom, 3);
  v.zoomAt(0, 0, 1e9);
  assert.equal(v.zoom, 4000);
  v.zoomAt(0, 0, 1e-9);
  assert.equal(v.zoom, 0.25);
});

test("panning moves by pixels", () => {
  const v = view();
  v.pan(20, -30);
  near(v.x, -1);
  near(v.y, -5);
});

test("fitting shows the whole box on both axes at one scale", () => {
  const v = view();
  v.show({ left: 0, right: 8, bottom: 0, top: 2 }, 0);
  assert.deepEqual([v.x, v.y, v.scale], [4, 1, 50]);
  v.show({ left: 0, right: 1, bottom: 0, top: 30 }, 0);
  assert.equal(v.scale, 10);
});

test("another size of the frame shows the same part", () => {
  const v = view();
  v.resize(800, 600);
  assert.equal(v.scale, 20);
  near(v.zoom, 1);
  assert.equal(v.x, 1);
});

test("the bounds hold all places, or the middle of them; one place alone has some room", () => {
  const xy = Float32Array.from({ length: 2000 }, (_, i) => (i === 0 ? -900 : i % 2 ? -i : i));
  assert.deepEqual(boundsOf(xy), {
    left: -900,
    right: 1998,
    bottom: -1999,
    top: -1,
  });
  assert.ok(boundsOf(xy, 0.01).left > 0);
  assert.deepEqual(boundsOf(Float32Array.of(3, 4)), {
    left: 2,
    right: 4,
    bottom: 3,
    top: 5,
  });
  assert.deepEqual(boundsOf(new Float32Array(0)), {
    left: -1,
    right: 1,
    bottom: -1,
    top: 1,
  });
  assert.deepEqual(joined({ left: 0, right: 1, bottom: 0, top: 1 }, { left: -1, right: 0.5, bottom: 0.5, top: 3 }), {
    left: -1,
    right: 1,
    bottom: 0,
    top: 3,
  });
});
