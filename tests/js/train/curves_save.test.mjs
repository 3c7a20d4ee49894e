import assert from "node:assert/strict";
import test from "node:test";

import { curvesCsv, drawCurves, size } from "../../../ui/static/train/curves_save.js";
import { History } from "../../../ui/static/shared/history.js";
import { Panel } from "../../../ui/static/train/panel.js";
import { plain, SvgContext } from "../../../ui/static/shared/svg_context.js";

const means = (error) => ({
  distortion: 4,
  rate: 2,
  elbo: -6,
  squared_error: error,
  loss: 7,
  images: 64,
});

test("every record is a line; held-out numbers stand only where they were measured", () => {
  const history = new History();
  history.append([
    { step: 10, C: 2, train: means(1), test: null },
    { step: 20, C: 2.5, train: means(3), test: means(5) },
  ]);
  const lines = curvesCsv(history).split("\r\n");
  assert.equal(
    lines[0],
    "step,C,train_squared_error,train_distortion,train_rate,train_elbo,train_loss,heldout_squared_error,heldout_distortion,heldout_rate,heldout_elbo,heldout_loss",
  );
  assert.equal(lines[1], "10,2,1,4,2,-6,7,,,,,");
  assert.equal(lines[2], "20,2.5,3,4,2,-6,7,5,4,2,-6,7");
  assert.equal(lines[3], "");
});

const palette = {
  font: "sans",
  ground: "#fff",
  card: "#eee",
  text: "#111",
  faint: "#666",
  hair: "#ccc",
};

const typeOf = (fontSize) =>
  Object.assign(globalThis, { document: { documentElement: {} }, getComputedStyle: () => ({ fontSize }) });

test("a panel is drawn larger where the page's type is", () => {
  const [places, canvas] = [[], { clientWidth: 300, clientHeight: 96 }];
  const context = new Proxy(
    { setTransform: (...matrix) => places.push(matrix) },
    { get: (of, name) => of[name] ?? (() => ({ width: 0 })) },
  );
  for (const fontSize of ["16px", "24px"]) {
    typeOf(fontSize);
    const panel = new Panel({ ...canvas, getContext: () => context });
    panel.resize(2);
    assert.equal(panel.width * parseFloat(fontSize), 300 * 16);
  }
  assert.deepEqual(places, [[2, 0, 0, 2, 0, 0], [3, 0, 0, 3, 0, 0]]); // prettier-ignore
});

test("the SVG holds every panel's curve, text as text, and balanced groups", () => {
  globalThis.devicePixelRatio = 1;
  typeOf("16px");
  const svg = new SvgContext(400, 300, (text) => 6 * text.length);
  const canvas = {
    clientWidth: 300,
    clientHeight: 96,
    getContext: () => new Proxy({}, { get: (of, name) => of[name] ?? (() => ({ width: 0 })) }),
  };
  const panel = new Panel(canvas);
  assert.equal(panel.resize(1), true);
  panel.glide({ low: 0, high: 10 }, true);
  const series = { xs: [0, 50, 100], ys: [9, 5, 2], n: 3 };
  panel.draw({
    colour: "#d55e00",
    palette,
    axis: true,
    end: 100,
    train: series,
    test: series,
    markers: [{ step: 50, label: "C 1 → <2>" }],
    hover: { step: 50, train: 5, test: 5 },
  });
  const view = {
    title: "a & b",
    panels: [{ panel, title: "Rate" }],
    palette,
    note: "n",
  };
  drawCurves(svg, view, 400, 300);
  const text = svg.text();
  assert.equal((text.match(/<g /g) ?? []).length, (text.match(/<\/g>/g) ?? []).length);
  assert.ok(text.includes("a &amp; b") && text.includes("C 1 → &lt;2&gt;"));
  const y = (value) => 76 - (value / 10) * 76; // the plot is 96 − 20 pixels high
  const x = (step) => 52 + (step / 100) * (300 - 10 - 52);
  const curve = [
    [0, 9],
    [50, 5],
    [100, 2],
  ]
    .map(([a, b], i) => `${i ? "L" : "M"}${+x(a).toFixed(2)} ${+y(b).toFixed(2)}`)
    .join("");
  assert.ok(text.includes(`<path d="${curve}" fill="none" stroke="#d55e00" stroke-width="1.9"`), text);
  assert.ok(!text.includes("held-out 5.00"), "the pointer's crosshair is no part of the picture");
  assert.deepEqual(size(view.panels), { width: 332, height: 228 });
});

test("mixed colours are written so that every program reads them", () => {
  assert.equal(plain("color(srgb 0.5 0 1)"), "rgb(128, 0, 255)");
  assert.equal(plain("color(srgb 0.5 0 1 / 0.11)"), "rgba(128, 0, 255, 0.11)");
  assert.equal(plain("rgb(1, 2, 3)"), "rgb(1, 2, 3)");
});

test("a long note is wrapped into lines that fit, not squeezed", () => {
  const svg = new SvgContext(332, 300, (text) => 6 * text.length);
  drawCurves(svg, { title: "t", panels: [], palette, note: "word ".repeat(100).trim() }, 332, 300);
  const lines = [...svg.text().matchAll(/>([^<]*word[^<]*)<\/text>/g)].map(([, line]) => line);
  assert.ok(lines.length >= 10);
  assert.ok(
    lines.every((line) => 6 * line.length <= 300),
    lines.join("|"),
  );
  assert.equal(lines.join(" ").split(" ").length, 100);
  assert.ok(!svg.text().includes("textLength"));
});

test("a C that float32 gave back is written as it was set", () => {
  const history = new History();
  history.append([{ step: 1, C: 100.00000639508755, train: means(1), test: null }]);
  assert.match(curvesCsv(history), /^1,100,/m);
});
