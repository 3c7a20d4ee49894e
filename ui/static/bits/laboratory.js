// The binary laboratory: switches for the bits of a code and the image that they decode to, and the sheet of all codes.

import { aggregate, allCodes, entropy, SHOWN } from "./codes.js";
import { bitString, fairBits, likelyBits, posteriorBits } from "../latent/bits.js";
import { packZ, readZ } from "../latent/space.js";
import { Switches } from "../explore/switches.js";
import { element, renderer } from "../shared/mount.js";
import { button, segmented, wholeField } from "../modes/controls.js";
import { Mode } from "../modes/mode.js";
import { saveSheet } from "../modes/save.js";
import { put } from "../modes/model.js";
import { codeField, oneOf, wholeIn } from "../modes/view.js";

const NARROW = 620; // pixels: 8 pictures in a row instead of 16
const SEEDS = 999_999;
const NONE = -1; // no held-out image
const FIELDS = {
  z: codeField,
  image: { read: wholeIn(0, 9_999_999), fallback: NONE, usual: "none" },
  order: { read: oneOf("gray", "plain"), fallback: "gray" },
  heat: { read: oneOf("yes", "no"), fallback: "no" },
  seed: { read: wholeIn(0, SEEDS), fallback: 0 },
};
const percent = (p) => (p > 0 && p < 5e-4 ? "less than 0.05 %" : `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`);

class BitLab extends Mode {
  constructor(root) {
    super({ fields: FIELDS, pictures: "Codes" });
    this.draws = 0;
    this._switches();
    this._sources();
    this._sheet();
    const top = element(
      "div",
      { className: "bits-top" },
      element(
        "div",
        { className: "bits-left" },
        this.switches.box,
        this.string,
        this.tools,
        this.seed.problem,
        this.own.problem,
        this.ownWords,
      ),
      element("div", { className: "bits-pictures" }, this._titled("Mean of p(x|z)", this.picture), this.ownBox),
    );
    this.assemble(
      root,
      "A code and its image",
      this.grid.root,
      top,
      this.sheetTitle,
      this.bar,
      this.grid.root,
      this.note,
    );
  }

  _titled(text, canvas) {
    return element("figure", {}, element("figcaption", { className: "er-note", text }), canvas);
  }

  _switches() {
    const idle = () => {};
    this.switches = new Switches({
      move: (bit, value) => this._flip(bit, value),
      value: (bit) => this.z[bit],
      release: idle,
      touch: idle,
      reset: idle,
    });
    this.string = element("output", { className: "bit-string" });
    this.picture = element("canvas", { className: "large", role: "img" });
  }

  _sources() {
    this.seed = wholeField("seed", (seed) => this._random(seed), { most: SEEDS, name: "Seed of the random code" });
    const random = button("Random code", () => this._random((this.view.values.seed + 1) % SEEDS));
    this.own = wholeField("image", (image) => this._take(image), {
      most: 9_999_999,
      name: "Number of the held-out image",
    });
    this.next = button("Next held-out image", () => this._take(this.view.values.image + 1));
    this.sample = button("Draw from its q", () => this._drawFromQ());
    this.tools = element("div", { className: "bar" }, random, this.seed.root, this.next, this.own.root, this.sample);
    this.ownPicture = element("canvas", { className: "large", role: "img" });
    this.ownBox = this._titled("The held-out image", this.ownPicture);
    this.ownWords = element("p", { className: "er-note", role: "status" });
  }

  _sheet() {
    this.order = segmented(
      "Order of the codes",
      { gray: "neighbours differ in one bit", plain: "as numbers" },
      (order) => this.change({ order }),
    );
    const words = { no: "pictures", yes: "and how probable" };
    this.heat = segmented("Probability under the aggregate posterior", words, (heat) => this.change({ heat }));
    this.sheetTitle = element("h3", { className: "er-title" });
    this.bar = element(
      "div",
      { className: "bar" },
      this.order.root,
      this.heat.root,
      element("span", { className: "push" }),
      this.save,
    );
    this.note = element("p", { className: "er-note" });
  }

  // ---- what the hand asks for

  _set(z, more = {}) {
    this.change({ z: packZ(z), ...more });
  }

  _flip(bit, value) {
    const z = this.z.slice();
    z[bit] = value;
    this._set(z);
  }

  _random(seed) {
    this._set(fairBits(this.model.shape.k, seed), { seed });
  }

  _take(image) {
    const { n } = this.model.codes.header;
    const index = image % n;
    this._set(likelyBits(this._probabilities(index)), { image: index });
  }

  _drawFromQ() {
    this._set(posteriorBits({ loc: this._probabilities(this.view.values.image) }, ++this.draws));
  }

  /** q(z_i = 1|x) of a held-out image, (k,). */
  _probabilities(index) {
    const { k } = this.model.codes.header;
    return this.model.codes.loc.subarray(index * k, (index + 1) * k);
  }

  pick(row, column) {
    this._set(this._code(row * this.drawn + column));
  }

  // ---- drawing

  count() {
    const { k } = this.model.shape ?? { k: 8 };
    return Math.min(2 ** k, this.grid.root.clientWidth < NARROW ? 8 : 16);
  }

  draw() {
    const { shape, codes } = this.model;
    const { order, heat, seed, image } = this.view.values;
    this.order.set(order);
    this.heat.set(heat);
    this.seed.set(seed);
    this.save.disabled = !shape;
    for (const tool of this.tools.querySelectorAll("button, input")) tool.toggleAttribute("disabled", !shape);
    for (const tool of [this.own.input, this.next, this.sample]) tool.disabled = !codes;
    this.sample.hidden = image === NONE;
    if (!this.ready(shape)) return;
    this.z = readZ(this.view.values.z, shape.k) ?? new Float64Array(shape.k);
    this._drawSwitches(shape.k);
    this._drawOwn();
    this._drawSheet(shape);
  }

  _drawSwitches(k) {
    if (this.switches.k !== k) this.switches.start(k, null, this.z);
    this.switches.show(this.z);
    this.string.textContent = bitString(this.z);
    this.picture.setAttribute("aria-label", `Mean of p(x|z) of the code ${bitString(this.z)}`);
    this.model.show(this.z, this.picture);
  }

  /** The held-out image that was chosen, and q's probability of a 1 beside each bit. */
  _drawOwn() {
    const { codes } = this.model;
    const { image } = this.view.values;
    const chosen = codes && image !== NONE && image < codes.header.n;
    this.ownBox.hidden = !chosen;
    const q = chosen ? this._probabilities(image) : null;
    this.switches.mark(q && { loc: q });
    this.switches.show(this.z);
    this.ownWords.textContent = this._ownText(chosen, q);
    if (!chosen) return;
    this.own.set(image);
    this.ownPicture.setAttribute("aria-label", `The ${this.model.nameOf(image)}`);
    this.model.image(image).then(
      (pixels) => image === this.view.values.image && put(this.ownPicture, pixels),
      () => {},
    );
  }

  _ownText(chosen, q) {
    const { codes } = this.model;
    const { image } = this.view.values;
    if (codes && image !== NONE && !chosen)
      return `There are ${codes.header.n.toLocaleString("en-US")} held-out images: 0 to ${codes.header.n - 1}.`;
    if (!chosen) return "";
    let p = 1;
    this.z.forEach((bit, i) => (p *= bit ? q[i] : 1 - q[i]));
    return `On each bit: q(z = 1|x) of ${this.model.nameOf(image)}. Of this code q(z|x) is ${percent(p)}.`;
  }

  _drawSheet(shape) {
    const { order, heat, seed } = this.view.values;
    const { k } = shape;
    this.drawn = this.count();
    this.whole = 2 ** k <= SHOWN;
    this.codes = this.whole ? allCodes(k, this.drawn, order) : Float32Array.from(fairBits(k * SHOWN, seed));
    const total = this.codes.length / k;
    this.chances = heat === "yes" && this.model.codes ? this._aggregate() : null;
    this.order.root.hidden = !this.whole;
    this.sheetTitle.textContent = this.whole
      ? `All ${total} codes`
      : `${SHOWN} of ${(2 ** k).toLocaleString("en-US")} codes, drawn from the prior, seed ${seed}`;
    const rows = Array.from({ length: Math.ceil(total / this.drawn) }, (_, i) => ({
      count: Math.min(this.drawn, total - i * this.drawn),
    }));
    this.grid.layout({
      rows,
      image: shape,
      describe: (row, column) => this._describe(row * this.drawn + column),
      largest: 48,
    });
    this._heat();
    const present = bitString(this.z);
    this.grid.mark((row, column) => (bitString(this._code(row * this.drawn + column)) === present ? "present" : ""));
    this.painter.paint(this.codes, this.grid.canvases);
  }

  /** Kept until codes or weights change: a flip of a bit needs no look at all images. */
  _aggregate() {
    const { codes } = this.model;
    const key = `${this.drawn} ${this.view.values.order} ${this.view.values.seed}`;
    if (this.known?.codes !== codes || this.known.key !== key)
      this.known = { codes, key, chances: aggregate(this.codes, codes.loc, codes.header.k) };
    return this.known.chances;
  }

  /** How probable: a frame of that strength, and a faint picture where no image's q goes. */
  _heat() {
    const { chances } = this;
    this.grid.root.classList.toggle("heated", Boolean(chances));
    const most = chances ? Math.max(...chances) : 1;
    this.grid.cells
      .flat()
      .forEach((cell, i) => cell.style.setProperty("--heat", String(chances ? Math.sqrt(chances[i] / most) : 0)));
    this.note.textContent = chances
      ? this._heatText(most)
      : "Click a picture, or press Enter on it: the switches take its code.";
  }

  _heatText(most) {
    const { header } = this.model.codes;
    const best = bitString(this._code(this.chances.indexOf(most)));
    const first = `Frames: share of ${header.source} that q(z|x) puts on a code. Most on ${best}, ${percent(most)}; the prior gives each ${percent(2 ** -header.k)}.`;
    if (!this.whole) return first;
    const nats = entropy(this.chances);
    return `${first} Entropy of the aggregate posterior: ${nats.toFixed(3)} of ${(header.k * Math.LN2).toFixed(3)} nats, as many as ${Math.exp(nats).toFixed(1)} codes used alike.`;
  }

  _describe(index) {
    const chance = this.chances ? `, ${percent(this.chances[index])} of the aggregate posterior` : "";
    return `Code ${bitString(this._code(index))}${chance}`;
  }

  _code(index) {
    const { k } = this.model.shape;
    return this.codes.slice(index * k, (index + 1) * k);
  }

  sheet() {
    const { run } = this.data;
    const lines = [`${run}: ${this.sheetTitle.textContent.toLowerCase()}`, `mean of p(x|z)${this.atStep}`];
    const rows = this.grid.cells.map((cells, i) => ({
      head: bitString(this._code(i * this.drawn)),
      pictures: cells.map((cell) => cell.firstChild),
    }));
    saveSheet({ lines, columns: null, rows, image: this.model.shape }, `${run}-codes`);
  }
}

export default renderer((root) => new BitLab(root), ["explore/explore.css", "modes/mode.css", "bits/laboratory.css"]);
