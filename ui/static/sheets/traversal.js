// The traversal sheet: one latent dimension a row, the most informative first, its values from left to right, all other
// coordinates as in the page's z.

import { ALIVE, byRate, packZ, readZ } from "../latent/space.js";
import { nats } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { nearestValue, traversalCodes, traversalValues } from "./codes.js";
import { button, choice, segmented } from "../modes/controls.js";
import { FlipSheet } from "./flips.js";
import { Mode, NARROW } from "../modes/mode.js";
import { saveSheet } from "../modes/save.js";
import { codeField, oneOf, wholeIn } from "../modes/view.js";

const COLUMNS = [5, 7, 9, 11, 13];
const MORE = 10; // dimensions at first, and how many more come at a time
const FIELDS = {
  z: codeField,
  columns: { read: oneOf(...COLUMNS), fallback: 0, usual: "as many as fit" },
  values: { read: oneOf("even", "quantiles"), fallback: "even" },
  rows: { read: wholeIn(1, 4096), fallback: MORE },
};

const signed = (value) => (Math.abs(value) < 0.005 ? "0" : `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`);

class TraversalSheet extends Mode {
  /** @type {number[]} values of each dimension */ steps = [];
  /** @type {number[]} those that are shown, most nats first */ dimensions = [];

  constructor(root) {
    super({ fields: FIELDS, pictures: "Traversal sheet" });
    this.columns = choice(
      "columns",
      COLUMNS.map((n) => [n, String(n)]),
      (columns) => this.change({ columns: Number(columns) }),
    );
    const spacings = { even: "−2.5 … 2.5", quantiles: "prior quantiles" };
    this.values = segmented("Values of a dimension", spacings, (values) => this.change({ values }));
    this.more = button("", () => this.change({ rows: this.view.values.rows + MORE }), { quiet: true });
    this.note = element("p", { className: "er-note" });
    const bar = element(
      "div",
      { className: "bar" },
      this.columns.root,
      this.values.root,
      element("span", { className: "push" }),
      this.toSliders,
      this.save,
    );
    this.assemble(
      root,
      "Traversal around this z",
      this.grid.root,
      bar,
      this.grid.root,
      element("div", {}, this.more),
      this.note,
    );
  }

  wantsCodes(data) {
    return !data.rate_per_dim;
  }

  count() {
    return this.view.values.columns || (this.grid.root.clientWidth < NARROW ? 5 : 9);
  }

  /** Nats per dimension, or null where nobody knows them. */
  get rates() {
    return this.model.rates(this.data.rate_per_dim);
  }

  draw() {
    const { shape } = this.model;
    const ready = shape && !this.model.waiting; // rows would change places when the codes come
    this.save.disabled = this.toSliders.disabled = !ready;
    this.more.hidden = true;
    if (!this.ready(ready) || !shape) return;
    const { k } = shape;
    const { z, values, rows } = this.view.values;
    this.z = Array.from(readZ(z, k) ?? new Float64Array(k));
    this.drawn = this.count();
    this.columns.set(this.drawn);
    this.values.set(values);
    this.steps = traversalValues(this.drawn, values);
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
      head: `z${dimension} = ${signed(this.z[dimension])}`,
      note: rates ? `${nats(rates[dimension])} nats` : "",
      count: steps.length,
      faint: Boolean(rates && !(rates[dimension] >= ALIVE)),
    }));
    const describe = (row, column) => `z${dimensions[row]} = ${signed(steps[column])}, the others as they are`;
    this.grid.layout({ rows, columns: steps.map(signed), image: shape, describe, largest: 100 });
    const present = dimensions.map((dimension) => nearestValue(steps, this.z[dimension]));
    this.grid.mark((row, column) => (present[row] === column ? "present" : ""));
    const order = rates
      ? `Rows: dimensions, most nats first${this.data.factorises ? "" : " (KL of the marginals: q does not factorise)"}${rates.some((rate) => !(rate >= ALIVE)) ? "; grey ones carry none" : ""}.`
      : "Rows: dimensions in the model's own order (their nats are not known).";
    this.note.textContent = `${order} Framed: the picture nearest to the present value. Click a picture to take its z.`;
  }

  pick(row, column) {
    this.change({ z: packZ(this.z.map((value, i) => (i === this.dimensions[row] ? this.steps[column] : value))) });
  }

  sheet() {
    const code = this.z.map((value) => value.toFixed(2).replace("-", "−"));
    const around = code.length > 12 ? `${code.slice(0, 12).join(", ")}, …` : code.join(", ");
    const lines = [`${this.data.run}: traversal`, `around z = (${around})${this.atStep}`];
    const rows = this.grid.cells.map((cells, i) => ({
      head: `z${this.dimensions[i]}${this.rates ? `  ${nats(this.rates[this.dimensions[i]])} nats` : ""}`,
      pictures: cells.map((cell) => cell.firstChild),
    }));
    saveSheet({ lines, columns: this.steps.map(signed), rows, image: this.model.shape }, `${this.data.run}-traversal`);
  }
}

/** @import { Component } from "../shared/types.js" */
/** @import { ModeData } from "../modes/mode.js" */

export default renderer(
  (root, /** @type {Component<ModeData>} */ { data }) =>
    data.support === "binary" ? new FlipSheet(root) : new TraversalSheet(root),
  ["modes/mode.css"],
);
