// Held-out images to choose from: one class or all, page by page or at random.

import { element } from "../shared/mount.js";
import { button, choice } from "./controls.js";
import { Grid } from "./grid.js";
import { put } from "./model.js";

const ROWS = 2;
const ALL = "all";

/** The classes of the codes as [[value, name]], empty without labels. */
export function classesOf(codes) {
  if (!codes.labels) return [];
  const count = codes.header.classes?.length ?? Math.max(...codes.labels) + 1;
  return Array.from({ length: count }, (_, i) => [i, codes.header.classes?.[i] ?? String(i)]);
}

/** Row numbers of the images of one class, or of all. */
export function rowsOf(codes, label) {
  const rows = [];
  for (let i = 0; i < codes.header.n; i++) if (label === ALL || codes.labels[i] === Number(label)) rows.push(i);
  return rows;
}

/** @import { Codes } from "../shared/codes.js" */

export class Picker {
  /** @type {number} pictures in a row, as drawn */
  columns;
  /** @type {Codes} of which */
  codes;
  /** @type {string} label of those in `rows` */
  of;
  /** @type {number[]} all images with that label */
  rows;
  /** @type {number[]} those on this page */
  shown;

  /**
   * `onPick(index)` for a chosen image; `mark(index)` gives a class for images that are chosen already.
   *
   * @param {import("./model.js").SheetModel} model
   * @param {{ title: string, onPick: (index: number) => void, mark?: (index: number) => string }} options
   */
  constructor(model, { title, onPick, mark = () => "" }) {
    this.model = model;
    this.onPick = onPick;
    this.marked = mark;
    this.first = 0;
    this.label = ALL;
    this.heading = element("span", { className: "er-note", text: title });
    this.filter = choice("label", [[ALL, "all"]], (label) => this._turn({ label }));
    this.before = button("‹", () => this._turn({ by: -1 }), { title: "Images before these" });
    this.after = button("›", () => this._turn({ by: 1 }), { title: "Next images" });
    this.random = button("Random", () => this._turn({ random: true }), { title: "Images from another place" });
    this.grid = new Grid({ label: "Held-out images to choose from", onPick: (row, column) => this._pick(row, column) });
    this.problem = element("p", { className: "er-note" });
    this.root = element(
      "div",
      { className: "picker" },
      element(
        "div",
        { className: "bar" },
        this.heading,
        element("span", { className: "push" }),
        this.filter.root,
        this.random,
        element("span", { className: "pair" }, this.before, this.after),
      ),
      this.grid.root,
      this.problem,
    );
    this.observer = new ResizeObserver(() => this.columns !== this._columns() && this.draw());
    this.observer.observe(this.root);
  }

  _columns() {
    return Math.max(5, Math.min(20, Math.floor(this.root.clientWidth / 56)));
  }

  /** @param {{ label?: string, by?: number, random?: boolean }} how */
  _turn({ label, by = 0, random = false }) {
    if (label !== undefined) {
      this.label = label;
      this.first = 0;
    }
    const shown = ROWS * this.columns;
    const last = Math.max(0, Math.floor((this.rows.length - 1) / shown) * shown);
    if (random) this.first = Math.floor(Math.random() * (last / shown + 1)) * shown;
    this.first = Math.min(last, Math.max(0, this.first + by * shown));
    this.draw();
  }

  draw() {
    const { codes } = this.model;
    if (!codes || this.root.hidden || !this.root.clientWidth) return;
    const classes = classesOf(codes);
    this.filter.root.hidden = !classes.length;
    this.filter.options([[ALL, "all"], ...classes]);
    this.filter.set(this.label);
    if (codes !== this.codes || this.label !== this.of) this.rows = rowsOf(codes, this.label);
    this.codes = codes;
    this.of = this.label;
    this.columns = this._columns();
    this.shown = this.rows.slice(this.first, this.first + ROWS * this.columns);
    const rows = [];
    for (let i = 0; i < this.shown.length; i += this.columns)
      rows.push({ count: Math.min(this.columns, this.shown.length - i) });
    this.grid.layout({
      rows,
      image: codes.header,
      largest: 52,
      describe: (row, column) => this.model.nameOf(this._index(row, column)),
    });
    this.before.disabled = this.first === 0;
    this.after.disabled = this.first + this.shown.length >= this.rows.length;
    this.mark();
    this._paint();
  }

  mark() {
    if (this.shown) this.grid.mark((row, column) => this.marked(this._index(row, column)));
  }

  async _paint() {
    const { shown, grid } = this;
    try {
      const images = await Promise.all(shown.map((index) => this.model.image(index)));
      if (shown !== this.shown) return;
      images.forEach((image, i) => put(grid.canvases[i], image));
      this.problem.textContent = "";
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  _index(row, column) {
    return this.shown[row * this.columns + column];
  }

  _pick(row, column) {
    this.onPick(this._index(row, column));
    this.mark();
  }

  destroy() {
    this.observer.disconnect();
    this.grid.destroy();
  }
}
