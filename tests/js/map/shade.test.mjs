import assert from "node:assert/strict";
import test from "node:test";

import { seededNormal } from "../../../ui/static/decoder/random.js";
import { closest, latentNearest } from "../../../ui/static/map/index.js";
import { Shade, shadeOf, thinned } from "../../../ui/static/map/shade.js";
import { View } from "../../../ui/static/map/view.js";

globalThis.ImageData ??= class {
  constructor(width, height) {
    Object.assign(this, {
      width,
      height,
      data: new Uint8ClampedArray(4 * width * height),
    });
  }
};

const view = (x = 0, scale = 40) =>
  Object.assign(new View(), {
    width: 560,
    height: 400,
    scale,
    whole: scale,
    x,
    y: 0,
  });
const context = { drawImage() {} };

/** A shade on a canvas that keeps what was put on it; `slow`: one row of cells in each call. */
function shadeOn({ slow = false } = {}) {
  const canvas = {
    getContext: () => ({ putImageData: (image) => (canvas.shown = image) }),
  };
  let woken = 0;
  const shade = new Shade(() => (woken += 1), canvas);
  shade.budget = slow ? -1 : 1e9;
  return {
    shade,
    canvas,
    draw: (at = view(), moving = false) => shade.draw(context, at, "light", moving),
    woken: () => woken,
  };
}

/** Draw until nothing is left to compute. */
function settle({ shade, draw, canvas }, at) {
  draw(at);
  for (let i = 0; shade.next; i++) {
    draw(at);
    assert.ok(i < 1000, "it never ends");
  }
  return canvas.shown;
}

const square = Float32Array.of(-1, -1, 1, -1, -1, 1, 1, 1, 0, 0, -1, 0, 1, 0, 0, 1, 0, -1);
const away = square.map((value, i) => (i % 2 ? value : value + 4));
const itself = (x, y) => [x, y];

test("shade begins beyond the usual gap and is full at twice that", () => {
  assert.deepEqual(
    [0.9, 1, 1.5, 2, 9].map((distance) => shadeOf(distance, 1)),
    [0, 0, 0.5, 1, 1],
  );
  const loc = Float32Array.from({ length: 30 }, (_, i) => i);
  assert.equal(thinned(loc, 3, 10), loc);
  assert.deepEqual([...thinned(loc, 3, 4)], [0, 1, 2, 9, 10, 11, 18, 19, 20, 27, 28, 29]);
});

test("the nearest code is found whatever the guess", () => {
  const normal = seededNormal(5);
  const loc = Float32Array.from({ length: 6 * 300 }, normal);
  for (let t = 0; t < 50; t++) {
    const z = Float64Array.from({ length: 6 }, normal);
    const [expected] = latentNearest(loc, 6, z, 1);
    assert.deepEqual(closest(loc, 6, z, t * 5), expected);
  }
});

test("it is clear among the codes and full far from them, coarse first and then fine", () => {
  const one = shadeOn();
  one.shade.start(square, 2, itself);
  one.draw();
  assert.deepEqual([one.canvas.shown.width, one.woken() > 0], [14, true]);
  const { width, height, data } = settle(one);
  assert.equal(width, 56);
  const alpha = (c, r) => data[4 * (r * width + c) + 3];
  assert.equal(alpha(width >> 1, height >> 1), 0);
  assert.equal(alpha(0, 0), 44);
});

test("newer codes midway: nothing of the older ones is left, and the same window is computed anew", () => {
  const wanted = shadeOn();
  wanted.shade.start(away, 2, itself);
  const expected = settle(wanted);
  for (const rows of [1, 12, 30, 300]) {
    // before, within and after each pass
    const one = shadeOn({ slow: true });
    one.shade.start(square, 2, itself);
    for (let i = 0; i < rows; i++) one.draw();
    one.shade.start(away, 2, itself);
    assert.equal(one.shade.bounds, null); // the older picture is not drawn
    assert.deepEqual([...settle(one).data], [...expected.data], `${rows} rows`);
  }
});

test("another window midway starts over; while the map moves nothing is computed", () => {
  const wanted = shadeOn();
  wanted.shade.start(square, 2, itself);
  const expected = settle(wanted, view(3));
  const one = shadeOn({ slow: true });
  one.shade.start(square, 2, itself);
  for (let i = 0; i < 20; i++) one.draw();
  const row = one.shade.next.row;
  one.draw(view(2), true);
  assert.equal(one.shade.next.row, row);
  assert.deepEqual([...settle(one, view(3)).data], [...expected.data]);
});
