// The traversal sheet: one latent dimension a row, the most informative first, its values from left to right, all other
// coordinates as in the page's z.

import { ALIVE, byRate } from "./explore_space.js";
import { nats } from "./format.js";
import { element, renderer } from "./mount.js";
import { nearestValue, traversalCodes, traversalValues } from "./sheet_codes.js";
import { button, choice, segmented } from "./sheet_controls.js";
import { Grid } from "./sheet_grid.js";
import { Painter, SheetModel } from "./sheet_model.js";
import { saveSheet } from "./sheet_save.js";
import { oneOf, shortCode, View, wholeIn } from "./sheet_view.js";

const COLUMNS = [5, 7, 9, 11, 13];
const MORE = 10; // rows at first, and how many more come at a time
const NARROW = 520; // pixels
const FIELDS = {
  columns: { read: oneOf(...COLUMNS), fallback: 0 }, // 0: as the width allows
  values: { read: oneOf("even", "quantiles"), fallback: "even" },
  rows: { read: wholeIn(1, 4096), fallback: MORE },
};

const signed = (value) => (Math.abs(value) < 0.005 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`);

class TraversalSheet {
  constructor(root) {
    this.view = new View(FIELDS, (values) => this.component.setTriggerValue("view", values));
    this.model = new SheetModel(() => this._draw());
    this.painter = new Painter(this.model);
    this._build(root);
  }

  _build(root) {
    this.columns = choice("columns", COLUMNS.map((n) => [n, String(n)]), (columns) => this._change({ columns: Number(columns) }));
    const spacings = { even: "−2.5 … 2.5", quantiles: "prior quantiles" };
    this.values = segmented("Values of a dimension", spacings, (values) => this._change({ values }));
    this.save = button("Save PNG", () => this._save());
    this.more = button("", () => this._change({ rows: this.view.values.rows + MORE }), { quiet: true });
    this.grid = new Grid({ label: "Traversal sheet", onPick: (row, column) => this._pick(row, column) });
    this.note = element("p", { className: "er-note" });
    this.words = element("p", { className: "er-note words", role: "status" });
    root.append(element("section", { className: "mode" },
      element("h3", { className: "er-title", text: "Traversal around this z" }),
      element("div", { className: "bar" }, this.columns.root, this.values.root, element("span", { className: "push" }), this.save),
      this.grid.root, element("div", {}, this.more), this.note, this.words));
    this.observer = new ResizeObserver(() => this.count !== this._count() && this._draw());
    this.observer.observe(this.grid.root);
  }

  update(data, component) {
    this.component = component;
    this.data = data;
    this.model.open(data.run, { codes: !data.rate_per_dim });
    this.view.adopt(data.start);
    this.z = data.z;
    this._draw();
  }

  destroy() {
    this.view.stop();
    this.painter.stop();
    this.model.close();
    this.grid.destroy();
    this.observer.disconnect();
  }

  _count() {
    return this.view.values.columns || (this.grid.root.clientWidth < NARROW ? 5 : 9);
  }

  _change(values) {
    this.view.change(values);
    this._draw();
  }

  /** Nats per dimension, or null where nobody knows them. */
  get rates() {
    const rates = this.data.rate_per_dim ?? this.model.codes?.header.rate_per_dim;
    return rates?.length === this.model.shape.k ? rates : null;
  }

  _draw() {
    const { shape } = this.model;
    this.words.textContent = this.model.words;
    const ready = shape && !this.model.waiting; // rows would change places when the codes come
    this.save.disabled = !ready;
    this.more.hidden = true;
    if (!ready) return;
    const { k } = shape;
    const { values, rows } = this.view.values;
    if (this.z?.length !== k) this.z = new Array(k).fill(0);
    this.count = this._count();
    this.columns.set(this.count);
    this.values.set(values);
    this.steps = traversalValues(this.count, values);
    this.dimensions = byRate(this.rates, k).slice(0, rows);
    this._layout(shape);
    const rest = k - this.dimensions.length;
    this.more.hidden = !rest;
    this.more.textContent = `Show ${Math.min(rest, MORE)} more of ${k} dimensions`;
    this.painter.paint(traversalCodes(this.z, this.steps, this.dimensions), this.grid.canvases);
  }

  _layout(shape) {
    const { rates, dimensions, steps } = this;
    const rows = dimensions.map((dimension) => ({
      head: `z${dimension} = ${signed(this.z[dimension])}`, note: rates ? `${nats(rates[dimension])} nats` : "", count: steps.length,
      faint: rates && !(rates[dimension] >= ALIVE),
    }));
    const describe = (row, column) => `z${dimensions[row]} = ${signed(steps[column])}, the others as they are`;
    this.grid.layout({ rows, columns: steps.map(signed), image: shape, describe, largest: rows.length > 6 ? 60 : 84 });
    const present = dimensions.map((dimension) => nearestValue(steps, this.z[dimension]));
    this.grid.mark((row, column) => (present[row] === column ? "present" : ""));
    const order = rates
      ? `Rows: dimensions, most nats first${rates.some((rate) => !(rate >= ALIVE)) ? "; grey ones carry none" : ""}.`
      : "Rows: dimensions in the model's own order (their nats are not known).";
    this.note.textContent = `${order} Framed: the picture nearest to the present value. Click a picture to take its z.`;
  }

  _pick(row, column) {
    this.z = shortCode(this.z.map((value, i) => (i === this.dimensions[row] ? this.steps[column] : value)));
    this.view.change({}, { z: this.z });
    this._draw();
  }

  _save() {
    const { step } = this.model.handle;
    const code = shortCode(this.z).map((value) => value.toFixed(2).replace("-", "−"));
    const around = code.length > 12 ? `${code.slice(0, 12).join(", ")}, …` : code.join(", ");
    const lines = [`${this.data.run}: traversal`, `around z = (${around})${step ? `, step ${step.toLocaleString("en-US")}` : ""}`];
    const rows = this.grid.cells.map((cells, i) => ({
      head: `z${this.dimensions[i]}${this.rates ? `  ${nats(this.rates[this.dimensions[i]])} nats` : ""}`,
      pictures: cells.map((cell) => cell.firstChild),
    }));
    saveSheet({ lines, columns: this.steps.map(signed), rows, image: this.model.shape }, `${this.data.run}-traversal`);
  }
}

export default renderer((root) => new TraversalSheet(root), ["sheet.css"]);
