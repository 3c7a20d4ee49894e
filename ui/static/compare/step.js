// The same image and the same z: both reconstructions with what they lack, and one set of sliders that drives both
// decoders. Everything the hand drives happens in this page.

import { SUPPORTS } from "../explore/supports.js";
import { Pace } from "../explore/motion.js";
import { Images } from "../explore/images.js";
import { paint } from "../explore/picture.js";
import { weightsWord } from "../latent/words.js";
import { packZ, rangeOf, readZ, rounded } from "../latent/space.js";
import { button, segmented, wholeField } from "../modes/controls.js";
import { View, codeField, oneOf, sender, wholeIn } from "../modes/view.js";
import { element, renderer } from "../shared/mount.js";
import { openSide, sameSides } from "./kept_decoder.js";
import { openPair } from "./pair.js";
import { Pictures } from "./pictures.js";

const MOST = 9_999_999; // of an image's number, before it is known how many there are
const FIELDS = {
  image: { read: wholeIn(0, MOST), fallback: 0 },
  z: codeField,
  meaning: { read: oneOf("aligned", "numbers"), fallback: "aligned" },
};
const NAMES = ["A", "B"];
const MEANINGS = { aligned: "the aligned place", numbers: "the same numbers" };

/** @import { Handle } from "../decoder/client.js" */
/** @import { Component } from "../shared/types.js" */
/** @import { CompareData } from "./types.js" */

class Step {
  /** @type {CompareData} */ data;
  /** @type {Component<CompareData>} */ component;
  /** @type {{ pair: import("./pair.js").SharedPair, close: () => void } | null} */ opened = null;
  /** @type {Handle[]} one for each run */ decoders = [];
  /** @type {Float64Array} of A */ z = new Float64Array(0);
  /** @type {import("./comparison.js").Comparison | null} */ compared = null;
  seed = 0;

  constructor(root, component) {
    this.kind = SUPPORTS[component.data.a.support];
    this.view = new View(FIELDS, sender(this));
    this.sliders = new this.kind.Controls({
      move: (dimension, value) => this._move(dimension, value),
      release: () => this._rest(),
      reset: (dimension) => this._move(dimension, this._base()[dimension]),
      touch: () => {},
      value: (dimension) => this.z[dimension],
    });
    this.pace = new Pace();
    this._build(root);
  }

  _build(root) {
    this.chosen = element("p", { className: "chosen" });
    this.row = wholeField("image number", (index) => this._take(index), { most: MOST, name: "Number of the image" });
    this.images = new Images({ take: (index) => this._take(index) }, this.chosen);
    this.images.box.querySelector("h3").textContent = "The same image";
    this.images.tools.prepend(this.row.root);
    this.images.box.append(this.row.problem);
    this.pictures = new Pictures();
    this.meaning = segmented("What z of A means for B", MEANINGS, (meaning) => this._change({ meaning }));
    this.stages = NAMES.map((name) => {
      const canvas = element("canvas", { className: "mean", role: "img", "aria-label": `No image of ${name} yet` });
      const words = element("p", { className: "er-note place" });
      const stage = element("div", { className: "stage" }, canvas);
      return { canvas, words, box: element("figure", { className: "beside" }, stage, words), shown: "" };
    });
    this.refusal = element("p", { className: "er-note refusal", role: "status" });
    this.problem = element("p", { className: "er-note problem", role: "status" });
    const heading = (text) => element("h3", { className: "er-title", text });
    this.starts = element(
      "div",
      { className: "row" },
      button("The image’s code", () => this._change({ z: "" })),
      button(this.kind.words.origin, () => this._start(new Float64Array(this.data.a.k))),
      button("Prior draw", () => this._start(this.kind.priorDraw(this.data.a.k, ++this.seed))),
    );
    this.meaningRow = element(
      "div",
      { className: "row meaning" },
      element("span", { text: "z of A is for B" }),
      this.meaning.root,
    );
    root.append(
      element(
        "div",
        { className: "step" },
        this.refusal,
        this.images.box,
        this.pictures.box,
        element(
          "section",
          { className: "left" },
          heading(`The same z: ${this.kind.dimensions.toLowerCase()} of A`),
          this.sliders.box,
          this.starts,
        ),
        element(
          "section",
          { className: "right" },
          element("div", { className: "two" }, ...this.stages.map(({ box }) => box)),
          this.meaningRow,
          this.problem,
        ),
      ),
    );
  }

  // ---- data from Python, decoders, the comparison

  update(data, component) {
    this.component = component;
    const same = sameSides(this.data, data);
    this.data = data;
    const moved = this.view.adopt(data.start);
    this.refusal.textContent = this.view.refusal;
    if (!same) this._open();
    else if (moved) this._go();
    else this._soonPictures(); // in another theme
  }

  _open() {
    const { a, b } = this.data;
    this._close();
    this.compared = null;
    this.z = new Float64Array(a.k);
    this.sliders.start(a.k, a.rates, this.z, a.factorises);
    this.sliders.range(
      Array.from(this.z, () => rangeOf()),
      this.z,
    );
    this.images.clear("");
    this.pictures.clear();
    this.decoders = [a, b].map((side) => openSide(side, { onModel: () => this._onModel() }));
    this.pictures.open([a, b]);
    this.opened = openPair(this.data, () => this._news());
    this.opened.pair.choose(this.view.values.image);
    this._go();
  }

  _close() {
    for (const decoder of this.decoders) decoder.close();
    this.opened?.close();
    this.pictures.close();
  }

  destroy() {
    this._close();
    this.view.stop();
    cancelAnimationFrame(this.frame);
  }

  _onModel() {
    this.problem.textContent = this.decoders.map(({ problem, reason }) => problem || reason).find(Boolean) ?? "";
    this._soon();
    this._soonPictures();
  }

  /** The comparison is there, or another image was chosen on a map. */
  _news() {
    const { pair } = this.opened ?? {};
    if (!pair?.comparison || !pair.codes) return;
    const { n } = pair.comparison.header;
    if (pair.comparison !== this.compared) {
      this.compared = pair.comparison;
      this.images.start(pair.codes);
      if (this.view.values.image >= n) {
        this.view.refuse("image", this.view.values.image, `a whole number below ${n}`, 0);
        this.view.values.image = 0;
        this.refusal.textContent = this.view.refusal;
      }
      pair.choose(pair.image ?? this.view.values.image);
      this._go();
    } else if (pair.image !== null && pair.image !== this.view.values.image) this._take(pair.image);
  }

  // ---- what the hand asks for

  /** Another image: both start from what A makes of it. */
  _take(image) {
    if (this.compared && image >= this.compared.header.n) {
      this.row.problem.textContent = `There are ${this.compared.header.n} images, numbered from 0.`;
      return;
    }
    this.row.problem.textContent = "";
    this._change({ image, z: "" });
    this.opened?.pair.choose(image);
  }

  _change(values) {
    this.view.change(values);
    this.refusal.textContent = "";
    this._go();
  }

  /** z and image as the view has them. */
  _go() {
    const { image, z, meaning } = this.view.values;
    const { a, b } = this.data;
    this.meaning.set(meaning);
    this.meaningRow.hidden = a.support !== b.support;
    this.row.set(image);
    this.z = readZ(z, a.k) ?? Float64Array.from(this._base());
    this.sliders.widen(this.z);
    if (this.opened?.pair.codes) {
      this.images.press(image);
      this.chosen.textContent = this.images.title(image);
    }
    this._soon();
    this._soonPictures();
    this._describe();
  }

  /** The code of the image under A; the prior's mean before it is known. */
  _base() {
    const known = this.compared && this.view.values.image < this.compared.header.n;
    return known ? this.kind.codeOf(this.compared.code(0, this.view.values.image)) : new Float64Array(this.data.a.k);
  }

  _move(dimension, value) {
    this.z[dimension] = value;
    this.view.change({ z: packZ(this.z) });
    this._soon();
  }

  _start(z) {
    this._change({ z: packZ(rounded(z)) });
  }

  _rest() {
    this.z = rounded(this.z);
    this.view.change({ z: packZ(this.z) });
    this._soon();
    this._describe();
  }

  // ---- drawing

  _soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this._draw();
    });
  }

  /** The codes of both: what z of A means for B; null where nobody knows yet. */
  _codes() {
    const { a, b } = this.data;
    if (this.compared) return [this.z, this.compared.toB(this.z, this.view.values.meaning)];
    return [this.z, a.support === b.support ? Float64Array.from({ length: b.k }, (_, i) => this.z[i] ?? 0) : null];
  }

  _draw() {
    this.sliders.show(this.z);
    this._codes().forEach((z, side) => {
      const decoder = this.decoders[side];
      const image = z && decoder?.mean(z);
      if (image instanceof Promise) image.then((late) => late && this._show(late, side));
      else if (image) this._show(image, side);
    });
  }

  _show(image, side) {
    const { canvas, words } = this.stages[side];
    paint(canvas, image);
    if (side === 0) this.pace.tick(performance.now());
    const decoder = this.decoders[side];
    const speed = Number.isFinite(this.pace.perSecond) ? `${Math.round(this.pace.perSecond)} pictures/s` : "";
    const where = side === 0 ? "at z" : `at ${this._meant()}`;
    const said = [`${NAMES[side]} ${where}`, decoder.word, side === 0 ? speed : "", weightsWord(decoder.step)];
    words.textContent = said.filter(Boolean).join(" · ");
  }

  /** What z of A is for B, in words. */
  _meant() {
    const same = this.data.a.support === this.data.b.support;
    return this.compared && !(same && this.view.values.meaning === "numbers") ? MEANINGS.aligned : MEANINGS.numbers;
  }

  /** For those who cannot see them; at rest, not with every picture. */
  _describe() {
    this._codes().forEach((z, side) => {
      const kind = SUPPORTS[(side ? this.data.b : this.data.a).support];
      const words = z ? `Mean of p(x|z) of ${NAMES[side]} at ${kind.describe(z)}` : `No image of ${NAMES[side]} yet`;
      this.stages[side].canvas.setAttribute("aria-label", words);
    });
  }

  _soonPictures() {
    if (this.compared && this.opened?.pair.codes)
      this.pictures.show(this.compared, this.opened.pair.codes, this.view.values.image);
  }
}

export default renderer((root, component) => new Step(root, component), ["explore/explore.css", "compare/step.css"]);
