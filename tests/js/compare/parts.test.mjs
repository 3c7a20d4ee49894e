import assert from "node:assert/strict";
import test from "node:test";

import { paintResidual, reachOf, residualOf, rgbOf } from "../../../ui/static/compare/residual.js";
import { plan } from "../../../ui/static/compare/maps_save.js";
import { aboutSelection, counted, named, withError } from "../../../ui/static/compare/words.js";

test("a residual is x − f(z), its mean over the channels", () => {
  const image = { data: Uint8ClampedArray.of(10, 10, 10, 255, 200, 200, 200, 255) };
  assert.deepEqual([...residualOf([30, 100], image, { channels: 1 })], [20, -100]);
  const colour = { data: Uint8ClampedArray.of(10, 20, 30, 255) };
  assert.deepEqual([...residualOf([40, 20, 30], colour, { channels: 3 })], [10]);
});

test("both residuals are drawn on one scale: ground at 0, the whole ink at the largest", () => {
  const [one, other] = [Float32Array.of(0, 20), Float32Array.of(-100, 50)];
  const reach = reachOf(one, other);
  assert.equal(reach, 100);
  assert.equal(reachOf(Float32Array.of(0)), 1);
  const inks = { ground: [0, 0, 0], lacking: [255, 100, 0], added: [0, 0, 200] };
  assert.deepEqual([...paintResidual(one, reach, inks)], [0, 0, 0, 255, 51, 20, 0, 255]);
  assert.deepEqual([...paintResidual(other, reach, inks)], [0, 0, 200, 255, 128, 50, 0, 255]);
});

test("colours as computed styles write them", () => {
  assert.deepEqual(rgbOf("#0A10ff"), [10, 16, 255]);
  assert.deepEqual(rgbOf("rgb(1, 2, 3)"), [1, 2, 3]);
  assert.deepEqual(rgbOf("nothing"), [128, 128, 128]);
});

test("a number has the decimals of its error", () => {
  assert.equal(withError(-2.3149, 0.123), "−2.31 ± 0.12");
  assert.equal(withError(1234.56, 12.3, true), "+1,235 ± 12");
  assert.equal(withError(0.004, 0.5, true), "0.00 ± 0.50");
  assert.equal(withError(-0.0001, 0.5), "0.00 ± 0.50");
  assert.equal(withError(3, null), "3.00");
  assert.equal(withError(2e-9, 3e-10), "0.00");
  assert.equal(withError(null, 1), "–");
  assert.equal(counted(1, "image"), "1 image");
  assert.equal(counted(2000, "image"), "2,000 images");
});

test("a selection says how far it moved beside all images", () => {
  const sentence = aboutSelection(
    3,
    { mean: 1.5, error: 0.1 },
    { mean: 0.5, error: 0 },
    { mean: 0.25, error: 0.02 },
    { mean: 0.5, error: 0 },
    10,
  );
  assert.equal(
    sentence,
    "They moved by 1.50 ± 0.10 prior standard deviations (all images: 0.50); of their 10 nearest 25.0 ± 2.0 % stayed (all: 50 %).",
  );
});

test("saved maps stand side by side below their words, and nothing is cut", () => {
  const maps = [
    { width: 300, height: 200 },
    { width: 300, height: 260 },
  ];
  const { places, width, height, top } = plan(maps, ["a", "b"]);
  assert.ok(places[0].x + places[0].width < places[1].x);
  assert.ok(places.every((place) => place.y > top && top > 2 * 20));
  assert.ok(places.every((place) => place.x + place.width < width && place.y + place.height < height));
  assert.deepEqual([named({ run: "a", step: null }), named({ run: "a", step: 0 })], ["a", "a at step 0"]);
});
