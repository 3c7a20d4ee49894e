// A seeded sheet of samples from the prior: generation, the first purpose of the model.

import { element, renderer } from "./mount.js";
import { priorDraws } from "./sheet_codes.js";
import { button, choice, segmented, wholeField } from "./sheet_controls.js";
import { Grid } from "./sheet_grid.js";
import { Painter, SheetModel } from "./sheet_model.js";
import { saveSheet } from "./sheet_save.js";
import { oneOf, shortCode, View, wholeIn } from "./sheet_view.js";

const COUNTS = [20, 40, 80, 160];
const NARROW = 520; // pixels: below that five pictures stand in a row instead of ten
const FIELDS = {
  seed: { read: wholeIn(0, 999_999), fallback: 0 },
  count: { read: oneOf(...COUNTS), fallback: 40 },
  show: { read: oneOf("mean", "sample"), fallback: "mean" },
};

class PriorSheet {
  constructor(root) {
    this.view = new View(FIELDS, (values) => this.component.setTriggerValue("view", values));
    this.model = new SheetModel(() => this._draw());
    this.painter = new Painter(this.model);
    this.chosen = null; // index of the picture whose z was taken last, in the present sheet
    this._build(root);
  }

  _build(root) {
    this.seed = wholeField("seed", (seed) => this._change({ seed }));
    this.count = choice("pictures", COUNTS.map((n) => [n, String(n)]), (count) => this._change({ count: Number(count) }));
    const shown = { mean: "mean of p(x|z)", sample: "sample of p(x|z)" };
    this.show = segmented("What is shown of p(x|z)", shown, (show) => this._change({ show }));
    this.save = button("Save PNG", () => this._save());
    const fresh = button("New seed", () => this._change({ seed: Math.floor(Math.random() * 1e6) }));
    this.grid = new Grid({ label: "Samples from the prior", onPick: (row, column) => this._pick(row * this.columns + column) });
    this.note = element("p", { className: "er-note" });
    this.words = element("p", { className: "er-note words", role: "status" });
    root.append(element("section", { className: "mode" },
      element("h3", { className: "er-title", text: "Samples from the prior" }),
      element("div", { className: "bar" }, this.seed.root, fresh, this.count.root, this.show.root,
        element("span", { className: "push" }), this.save),
      this.grid.root, this.note, this.words));
    this.observer = new ResizeObserver(() => this.columns !== this._columns() && this._draw());
    this.observer.observe(this.grid.root);
  }

  update(data, component) {
    this.component = component;
    this.run = data.run;
    this.model.open(data.run);
    if (this.view.adopt(data.start)) this.chosen = null;
    this._draw();
  }

  destroy() {
    this.view.stop();
    this.painter.stop();
    this.model.close();
    this.grid.destroy();
    this.observer.disconnect();
  }

  _columns() {
    return this.grid.root.clientWidth < NARROW ? 5 : 10;
  }

  _change(values) {
    this.chosen = null;
    this.view.change(values);
    this._draw();
  }

  _draw() {
    const { seed, count, show } = this.view.values;
    const { shape } = this.model;
    for (const name of Object.keys(FIELDS)) this[name].set(this.view.values[name]);
    this.words.textContent = this.model.words;
    this.save.disabled = !shape;
    if (!shape) return;
    this.columns = this._columns();
    this.codes = priorDraws(shape.k, count, seed);
    const rows = Array.from({ length: count / this.columns }, () => ({ count: this.columns }));
    this.grid.layout({ rows, image: shape, describe: (row, column) => this._describe(row * this.columns + column) });
    this._mark();
    const drawn = `z drawn from p(z) = N(0, I) in ${shape.k} dimensions, seed ${seed};`;
    this.note.textContent = show === "mean"
      ? `${drawn} each picture is the mean of p(x|z). Click one to take its z.`
      : `${drawn} then every pixel drawn from p(x|z) by itself: what the model calls an image. Click one to take its z.`;
    this.painter.paint(this.codes, this.grid.canvases, show === "sample" ? seed : null);
  }

  _describe(index) {
    const first = shortCode(this._code(index).slice(0, 3)).map((value) => value.toFixed(2).replace("-", "−"));
    return `Sample ${index + 1} of seed ${this.view.values.seed}, z = (${first.join(", ")}${this.model.shape.k > 3 ? ", …" : ""})`;
  }

  _code(index) {
    const { k } = this.model.shape;
    return Array.from(this.codes.subarray(index * k, (index + 1) * k));
  }

  _mark() {
    this.grid.mark((row, column) => (row * this.columns + column === this.chosen ? "chosen" : ""));
  }

  _pick(index) {
    this.chosen = index;
    this._mark();
    this.view.change({}, { z: shortCode(this._code(index)) });
  }

  _save() {
    const { seed, show } = this.view.values;
    const { step } = this.model.handle;
    const at = step ? `, step ${step.toLocaleString("en-US")}` : "";
    const lines = [`${this.run}: samples from the prior`, `seed ${seed}, ${show} of p(x|z)${at}`];
    const rows = this.grid.cells.map((cells) => ({ pictures: cells.map((cell) => cell.firstChild) }));
    saveSheet({ lines, columns: null, rows, image: this.model.shape }, `${this.run}-prior-seed-${seed}`);
  }
}

export default renderer((root) => new PriorSheet(root), ["sheet.css"]);
