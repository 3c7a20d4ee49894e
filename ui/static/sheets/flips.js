// The traversal sheet of a latent of bits: one bit a column, the most informative first, at 0 and at 1, all others as in
// the page's z.

import { ALIVE, byRate, packZ, readZ } from "../latent/space.js";
import { bitString } from "../latent/bits.js";
import { nats } from "../shared/format.js";
import { element } from "../shared/mount.js";
import { traversalCodes } from "./codes.js";
import { button } from "../modes/controls.js";
import { Mode } from "../modes/mode.js";
import { saveSheet } from "../modes/save.js";
import { codeField, wholeIn } from "../modes/view.js";

const MORE = 10; // bits at first, and how many more come at a time
const VALUES = [0, 1];
const FIELDS = { z: codeField, rows: { read: wholeIn(1, 4096), fallback: MORE } };

export class FlipSheet extends Mode {
  /** @type {number[]} the dimensions that are shown, most nats first */ bits = [];

  constructor(root) {
    super({ fields: FIELDS, pictures: "Sheet of flipped bits" });
    this.more = button("", () => this.change({ rows: this.view.values.rows + MORE }), { quiet: true });
    this.note = element("p", { className: "er-note" });
    this.around = element("span", { className: "er-note bits" });
    const bar = element(
      "div",
      { className: "bar" },
      this.around,
      element("span", { className: "push" }),
      this.toSliders,
      this.save,
    );
    this.assemble(
      root,
      "Each bit flipped, around this code",
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

  get rates() {
    return this.model.rates(this.data.rate_per_dim);
  }

  draw() {
    const { shape } = this.model;
    const ready = shape && !this.model.waiting; // columns would change places when the codes come
    this.save.disabled = this.toSliders.disabled = !ready;
    this.more.hidden = true;
    if (!this.ready(ready) || !shape) return;
    const { k } = shape;
    const { z, rows } = this.view.values;
    this.z = Array.from(readZ(z, k) ?? new Float64Array(k));
    this.bits = byRate(this.rates, k).slice(0, rows);
    this.around.textContent = `code ${bitString(this.z)}, z0 first`;
    this._layout(shape);
    const rest = k - this.bits.length;
    this.more.hidden = !rest;
    this.more.textContent = `Show ${Math.min(rest, MORE)} more of ${k} bits`;
    const canvases = this.bits.flatMap((_, column) => VALUES.map((row) => this.grid.cells[row][column].firstChild));
    this.painter.paint(traversalCodes(this.z, VALUES, this.bits), canvases);
  }

  get heads() {
    return this.bits.map((bit) => (this.rates ? `z${bit}\n${nats(this.rates[bit])}` : `z${bit}`));
  }

  _layout(image) {
    const { bits, rates } = this;
    const rows = VALUES.map((value) => ({ head: String(value), count: bits.length }));
    const describe = (value, column) => `z${bits[column]} = ${value}, the others as they are`;
    this.grid.layout({ rows, columns: this.heads, image, describe, largest: 84 });
    this.grid.mark((value, column) => (this.z[bits[column]] === value ? "present" : ""));
    const grey = rates?.some((rate) => rate < ALIVE) ? `, those below ${ALIVE} carry none` : "";
    const order = rates
      ? `Columns: bits, most nats first${grey}.`
      : "Columns: bits in the model's own order (their nats are not known).";
    this.note.textContent = `${order} Framed: the code as it is. Click a picture to take its code.`;
  }

  pick(value, column) {
    this.change({ z: packZ(this.z.map((bit, i) => (i === this.bits[column] ? value : bit))) });
  }

  sheet() {
    const lines = [`${this.data.run}: each bit flipped`, `around ${bitString(this.z)}${this.atStep}`];
    const rows = this.grid.cells.map((cells, value) => ({
      head: String(value),
      pictures: cells.map((cell) => cell.firstChild),
    }));
    saveSheet(
      { lines, columns: this.bits.map((bit) => `z${bit}`), rows, image: this.model.shape },
      `${this.data.run}-flips`,
    );
  }
}
