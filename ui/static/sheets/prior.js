// A seeded sheet of samples from the prior: generation, the first purpose of the model.

import { packZ } from "../latent/space.js";
import { element, renderer } from "../shared/mount.js";
import { PRIORS } from "./codes.js";
import { button, choice, segmented, wholeField } from "../modes/controls.js";
import { Mode, NARROW } from "../modes/mode.js";
import { saveSheet } from "../modes/save.js";
import { codeField, oneOf, wholeIn } from "../modes/view.js";

const COUNTS = [20, 40, 80, 160];
const FIELDS = {
  z: codeField,
  seed: { read: wholeIn(0, 999_999), fallback: 0 },
  count: { read: oneOf(...COUNTS), fallback: 40 },
  show: { read: oneOf("mean", "sample"), fallback: "mean" },
};

class PriorSheet extends Mode {
  /** @type {Float32Array} draws from the prior, (count, k) */ codes;

  constructor(root) {
    super({ fields: FIELDS, pictures: "Samples from the prior" });
    this.chosen = null; // index of the picture whose z was taken last, in the present sheet
    this.seed = wholeField("seed", (seed) => this.change({ seed }));
    this.pictures = choice(
      "pictures",
      COUNTS.map((n) => [n, String(n)]),
      (count) => this.change({ count: Number(count) }),
    );
    const shown = { mean: "mean of p(x|z)", sample: "sample of p(x|z)" };
    this.show = segmented("What is shown of p(x|z)", shown, (show) => this.change({ show }));
    this.note = element("p", { className: "er-note" });
    const fresh = button("New seed", () => this.change({ seed: Math.floor(Math.random() * 1e6) }));
    const bar = element(
      "div",
      { className: "bar" },
      this.seed.root,
      fresh,
      this.pictures.root,
      this.show.root,
      element("span", { className: "push" }),
      this.toSliders,
      this.save,
    );
    this.assemble(root, "Samples from the prior", this.grid.root, bar, this.seed.problem, this.grid.root, this.note);
  }

  wantsCodes() {
    return false;
  }

  count() {
    return this.grid.root.clientWidth < NARROW ? 5 : 10;
  }

  moved() {
    this.chosen = null;
  }

  change(values) {
    this.chosen = null;
    super.change(values);
  }

  draw() {
    const { seed, count, show } = this.view.values;
    const { shape } = this.model;
    this.seed.set(seed);
    this.pictures.set(count);
    this.show.set(show);
    this.save.disabled = !shape;
    this.toSliders.disabled = true;
    if (!this.ready(shape) || !shape) return;
    this.drawn = this.count();
    const prior = PRIORS[this.data.support];
    this.codes = prior.draws(shape.k, count, seed);
    const rows = Array.from({ length: count / this.drawn }, () => ({ count: this.drawn }));
    this.grid.layout({
      rows,
      image: shape,
      largest: 124,
      describe: (row, column) => this._describe(row * this.drawn + column),
    });
    this._mark();
    const of =
      show === "mean"
        ? "each picture is the mean of p(x|z)."
        : "then every pixel drawn from p(x|z) by itself: what the model calls an image.";
    this.note.textContent = `z drawn from p(z) = ${prior.words(shape.k)}, seed ${seed}; ${of} Click one to take its z.`;
    this.painter.paint(this.codes, this.grid.canvases, show === "sample" ? seed : null);
  }

  _describe(index) {
    const code = this._code(index);
    const first = Array.from(code.slice(0, 3), (value) => PRIORS[this.data.support].number(value));
    return `Sample ${index + 1} of seed ${this.view.values.seed}, z = (${first.join(", ")}${code.length > 3 ? ", …" : ""})`;
  }

  _code(index) {
    const { k } = this.model;
    return this.codes.slice(index * k, (index + 1) * k);
  }

  pick(row, column) {
    this.chosen = row * this.drawn + column;
    this.z = this._code(this.chosen);
    this.view.change({ z: packZ(this.z) });
    this._mark();
  }

  _mark() {
    this.grid.mark((row, column) => (row * this.drawn + column === this.chosen ? "chosen" : ""));
    this.toSliders.disabled = this.chosen === null;
  }

  sheet() {
    const { seed, show } = this.view.values;
    const lines = [`${this.data.run}: samples from the prior`, `seed ${seed}, ${show} of p(x|z)${this.atStep}`];
    const rows = this.grid.cells.map((cells) => ({ pictures: cells.map((cell) => cell.firstChild) }));
    saveSheet({ lines, columns: null, rows, image: this.model.shape }, `${this.data.run}-prior-seed-${seed}`);
  }
}

export default renderer((root) => new PriorSheet(root), ["modes/mode.css"]);
