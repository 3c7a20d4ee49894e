// Attribute arithmetic: a direction between two sets of images, the evidence for it, and a slider along it.

import { attributeDirection, randomEffect } from "./direction.js";
import { randomChart, setsChart, verdict } from "./chart.js";
import { readSet, rowsOfSets, SET, SET_WORDS, standIn, toggled, writeSet } from "./sets.js";
import { SetCard } from "./set_card.js";
import { norm, readZ } from "../latent/space.js";
import { element, renderer } from "../shared/mount.js";
import { lengthWords } from "../latent/normal.js";
import { button, segmented, slider } from "../modes/controls.js";
import { Mode } from "../modes/mode.js";
import { Picker } from "../modes/picker.js";
import { saveSheet } from "../modes/save.js";
import { codeField, numberIn, text } from "../modes/view.js";

const PAIRS = 200; // random pairs of sets
const SEED = 0;
const SLICE = 12; // milliseconds of arithmetic after which the page gets a turn
const USUAL = 1.5; // beyond it the slider overshoots
const END = 2.5;
const STRIP = Array.from({ length: 11 }, (_, i) => -END + 0.5 * i);
const FIELDS = {
  z: codeField,
  a: { read: text(SET, SET_WORDS), fallback: "", usual: "label 0 where there are labels" },
  b: { read: text(SET, SET_WORDS), fallback: "", usual: "label 1 where there are labels" },
  origin: { read: text(/^(z|\d{1,7})$/, "z, or the number of a held-out image"), fallback: "z" },
  t: { read: numberIn(-END, END), fallback: 0 },
};
const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(value % 0.5 ? 2 : 1)}`;

class Attributes extends Mode {
  constructor(root) {
    super({ fields: FIELDS, pictures: "Along the direction" });
    this.random = [];
    this.cards = Object.fromEntries(
      ["a", "b"].map((name) => [
        name,
        new SetCard(name, this.model, {
          onSet: (set) => this._setTo(name, set),
          onPicking: () => this._pickInto(name),
        }),
      ]),
    );
    this.picker = new Picker(this.model, {
      title: "",
      onPick: (index) => this._picked(index),
      mark: (index) => this._markOf(index),
    });
    this.picker.root.hidden = true;
    this._controls();
    this._build(root);
  }

  _controls() {
    this.origin = segmented("Where the slider starts", { z: "this page's z", image: "an image" }, (kind) =>
      kind === "z" ? this.change({ origin: "z" }) : this._startFrom(),
    );
    this.another = button("Choose image", () => this._pickInto("origin"));
    this.slider = slider("Along the direction", {
      low: -END,
      high: END,
      step: 0.05,
      rest: 0,
      onInput: (t) => this._move(t),
      onRelease: (t) => this.view.change({ t }),
    });
  }

  _build(root) {
    this.evidence = element("p", { className: "evidence-words", role: "status" });
    this.charts = element("div", { className: "charts" });
    this.large = element("canvas", { className: "large", role: "img" });
    this.ends = [-USUAL, USUAL].map((t) => {
      const label = `Decoded at ${signed(t)} along the direction`;
      return { t, canvas: element("canvas", { className: "large", role: "img", "aria-label": label }) };
    });
    this.where = element("p", { className: "er-note where" });
    const end = ({ t, canvas }) =>
      element("div", { className: "end-image" }, canvas, element("p", { className: "er-note", text: signed(t) }));
    const middle = element("div", { className: "middle" }, this.large, this.where);
    const arrow = element("span", { className: "arrow", "aria-hidden": "true", text: "→" });
    const track = element(
      "div",
      { className: "along" },
      this.slider.root,
      element(
        "div",
        { className: "ticks", "aria-hidden": "true" },
        ...[-END, -USUAL, -1, 0, 1, USUAL, END].map((t) =>
          element("span", { text: signed(t), style: `left: ${(100 * (t + END)) / (2 * END)}%` }),
        ),
      ),
    );
    this.trying = element(
      "div",
      { className: "trying" },
      element(
        "div",
        { className: "bar" },
        this.origin.root,
        this.another,
        element("span", { className: "push" }),
        this.toSliders,
        this.save,
      ),
      element("div", { className: "stage" }, end(this.ends[0]), middle, end(this.ends[1])),
      track,
      this.grid.root,
    );
    this.body = element(
      "div",
      { className: "body of-sets" },
      element("div", { className: "sets" }, this.cards.a.root, arrow, this.cards.b.root),
      this.picker.root,
      this.trying,
      element("div", { className: "why" }, this.evidence, this.charts),
    );
    this.assemble(root, "A direction from A to B", this.body, this.body);
  }

  destroy() {
    clearTimeout(this.slice);
    this.slider.stop();
    this.picker.destroy();
    super.destroy();
  }

  _setTo(name, set) {
    this.change({ [name]: writeSet(set) });
    if (set.kind === "picked") this._pickInto(name);
    else if (this.picking === name) this._closePicker();
  }

  _closePicker() {
    this.picker.root.hidden = true;
    this.picking = null;
  }

  /** Show the images to choose from; what is clicked goes into set "a" or "b", or becomes the "origin". */
  _pickInto(name) {
    this.picking = name;
    this.picker.root.hidden = false;
    this.picker.heading.textContent =
      name === "origin" ? "Start from" : `Click to add to ${name.toUpperCase()}, again to take out`;
    this.picker.draw();
  }

  _picked(index) {
    if (this.picking === "origin") return this.change({ origin: String(index) });
    const other = this.picking === "a" ? "b" : "a";
    const values = { [this.picking]: writeSet(toggled(readSet(this.view.values[this.picking]), index)) };
    const rival = readSet(this.view.values[other]);
    if (rival.kind === "picked" && rival.rows.includes(index)) values[other] = writeSet(toggled(rival, index));
    return this.change(values);
  }

  _markOf(index) {
    const { values } = this.view;
    if (this.picking === "origin") return values.origin === String(index) ? "chosen" : "";
    return ["a", "b"]
      .filter((name) => readSet(values[name]).rows?.includes(index))
      .map((name) => `in-${name}`)
      .join(" ");
  }

  _startFrom() {
    if (this.view.values.origin === "z") this.change({ origin: String(this.sets?.a[0] ?? 0) });
    this._pickInto("origin");
  }

  /** The code from which the slider starts. */
  get _origin() {
    const { origin, z } = this.view.values;
    const { k } = this.model.shape;
    return origin === "z" ? Array.from(readZ(z, k) ?? new Float64Array(k)) : this.model.code(Number(origin));
  }

  _at(t) {
    return this.from.map((value, i) => value + t * this.found.direction[i]);
  }

  draw() {
    const { shape, codes } = this.model;
    this.body.hidden = !shape || !codes;
    if (!this.ready(shape, codes)) return;
    const { values } = this.view;
    this._refuse(codes);
    if (!values.a) values.a = codes.labels ? "class:0" : "picked";
    if (!values.b) values.b = codes.labels ? "class:1" : "picked";
    this._measure(codes);
    const open = this.picker.root.hidden ? null : this.picking;
    for (const name of ["a", "b"]) this.cards[name].draw(readSet(values[name]), this.sets[name], open === name);
    this.picker.draw();
    this._drawTrying(shape);
  }

  /** What the address names and the data have not. */
  _refuse(codes) {
    const { values } = this.view;
    const { n } = codes.header;
    const there = `images 0 to ${(n - 1).toLocaleString("en-US")}`;
    for (const name of ["a", "b"]) {
      const gone = readSet(values[name]).rows?.filter((row) => row >= n) ?? [];
      for (const row of gone) values[name] = writeSet(toggled(readSet(values[name]), row));
      if (gone.length) this.view.refuse(name, gone.join(","), there, "the other images");
    }
    this._refuseLabel("a", readSet(values.b || "class:1"), codes);
    this._refuseLabel("b", readSet(values.a || "class:0"), codes);
    if (values.origin !== "z" && Number(values.origin) >= n) {
      this.view.refuse("origin", values.origin, there, "the page's z");
      values.origin = "z";
    }
    this.sayRefused();
  }

  _refuseLabel(name, other, codes) {
    const { values } = this.view;
    const given = values[name];
    const label = values[name] ? standIn(readSet(given), other, codes) : null;
    if (label === null) return;
    values[name] = label === "" ? "picked" : `class:${label}`;
    const seen = codes.labels ? [...new Set(codes.labels)].sort((x, y) => x - y) : [];
    const expected = seen.length
      ? `a label that is there, class:${seen[0]} to class:${seen.at(-1)}`
      : "image numbers, as these data have no labels";
    this.view.refuse(
      name,
      given,
      expected,
      label === "" ? "a set to pick by hand" : `label ${codes.header.classes?.[label] ?? label}`,
    );
  }

  /** The direction and its evidence; only when the sets or the codes have changed. */
  _measure(codes) {
    const { a, b } = this.view.values;
    if (codes === this.measured?.codes && a === this.measured.a && b === this.measured.b) return;
    this.measured = { codes, a, b };
    this.sets = rowsOfSets(readSet(a), readSet(b), codes);
    clearTimeout(this.slice);
    this.random = [];
    this.found = this.sets.problem ? null : attributeDirection(codes.loc, codes.header.k, this.sets.a, this.sets.b);
    this._say();
    if (this.found?.effect != null) this._compare();
  }

  /** The random pairs, a few at a time. */
  _compare() {
    const { codes } = this.measured;
    const { n, k } = codes.header;
    const began = performance.now();
    while (this.random.length < PAIRS && performance.now() - began < SLICE) {
      this.random.push(randomEffect(codes.loc, n, k, this.sets.a.length, this.sets.b.length, this.random.length, SEED));
    }
    if (this.random.length < PAIRS) this.slice = setTimeout(() => this._compare());
    else this._say();
  }

  _say() {
    const { found, random } = this;
    this.charts.replaceChildren();
    this.evidence.textContent = found
      ? verdict({ effect: found.effect, sizes: [this.sets.a.length, this.sets.b.length], random, pairs: PAIRS })
      : this.sets.problem;
    if (found?.effect == null) return;
    const caption = (chart, text) =>
      element("figure", {}, chart, element("figcaption", { className: "er-note", text }));
    this.charts.append(caption(setsChart(found), "Images of both sets along the direction: A's mean at 0, B's at 1."));
    if (random.length < PAIRS) return;
    const words = `The same for ${PAIRS} random pairs of sets of these sizes (seed ${SEED}).`;
    this.charts.append(caption(randomChart(found.effect, random), words));
  }

  _drawTrying(shape) {
    const { origin, t } = this.view.values;
    this.trying.hidden = !this.found || this.found.length === 0;
    if (this.trying.hidden) return;
    this.from = this._origin;
    this.origin.set(origin === "z" ? "z" : "image");
    this.another.hidden = origin === "z";
    if (origin !== "z") {
      this.another.textContent = this.model.nameOf(Number(origin));
      this.another.setAttribute(
        "aria-label",
        `Starting from ${this.model.nameOf(Number(origin))}; choose another image`,
      );
    }
    const overshoot = (t) => (Math.abs(t) > USUAL ? ", overshoot" : "");
    const describe = (_, i) => `Decoded at ${signed(STRIP[i])} along the direction${overshoot(STRIP[i])}`;
    this.grid.layout({
      rows: [{ count: STRIP.length }],
      columns: STRIP.map(signed),
      image: shape,
      describe,
      largest: 62,
    });
    this.grid.heads.forEach((head, i) => head.classList.toggle("overshoot", Math.abs(STRIP[i]) > USUAL));
    const all = [...STRIP, ...this.ends.map((end) => end.t)].flatMap((at) => this._at(at));
    this.painter.paint(Float32Array.from(all), [...this.grid.canvases, ...this.ends.map((end) => end.canvas)]);
    this._move(t);
  }

  /** What a drag moves. Newest wins; nothing is sent. */
  _move(t) {
    this.view.values.t = t;
    if (this.trying.hidden || this.body.hidden) return;
    const z = (this.z = this._at(t));
    const beyond = Math.abs(t) > USUAL;
    this.slider.set(t, `${signed(t)} along the direction${beyond ? ", overshoot" : ""}`);
    this.trying.classList.toggle("beyond", beyond);
    const step = `z ${t < 0 ? "−" : "+"} ${Math.abs(t).toFixed(2)} · (B − A)`;
    this.where.textContent = `${step}${beyond ? ", overshoot" : ""} · ‖z‖ = ${norm(z).toFixed(2)}, ${lengthWords(z.length, norm(z))}`;
    this.grid.mark((_, column) => (Math.abs(STRIP[column] - t) < 0.25 ? "present" : ""));
    this.large.setAttribute("aria-label", `Decoded at ${signed(t)} along the direction from A to B`);
    this.model.show(z, this.large);
  }

  pick(_, column) {
    this.view.change({ t: STRIP[column] });
    this._move(STRIP[column]);
  }

  sheet() {
    const { a, b, origin } = this.view.values;
    const words = ["a", "b"].map((name) => this.cards[name].words);
    const from = origin === "z" ? "the page's z" : this.model.nameOf(Number(origin));
    const lines = [
      `${this.data.run}: from A (${words[0]}) to B (${words[1]})`,
      `${this.evidence.textContent}`,
      `starting from ${from}`,
    ];
    const rows = [{ pictures: this.grid.canvases }];
    const name = `${this.data.run}-direction-${a}-${b}`.replace(/[^\w.-]+/g, "-").slice(0, 80);
    saveSheet({ lines, columns: STRIP.map(signed), rows, image: this.model.shape }, name);
  }
}

export default renderer(
  (root) => new Attributes(root),
  ["modes/mode.css", "interpolation/interpolation.css", "attributes/attributes.css"],
);
