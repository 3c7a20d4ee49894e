// Between the codes of two held-out images, straight and spherical: a scrubber that decodes in the page, and the steps.

import { bitString, differing, flipped, likelyBits } from "../latent/bits.js";
import { byRate, norm } from "../latent/space.js";
import { LengthChart, reading } from "./chart.js";
import { PATHS } from "./paths.js";
import { element, renderer } from "../shared/mount.js";
import { button, choice, segmented, slider } from "../modes/controls.js";
import { Mode, NARROW } from "../modes/mode.js";
import { put } from "../modes/model.js";
import { Picker } from "../modes/picker.js";
import { saveSheet } from "../modes/save.js";
import { numberIn, oneOf, wholeIn } from "../modes/view.js";

const STEPS = [5, 7, 9, 11, 13];
const PLAY = 4000; // milliseconds from A to B
const ENDS = ["a", "b"];
const AN_IMAGE = "the number of a held-out image";
const FIELDS = {
  a: { read: wholeIn(0, 1e7, AN_IMAGE), fallback: -1, usual: "the first one" }, // −1: not chosen yet
  b: { read: wholeIn(0, 1e7, AN_IMAGE), fallback: -1, usual: "the first one with another label" },
  path: { read: oneOf(...Object.keys(PATHS)), fallback: "spherical" },
  t: { read: numberIn(0, 1), fallback: 0.5 },
  steps: { read: oneOf(...STEPS), fallback: 0, usual: "as many as fit" },
};

/** The first image, and the first after it that has another label. */
export function firstPair({ labels, header }) {
  let b = 1;
  while (labels && b < header.n - 1 && labels[b] === labels[0]) b++;
  return { a: 0, b: Math.min(b, header.n - 1) };
}

/** Place on a way there and back, from the milliseconds since its start. */
export function pingPong(elapsed, length = PLAY) {
  const round = (elapsed / length) % 2;
  return round <= 1 ? round : 2 - round;
}

class Interpolation extends Mode {
  constructor(root) {
    super({ fields: FIELDS, pictures: "Steps from A to B" });
    this.ends = Object.fromEntries(ENDS.map((end) => [end, this._end(end)]));
    this.picker = new Picker(this.model, {
      title: "",
      onPick: (index) => this._choose({ [this.picking]: index }),
      mark: (index) => (index === this.view.values[this.picking] ? "chosen" : ""),
    });
    this.picker.root.hidden = true;
    this._controls();
    this._build(root);
  }

  /** One end: the image, its name, buttons to choose another. */
  _end(end) {
    const image = element("canvas", { className: "large", role: "img", "aria-label": `Image ${end.toUpperCase()}` });
    const name = element("p", { className: "er-note" });
    const open = button("Choose", () => this._open(end), { title: `Choose image ${end.toUpperCase()}` });
    open.setAttribute("aria-expanded", "false");
    const random = button(
      "Random",
      () => this._choose({ [end]: Math.floor(Math.random() * this.model.codes.header.n) }),
      { title: `Another image ${end.toUpperCase()}` },
    );
    const root = element(
      "div",
      { className: "end-image" },
      element("p", { className: "er-title", text: end.toUpperCase() }),
      image,
      name,
      element("div", { className: "bar" }, open, random),
    );
    return { root, image, name, open, random };
  }

  _controls() {
    this.play = button("Play", () => this._toggle());
    this.slider = slider("From A to B", {
      low: 0,
      high: 1,
      step: 0.01,
      rest: 0.5,
      onInput: (t) => this._move(t),
      onRelease: (t) => this._rest(t),
    });
    this.path = segmented("Path between the codes", { straight: "straight", spherical: "spherical" }, (path) =>
      this.change({ path }),
    );
    this.steps = choice(
      "steps",
      STEPS.map((n) => [n, String(n)]),
      (steps) => this.change({ steps: Number(steps) }),
    );
  }

  _build(root) {
    this.large = element("canvas", { className: "large", role: "img" });
    this.chart = new LengthChart();
    this.where = element("p", { className: "er-note where" });
    this.note = element("p", { className: "er-note" });
    const { a, b } = this.ends;
    const middle = element("div", { className: "middle" }, this.large, this.where);
    const left = element(
      "div",
      { className: "main" },
      element("div", { className: "stage" }, a.root, middle, b.root),
      this.picker.root,
      element("div", { className: "scrub" }, this.play, this.slider.root),
      element(
        "div",
        { className: "bar" },
        this.path.root,
        this.steps.root,
        element("span", { className: "push" }),
        this.toSliders,
        this.save,
      ),
      this.grid.root,
    );
    this.body = element(
      "div",
      { className: "body" },
      left,
      element("div", { className: "why" }, this.chart.root, this.note),
    );
    this.assemble(root, "Between two images", this.body, this.body);
  }

  update(data, component) {
    if (data.run !== this.data?.run) this._stop();
    super.update(data, component);
  }

  destroy() {
    this._stop();
    this.slider.stop();
    this.picker.destroy();
    super.destroy();
  }

  _open(end) {
    const close = this.picking === end && !this.picker.root.hidden;
    this.picking = end;
    this.picker.root.hidden = close;
    this.picker.heading.textContent = `Image ${end.toUpperCase()}`;
    for (const name of ENDS) this.ends[name].open.setAttribute("aria-expanded", String(!close && name === end));
    this.picker.draw();
  }

  _choose(values) {
    this.change(values);
    this.picker.mark();
  }

  get binary() {
    return this.data.support === "binary";
  }

  /** The paths on offer by name: between bits there is one, flip after flip. */
  get paths() {
    if (!this.binary) return PATHS;
    return { flips: (a, b, t) => flipped(a, b, this.flips, Math.round(t * this.flips.length)) };
  }

  get pathName() {
    return this.binary ? "flips" : this.view.values.path;
  }

  count() {
    if (this.binary) return Math.max(2, this.flips.length + 1);
    return this.view.values.steps || (this.body.clientWidth < NARROW ? 5 : 9);
  }

  /** Everything but what a drag moves. */
  draw() {
    const { shape, codes } = this.model;
    this.body.hidden = !shape || !codes;
    if (!this.ready(shape, codes)) return;
    const { values } = this.view;
    this._chooseEnds(codes);
    const code = (index) => (this.binary ? Array.from(likelyBits(this.model.code(index))) : this.model.code(index));
    this.codes = { a: code(values.a), b: code(values.b) };
    this.flips = this.binary ? differing(this.codes.a, this.codes.b, byRate(codes.header.rate_per_dim, shape.k)) : [];
    this.drawn = this.count();
    this.steps.set(this.drawn);
    this.path.set(values.path);
    for (const end of ENDS) this._drawEnd(end);
    this._drawSteps(shape);
    this._explain();
    this.picker.draw();
    this._move(values.t);
  }

  _explain() {
    const { codes, flips, binary } = this;
    for (const part of [this.path.root, this.steps.root, this.chart.root]) part.toggleAttribute("hidden", binary);
    this.slider.root.step = String(binary ? 1 / Math.max(1, flips.length) : 0.01);
    if (!binary) {
      this.chart.draw(codes.a, codes.b, this.view.values.path);
      this.note.textContent = reading(codes.a, codes.b);
      return;
    }
    const named = flips.map((bit) => `z${bit}`).join(", ");
    const ends = `A is most probably ${bitString(codes.a)}, B ${bitString(codes.b)} (z0 first).`;
    this.note.textContent = flips.length
      ? `${ends} They differ in ${flips.length} of ${codes.a.length} bits, flipped one after another, most nats first: ${named}.`
      : `${ends} That is the same code: choose another image.`;
  }

  /** Images that are there: those asked for, else the first pair. */
  _chooseEnds(codes) {
    const { values } = this.view;
    const { n } = codes.header;
    const pair = firstPair(codes);
    for (const end of ENDS) {
      if (values[end] >= n)
        this.view.refuse(end, values[end], `${AN_IMAGE}, 0 to ${(n - 1).toLocaleString("en-US")}`, pair[end]);
      if (!(values[end] >= 0 && values[end] < n)) values[end] = pair[end];
    }
    this.sayRefused();
  }

  async _drawEnd(end) {
    const index = this.view.values[end];
    const { image, name } = this.ends[end];
    const words = this.model.nameOf(index);
    name.textContent = words;
    image.setAttribute("aria-label", `Image ${end.toUpperCase()}: ${words}`);
    try {
      const pixels = await this.model.image(index);
      if (index === this.view.values[end]) put(image, pixels);
    } catch (error) {
      name.textContent = error.message;
    }
  }

  _drawSteps(shape) {
    const { drawn: steps } = this;
    const { paths } = this;
    const rows = Object.keys(paths).map((name) => ({ count: steps, head: name, faint: name !== this.pathName }));
    const describe = (row, column) =>
      `${rows[row].head} path, ${Math.round((100 * column) / (steps - 1))} % of the way from A to B`;
    this.grid.layout({ rows, image: shape, describe, largest: 92 });
    const { a, b } = this.codes;
    const all = Object.values(paths).flatMap((path) =>
      Array.from({ length: steps }, (_, i) => path(a, b, i / (steps - 1))),
    );
    this.painter.paint(Float32Array.from(all.flat()), this.grid.canvases);
  }

  /** What a drag moves: the large picture, its place on the paths. Newest wins; nothing is sent. */
  _move(moved) {
    const t = this.binary && this.flips?.length ? Math.round(moved * this.flips.length) / this.flips.length : moved;
    this.view.values.t = t;
    if (this.body.hidden) return; // no codes yet
    const { pathName, paths, flips } = this;
    const { a, b } = this.codes;
    const z = (this.z = paths[pathName](a, b, t));
    this.slider.set(t, `${Math.round(100 * t)} % of the way from A to B`);
    if (!this.binary) this.chart.at(t, z);
    this.where.textContent = this.binary
      ? `${Math.round(t * flips.length)} of ${flips.length} bits flipped, code ${bitString(z)}`
      : `t = ${t.toFixed(2)}, ‖z‖ = ${norm(z).toFixed(2)}`;
    const own = Object.keys(paths).indexOf(pathName);
    const nearest = Math.round(t * (this.drawn - 1));
    this.grid.mark((row, column) => (row === own && column === nearest ? "present" : ""));
    this.large.setAttribute(
      "aria-label",
      `Decoded ${Math.round(100 * t)} % of the way from A to B on the ${pathName} path`,
    );
    this.model.show(z, this.large);
  }

  _rest(t) {
    this.view.change({ t: Number(t.toFixed(3)) });
  }

  pick(row, column) {
    this._stop();
    const path = this.binary ? {} : { path: Object.keys(PATHS)[row] };
    this.change({ t: Number((column / (this.drawn - 1)).toFixed(3)), ...path });
  }

  _toggle() {
    if (this.playing) return this._stop(true);
    const from = performance.now() - this.view.values.t * PLAY;
    const turn = (now) => {
      this._move(pingPong(Math.max(0, now - from)));
      this.playing = requestAnimationFrame(turn);
    };
    this.playing = requestAnimationFrame(turn);
    this.play.textContent = "Pause";
  }

  _stop(tell = false) {
    cancelAnimationFrame(this.playing);
    if (this.playing && tell) this._rest(this.view.values.t);
    this.playing = 0;
    this.play.textContent = "Play";
  }

  sheet() {
    const { a, b } = this.view.values;
    const columns = Array.from({ length: this.drawn }, (_, i) => (i / (this.drawn - 1)).toFixed(2));
    const rows = this.grid.cells.map((cells, i) => ({
      head: Object.keys(this.paths)[i],
      pictures: cells.map((cell) => cell.firstChild),
    }));
    const lines = [`${this.data.run}: between two images`, `A ${this.model.nameOf(a)}; B ${this.model.nameOf(b)}`];
    saveSheet({ lines, columns, rows, image: this.model.shape }, `${this.data.run}-interpolation-${a}-${b}`);
  }
}

export default renderer((root) => new Interpolation(root), ["modes/mode.css", "interpolation/interpolation.css"]);
