import assert from "node:assert/strict";
import test from "node:test";

import { cellSize, moved } from "../../../ui/static/modes/grid.js";
import { Painter, SheetModel } from "../../../ui/static/modes/model.js";
import { classesOf, rowsOf } from "../../../ui/static/modes/picker.js";
import { parseWhole } from "../../../ui/static/modes/controls.js";
import { plan } from "../../../ui/static/modes/save.js";
import { numberIn, oneOf, sender, text, View, wholeIn } from "../../../ui/static/modes/view.js";

test("pictures take whole screen pixels where that wastes little", () => {
  assert.equal(cellSize(600, 10, 28), 56); // room for 57
  assert.equal(cellSize(600, 10, 28, 2), 56); // four screen pixels each
  assert.equal(cellSize(490, 10, 28), 46); // one pixel each would waste half of the room
  assert.equal(cellSize(5000, 10, 28), 84);
  assert.equal(cellSize(300, 5, 64), 57); // made smaller
});

test("arrows, Home and End stay inside the pictures, rows of unequal length too", () => {
  const lengths = [5, 5, 2];
  assert.deepEqual(moved([0, 4], "ArrowRight", lengths), [0, 4]);
  assert.deepEqual(moved([0, 4], "ArrowUp", lengths), [0, 4]);
  assert.deepEqual(moved([1, 4], "ArrowDown", lengths), [2, 1]);
  assert.deepEqual(moved([1, 3], "Home", lengths), [1, 0]);
  assert.deepEqual(moved([1, 1], "End", lengths), [1, 4]);
});

/** A model whose pictures are their own code's first number, in chunks as asked for. */
function model(sha = "one", place = "page") {
  const asked = [];
  return {
    asked,
    sha,
    handle: {
      place,
      shape: { k: 2 },
      sheet: (codes, seed) => {
        asked.push([codes.length / 2, seed]);
        return Array.from({ length: codes.length / 2 }, (_, i) => ({
          width: 1,
          height: 1,
          value: codes[2 * i],
        }));
      },
    },
  };
}
const canvas = () => {
  const made = { width: 1, height: 1, shown: "old" };
  made.getContext = () => ({
    putImageData: (image) => (made.shown = image.value),
    clearRect: () => (made.shown = null),
  });
  return made;
};
const codes = (n, by = 1) => Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 ? 0 : (i / 2) * by));

test("a sheet is painted in parts; each draw of p(x|z) has its own seed", async () => {
  const source = model();
  const canvases = Array.from({ length: 20 }, canvas);
  assert.equal(await new Painter(source).paint(codes(20), canvases), true);
  assert.deepEqual(
    canvases.map((one) => one.shown),
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.deepEqual(source.asked, [
    [16, null],
    [4, null],
  ]);
  const drawn = model();
  await new Painter(drawn).paint(codes(3), canvases.slice(0, 3), 7);
  assert.deepEqual(drawn.asked, [
    [1, 7000],
    [1, 7001],
    [1, 7002],
  ]);
});

test("the newest sheet wins, and no picture stays of an older model", async () => {
  const source = model();
  const painter = new Painter(source);
  const canvases = Array.from({ length: 20 }, canvas);
  const first = painter.paint(codes(20), canvases);
  const second = painter.paint(codes(20, 10), canvases);
  assert.deepEqual([await first, await second], [false, true]);
  assert.deepEqual(
    canvases.map((one) => one.shown),
    Array.from({ length: 20 }, (_, i) => 10 * i),
  );
  source.handle.sheet = () => null; // overtaken, or not decoded yet
  source.sha = "two";
  assert.equal(await painter.paint(codes(20), canvases), false);
  assert.ok(canvases.every((one) => one.shown === null));
  source.sha = null;
  assert.equal(await painter.paint(codes(20), canvases), false);
});

test("an answer that comes after a newer model is not shown", async () => {
  const source = model("one", "server");
  let answer;
  source.handle.sheet = () => new Promise((resolve) => (answer = resolve));
  const canvases = [canvas()];
  const painted = new Painter(source).paint(codes(1), canvases);
  source.sha = "two";
  answer([{ width: 1, height: 1, value: 5 }]);
  assert.equal(await painted, false);
  assert.equal(canvases[0].shown, null);
});

const FIELDS = {
  seed: { read: wholeIn(0, 99), fallback: 0 },
  show: { read: oneOf("mean", "sample"), fallback: "mean" },
  t: { read: numberIn(0, 1), fallback: 0.5 },
  a: {
    read: text(/^\d+(,\d+)*$/, "image numbers"),
    fallback: "",
    usual: "the first one",
  },
};

test("an address may hold anything: text counts, nonsense does not", () => {
  const view = new View(FIELDS, () => {});
  assert.deepEqual(view.read({ seed: "12", show: "sample", t: "0.25", a: "1,2" }), {
    seed: 12,
    show: "sample",
    t: 0.25,
    a: "1,2",
  });
  assert.deepEqual(view.read({ seed: "1.5", show: "<b>", t: "", a: "1;2" }), {
    seed: 0,
    show: "mean",
    t: 0.5,
    a: "",
  });
  assert.deepEqual(view.read({ seed: -1, t: 7, a: null, constructor: 1 }), {
    seed: 0,
    show: "mean",
    t: 0.5,
    a: "",
  });
  assert.deepEqual(view.read({ seed: "100", t: "NaN" }), view.read(null));
});

test("what the address holds in vain is said: what, what was expected, what is shown", () => {
  const view = new View(FIELDS, () => {});
  assert.equal(view.refusal, "");
  view.adopt({ seed: "-5", show: "mean", t: "7", a: "zz" });
  assert.equal(
    view.refusal,
    "The address held what could not be used: seed “-5” (expected a whole number from 0 to 99; shown instead: 0) " +
      "and t “7” (expected a number from 0 to 1; shown instead: 0.5) and a “zz” (expected image numbers; shown instead: the first one).",
  );
  view.refuse("a", 500, "images 0 to 3", 1); // what only the data can tell
  assert.match(view.refusal, /a “500” \(expected images 0 to 3; shown instead: 1\)/);
  view.change({ seed: 3 });
  view.stop();
  assert.equal(view.refusal, ""); // somebody has moved on
  view.adopt({ show: "x".repeat(5000) });
  assert.ok(view.refusal.includes("mean or sample") && view.refusal.length < 200);
  view.stop();
});

test("what the address held in vain is taken out of it, and stays said until somebody moves on", async () => {
  const told = [];
  const view = new View(FIELDS, (values) => told.push(values));
  view.adopt({ seed: "-5", show: "sample" });
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual(told, [{ seed: null, show: "sample", t: null, a: null }]);
  assert.equal(view.adopt({ show: "sample" }), false); // what the page answers
  assert.match(view.refusal, /seed “-5”/);
});

test("a view's own words that come back, late or as text, are no news; the address's own are", () => {
  const told = [];
  const view = new View(FIELDS, (values, extra) => told.push([values.seed, extra.z]));
  assert.equal(view.adopt(null), false);
  view.change({ seed: 3 }, {});
  view.change({ seed: 4 }, { z: [1, 2] });
  assert.deepEqual(told, [
    [3, undefined],
    [4, [1, 2]],
  ]);
  assert.equal(view.adopt({ seed: "3" }), false); // the page is one step behind
  assert.equal(view.values.seed, 4);
  assert.equal(view.adopt({ seed: "4" }), false);
  assert.equal(view.adopt({ seed: "3" }), true); // the browser's Back
  assert.equal(view.values.seed, 3);
  assert.equal(view.adopt({ seed: "4" }), true); // and Forward
  assert.equal(view.values.seed, 4);
  assert.equal(view.adopt({ seed: "4" }), false);
});

test("quick changes are told once, what is usual does not stand in the address", async () => {
  const told = [];
  const view = new View(FIELDS, (values) => told.push(values));
  for (const t of [0.1, 0.2, 0.3]) view.change({ t });
  assert.deepEqual(told, []);
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual(told, [{ seed: null, show: null, t: 0.3, a: null }]);
});

test("a mode tells the address and the page the same, the address without an entry in the browser's history", () => {
  const [states, told] = [[], []];
  globalThis.location = { href: "http://one/explore?run=r&seed=4&show=sample" };
  globalThis.history = {
    state: { kept: 1 },
    replaceState: (...given) => states.push(given),
  };
  const component = {
    data: { run: "r" },
    setStateValue: (name, value) => told.push([name, value]),
  };
  sender({ component })({ seed: null, show: "sample", t: 0.3 }, { z: "1_2", open: true });
  assert.deepEqual(
    states.map(([state, , address]) => [state, address.search]),
    [[{ kept: 1 }, "?run=r&show=sample&t=0.3"]],
  );
  const { moment, ...said } = told[0][1];
  assert.deepEqual([told[0][0], said], ["view", { show: "sample", t: 0.3, z: "1_2", open: true, run: "r" }]);
  assert.ok(moment > 0);
  delete globalThis.location;
  delete globalThis.history;
});

test("whole numbers as typed", () => {
  assert.deepEqual(
    ["12", " 0 ", "99"].map((typed) => parseWhole(typed, 99)),
    [12, 0, 99],
  );
  for (const typed of ["-3", "abc", "1.5", "1e20", "", "100", "9".repeat(30)])
    assert.equal(parseWhole(typed, 99), null, typed);
});

test("a saved sheet has room for its headings", () => {
  const pictures = (count) => Array.from({ length: count }, () => ({}));
  const sheet = {
    lines: ["title"],
    columns: ["a", "b"],
    rows: [
      { head: "z10", pictures: pictures(2) },
      { head: "z1", pictures: pictures(2) },
    ],
    image: { width: 28, height: 28 },
  };
  const place = plan(sheet, (words) => 7 * words.length);
  assert.deepEqual([place.scale, place.width], [2, 56]);
  assert.equal(place.left, 24 + 21 + 12);
  assert.equal(place.total.width, place.left + 2 * 56 + 4 + 24);
  assert.equal(place.total.height, place.top + 2 * 56 + 4 + 24);
  assert.equal(plan({ ...sheet, lines: ["x".repeat(100)] }, (words) => 7 * words.length).total.width, 24 + 700 + 24);
});

test("images to choose from, by label", () => {
  const known = {
    labels: Uint8Array.of(1, 0, 1),
    header: { n: 3, classes: ["cat", "dog"] },
  };
  assert.deepEqual(classesOf(known), [
    [0, "cat"],
    [1, "dog"],
  ]);
  assert.deepEqual(rowsOf(known, "1"), [0, 2]);
  assert.deepEqual(rowsOf(known, "all"), [0, 1, 2]);
  assert.deepEqual(classesOf({ labels: null, header: { n: 3 } }), []);
});

test("one way to write images and weights", () => {
  const model = new SheetModel(() => {});
  model.codes = {
    header: { classes: ["no", "yes"] },
    labels: Uint8Array.of(0, 1),
  };
  assert.equal(model.nameOf(1), "held-out image 1, label yes");
  model.codes = {
    header: { rows_of: "faces.npz, x_test" },
    rows: Uint32Array.of(7, 1234),
  };
  assert.equal(model.nameOf(1), "held-out row 1,234 of faces.npz, x_test");
  model.handle = {
    word: "decoded in this page",
    step: 14063,
    shape: { k: 2 },
    reason: "",
    problem: "",
  };
  assert.equal(model.words, "decoded in this page · weights of step 14,063");
  model.handle.step = null;
  assert.equal(model.words, "decoded in this page");
});
