import assert from "node:assert/strict";
import test from "node:test";

import { classColour, colouring, packed, rampColour, rampRange } from "../../../ui/static/map/colours.js";
import { luminance } from "../../../ui/static/shared/palette.js";

const codes = (labels = Uint8Array.of(3, 1, 3, 1, 7)) => ({
  header: { n: 5, k: 2, classes: null },
  labels,
  loc: Float32Array.of(-1, 9, 0, 9, 1, 9, 2, 9, 3, 9),
  rate: Float32Array.of(1, 2, 3, 4, 5),
  distortion: Float32Array.of(-50, -40, -30, -20, -10),
});
const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** How a colour looks without one kind of cone (Viénot, Brettel and Mollon 1999; Machado et al. 2009 for blue). */
const BLINDNESS = {
  none: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protan: [
    [0.152, 1.053, -0.205],
    [0.115, 0.786, 0.099],
    [-0.004, -0.048, 1.052],
  ],
  deutan: [
    [0.367, 0.861, -0.228],
    [0.28, 0.673, 0.047],
    [-0.012, 0.043, 0.969],
  ],
};
const lab = (hex, kind) => {
  const linear = rgb(hex).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  const [r, g, b] = BLINDNESS[kind].map((row) =>
    Math.max(
      0,
      row.reduce((sum, w, i) => sum + w * linear[i], 0),
    ),
  );
  const l = Math.cbrt(0.4122 * r + 0.5363 * g + 0.0514 * b);
  const m = Math.cbrt(0.2119 * r + 0.6807 * g + 0.1074 * b);
  const s = Math.cbrt(0.0883 * r + 0.2817 * g + 0.63 * b);
  return [
    0.2105 * l + 0.7936 * m - 0.0041 * s,
    1.978 * l - 2.4286 * m + 0.4506 * s,
    0.0259 * l + 0.7828 * m - 0.8087 * s,
  ];
};

test("the ten class colours stay apart for all common kinds of colour vision, on both grounds", () => {
  for (const tone of ["light", "dark"]) {
    for (const kind of Object.keys(BLINDNESS)) {
      for (let a = 0; a < 10; a++) {
        for (let b = 0; b < a; b++) {
          const [x, y] = [lab(classColour(a, tone), kind), lab(classColour(b, tone), kind)];
          const distance = Math.hypot(...x.map((v, i) => v - y[i]));
          assert.ok(
            distance > 0.1,
            `${tone}, ${kind}: ${classColour(a, tone)} and ${classColour(b, tone)} are ${distance.toFixed(3)} apart`,
          );
        }
      }
    }
  }
});

test("every colour stands out from its ground", () => {
  const ground = { light: luminance("#f3f0e9"), dark: luminance("#1e2128") };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  for (const tone of ["light", "dark"]) {
    for (let i = 0; i < 10; i++)
      assert.ok(contrast(luminance(classColour(i, tone)), ground[tone]) > 1.8, classColour(i, tone));
    for (const at of [0, 0.25, 0.5, 0.75, 1])
      assert.ok(contrast(luminance(rampColour(at, tone)), ground[tone]) > 1.3, `${tone} ${at}`);
  }
});

test("more than ten classes still differ from those before", () => {
  const all = new Set(Array.from({ length: 40 }, (_, i) => classColour(i, "light")));
  assert.equal(all.size, 40);
});

test("the ramp grows evenly lighter", () => {
  for (const tone of ["light", "dark"]) {
    const lights = Array.from({ length: 21 }, (_, i) => lab(rampColour(i / 20, tone), "none")[0]);
    lights.slice(1).forEach((value, i) => assert.ok(value > lights[i], `${tone} at ${i}`));
  }
});

test("by label: each class its colour and count", () => {
  const { kinds, palette, classes, range } = colouring(codes(), "label", "light");
  assert.deepEqual([...kinds], [1, 0, 1, 0, 2]);
  assert.deepEqual(
    classes.map(({ name, count }) => [name, count]),
    [
      ["1", 2],
      ["3", 2],
      ["7", 1],
    ],
  );
  assert.equal(palette.length, 3);
  assert.equal(range, null);
});

test("by a number: low values first on the ramp, with its range and unit", () => {
  for (const [by, low, high, unit] of [
    ["rate", 1, 5, "nats"],
    ["distortion", -50, -10, "nats"],
    ["z0", -1, 3, "prior standard deviations"],
  ]) {
    const { kinds, range, unit: found } = colouring(codes(), by, "dark");
    assert.deepEqual([kinds[0], kinds[2], kinds[4]], [0, 128, 255], by);
    assert.deepEqual(range, { low, high });
    assert.equal(found, unit);
  }
  assert.deepEqual(rampRange(Float32Array.of(4, 4, 4)), {
    low: 3.5,
    high: 4.5,
  });
  assert.deepEqual(rampRange(Float32Array.of(NaN)), { low: 0, high: 1 });
});

test("without labels, or by a dimension that is not there, all points are alike", () => {
  assert.deepEqual(new Set(colouring(codes(null), "label", "light").kinds), new Set([0]));
  assert.deepEqual(new Set(colouring(codes(), "z9", "light").kinds), new Set([0]));
  assert.equal(packed("#102030"), 0x302010);
});
