import assert from "node:assert/strict";
import test from "node:test";

import { drawPoints, radiusFor, stamp } from "../../../ui/static/map/points.js";

const SIZE = 40;
const view = { x: 0, y: 0, scale: 1 };
const RED = 0x0000ff; // 0xBBGGRR
const BLUE = 0xff0000;

function drawn(xy, kinds, options) {
  const pixels = new Uint32Array(SIZE * SIZE);
  drawPoints(
    pixels,
    SIZE,
    SIZE,
    view,
    Float32Array.from(xy),
    Uint8Array.from(kinds),
    Uint32Array.of(RED, BLUE),
    options,
  );
  const bytes = new Uint8ClampedArray(pixels.buffer);
  return (x, y) => [
    ...bytes.subarray(4 * ((SIZE / 2 - y) * SIZE + SIZE / 2 + x), 4 * ((SIZE / 2 - y) * SIZE + SIZE / 2 + x) + 4),
  ];
}

test("a point lands at its place in its colour, and nowhere else", () => {
  for (const radius of [0.5, 2]) {
    const at = drawn([5, 7], [0], { radius, strength: 256 });
    assert.deepEqual(at(5, 7), [255, 0, 0, 255]);
    assert.deepEqual(at(7, 5), [0, 0, 0, 0]);
    assert.deepEqual(at(-5, -7), [0, 0, 0, 0]);
  }
});

test("discs are round and soft at their edge", () => {
  const { offsets, cover } = stamp(2, SIZE);
  assert.equal(cover[offsets.indexOf(0)], 256);
  assert.equal(cover[offsets.indexOf(2)], cover[offsets.indexOf(-2 * SIZE)]);
  assert.equal(offsets.indexOf(2 * SIZE + 2), -1);
  assert.ok(cover[offsets.indexOf(2)] > 100 && cover[offsets.indexOf(2)] < 200);
  const area = cover.reduce((a, b) => a + b, 0) / 256;
  assert.ok(Math.abs(area - Math.PI * 4) < 1, `area ${area}`);
});

test("half opaque colours mix where points lie over each other", () => {
  const at = drawn([0, 0, 0, 0], [0, 1], { radius: 2, strength: 128 });
  const [r, g, b, a] = at(0, 0);
  assert.ok(Math.abs(r - 127) < 4 && g === 0 && Math.abs(b - 127) < 4, `${[r, g, b]}`);
  assert.ok(Math.abs(a - 191) < 4, `alpha ${a}`);
  const green = new Uint32Array(1);
  drawPoints(green, 1, 1, view, new Float32Array(2), new Uint8Array(1), Uint32Array.of(0x00c800), {
    radius: 0.9,
    strength: 256,
  });
});

test("points outside the frame draw nothing, wherever they are", () => {
  for (const radius of [0.5, 3]) {
    const at = drawn([500, 0, -500, 3, 0, 1e9, 0, -1e9, NaN, NaN], [0, 0, 0, 0, 0], { radius });
    for (let x = -20; x < 20; x++)
      for (let y = -19; y <= 20; y++) if (x || y) assert.equal(at(x, y)[3] > 0 && radius < 1, false);
  }
});

test("focus draws only the points that are wanted", () => {
  const focus = Uint8Array.of(0, 1);
  const on = drawn([-8, 0, 8, 0], [0, 0], { radius: 2, focus, want: 1 });
  assert.equal(on(-8, 0)[3], 0);
  assert.ok(on(8, 0)[3] > 0);
  const off = drawn([-8, 0, 8, 0], [0, 0], { radius: 0.5, focus, want: 0 });
  assert.ok(off(-8, 0)[3] > 0);
  assert.equal(off(8, 0)[3], 0);
});

test("more points are smaller points", () => {
  assert.ok(radiusFor(1000) > radiusFor(10_000) && radiusFor(10_000) > radiusFor(60_000));
  assert.ok(radiusFor(1e6) < 0.85);
  assert.equal(radiusFor(10_000, 2), 2 * radiusFor(10_000));
});
