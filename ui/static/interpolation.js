// Between the codes of two held-out images, straight and spherical: a scrubber that decodes in the page, and the steps.

import { norm } from "./explore_space.js";
import { LengthChart, reading } from "./interpolation_chart.js";
import { PATHS } from "./interpolation_paths.js";
import { element, renderer } from "./mount.js";
import { button, choice, segmented, slider } from "./sheet_controls.js";
import { Grid } from "./sheet_grid.js";
import { Painter, put, SheetModel } from "./sheet_model.js";
import { Picker } from "./sheet_picker.js";
import { saveSheet } from "./sheet_save.js";
import { numberIn, oneOf, shortCode, View, wholeIn } from "./sheet_view.js";

const STEPS = [5, 7, 9, 11, 13];
const NARROW = 520; // pixels
const PLAY = 4000; // milliseconds from A to B
const ENDS = ["a", "b"];
const FIELDS = {
  a: { read: wholeIn(0, 1e7), fallback: -1 }, // −1: not chosen yet
  b: { read: wholeIn(0, 1e7), fallback: -1 },
  path: { read: oneOf(...Object.keys(PATHS)), fallback: "spherical" },
  t: { read: numberIn(0, 1), fallback: 0.5 },
  steps: { read: oneOf(...STEPS), fallback: 0 }, // 0: as the width allows
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

class Interpolation {
  constructor(root) {
    this.view = new View(FIELDS, (values) => this.component.setTriggerValue("view", values));
    this.model = new SheetModel(() => this._draw());
    this.painter = new Painter(this.model);
    this.ends = Object.fromEntries(ENDS.map((end) => [end, this._end(end)]));
    this.picker = new Picker(this.model, {
      title: "", onPick: (index) => this._choose({ [this.picking]: index }),
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
    const random = button("Random", () => this._choose({ [end]: Math.floor(Math.random() * this.model.codes.header.n) }),
      { title: `Another image ${end.toUpperCase()}` });
    const root = element("div", { className: "end-image" }, element("p", { className: "er-title", text: end.toUpperCase() }), image, name,
      element("div", { className: "bar" }, open, random));
    return { root, image, name, open, random };
  }

  _controls() {
    this.play = button("Play", () => this._toggle());
    this.slider = slider("From A to B", {
      low: 0, high: 1, step: 0.01, rest: 0.5, onInput: (t) => this._move(t), onRelease: (t) => this._rest(t),
    });
    this.path = segmented("Path between the codes", { straight: "straight", spherical: "spherical" }, (path) => this._change({ path }));
    this.steps = choice("steps", STEPS.map((n) => [n, String(n)]), (steps) => this._change({ steps: Number(steps) }));
    this.take = button("Take this z", () => this.view.change({}, { z: shortCode(this.z) }), { title: "Make it the z of this page" });
    this.save = button("Save PNG", () => this._save());
    this.grid = new Grid({ label: "Steps from A to B", onPick: (row, column) => this._step(row, column) });
  }

  _build(root) {
    this.large = element("canvas", { className: "large", role: "img" });
    this.chart = new LengthChart();
    this.where = element("p", { className: "er-note where" });
    this.note = element("p", { className: "er-note" });
    this.words = element("p", { className: "er-note words", role: "status" });
    const { a, b } = this.ends;
    const middle = element("div", { className: "middle" }, this.large, this.where);
    const left = element("div", { className: "main" },
      element("div", { className: "stage" }, a.root, middle, b.root), this.picker.root,
      element("div", { className: "scrub" }, this.play, this.slider.root),
      element("div", { className: "bar" }, this.path.root, this.steps.root, element("span", { className: "push" }), this.take, this.save),
      this.grid.root);
    this.body = element("div", { className: "body" }, left, element("div", { className: "why" }, this.chart.root, this.note));
    root.append(element("section", { className: "mode" },
      element("h3", { className: "er-title", text: "Between two images" }), this.body, this.words));
    this.observer = new ResizeObserver(() => this.count && this.count !== this._count() && this._draw());
    this.observer.observe(this.body);
  }

  update(data, component) {
    this.component = component;
    if (data.run !== this.run) this._stop();
    this.run = data.run;
    this.model.open(data.run, { codes: true });
    this.view.adopt(data.start);
    this._draw();
  }

  destroy() {
    this._stop();
    this.slider.stop();
    this.view.stop();
    this.painter.stop();
    this.model.close();
    this.picker.destroy();
    this.grid.destroy();
    this.observer.disconnect();
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
    this._change(values);
    this.picker.mark();
  }

  _change(values) {
    this.view.change(values);
    this._draw();
  }

  _count() {
    return this.view.values.steps || (this.body.clientWidth < NARROW ? 5 : 9);
  }

  get _code() {
    const { path, t } = this.view.values;
    return PATHS[path](this.codes.a, this.codes.b, t);
  }

  /** Everything but what a drag moves. */
  _draw() {
    const { shape, codes } = this.model;
    this.words.textContent = this.model.words;
    this.body.hidden = !shape || !codes;
    if (this.body.hidden) return;
    const { values } = this.view;
    const pair = firstPair(codes);
    for (const end of ENDS) if (!(values[end] >= 0 && values[end] < codes.header.n)) values[end] = pair[end];
    this.codes = { a: this.model.code(values.a), b: this.model.code(values.b) };
    this.count = this._count();
    this.steps.set(this.count);
    this.path.set(values.path);
    for (const end of ENDS) this._drawEnd(end);
    this._drawSteps(shape);
    this.chart.draw(this.codes.a, this.codes.b, values.path);
    this.note.textContent = reading(this.codes.a, this.codes.b);
    this.picker.draw();
    this._move(values.t);
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
    const { count: steps } = this;
    const rows = Object.keys(PATHS).map((name) => ({ count: steps, head: name, faint: name !== this.view.values.path }));
    const describe = (row, column) => `${rows[row].head} path, ${Math.round((100 * column) / (steps - 1))} % of the way from A to B`;
    this.grid.layout({ rows, image: shape, describe, largest: 62 });
    const { a, b } = this.codes;
    const all = Object.values(PATHS).flatMap((path) => Array.from({ length: steps }, (_, i) => path(a, b, i / (steps - 1))));
    this.painter.paint(Float32Array.from(all.flat()), this.grid.canvases);
  }

  /** What a drag moves: the large picture, its place on the paths. Newest wins; nothing is sent. */
  _move(t) {
    this.view.values.t = t;
    if (this.body.hidden) return;
    const { path } = this.view.values;
    const z = (this.z = this._code);
    this.slider.set(t, `${Math.round(100 * t)} % of the way from A to B`);
    this.chart.at(t, z);
    this.where.textContent = `t = ${t.toFixed(2)}, ‖z‖ = ${norm(z).toFixed(2)}`;
    const own = Object.keys(PATHS).indexOf(path);
    const nearest = Math.round(t * (this.count - 1));
    this.grid.mark((row, column) => (row === own && column === nearest ? "present" : ""));
    this.large.setAttribute("aria-label", `Decoded ${Math.round(100 * t)} % of the way from A to B on the ${path} path`);
    this.model.show(z, this.large);
  }

  _rest(t) {
    this.view.change({ t });
  }

  _step(row, column) {
    this._stop();
    this._change({ t: Number((column / (this.count - 1)).toFixed(3)), path: Object.keys(PATHS)[row] });
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
    if (this.playing && tell) this._rest(Number(this.view.values.t.toFixed(2)));
    this.playing = 0;
    this.play.textContent = "Play";
  }

  _save() {
    const { a, b } = this.view.values;
    const columns = Array.from({ length: this.count }, (_, i) => (i / (this.count - 1)).toFixed(2));
    const rows = this.grid.cells.map((cells, i) => ({ head: Object.keys(PATHS)[i], pictures: cells.map((cell) => cell.firstChild) }));
    const lines = [`${this.run}: between two images`, `A ${this.model.nameOf(a)}; B ${this.model.nameOf(b)}`];
    saveSheet({ lines, columns, rows, image: this.model.shape }, `${this.run}-interpolation-${a}-${b}`);
  }
}

export default renderer((root) => new Interpolation(root), ["sheet.css", "interpolation.css"]);
