// The bargain: what a nat of rate buys. A run's trail in the plane of rate and error as C is turned, and at its present
// point the line of slope −1/C, along which the loss C·error + rate stays the same.

import { significant, nats, terse, whole } from "../shared/format.js";
import { contextOf, element, renderer } from "../shared/mount.js";
import { colours, typeScale } from "../shared/palette.js";
import { InView } from "../shared/redraws.js";
import { robustRange, tickLabel, ticks } from "../shared/scale.js";
import { follow } from "../shared/store.js";

const POINTS = 400; // of the trail, at most: each is the mean of as many records
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 12, 20, 34]; // pixels around the plane
const CLOSE = 9; // pixels between two labels, at least

/** What the vertical axis is: a C of the model's own weights the squared error, any other the distortion. */
export function vertical(ownsC) {
  return ownsC
    ? { name: "error", title: "squared error ‖x − f(z)‖², px²", letter: "E" }
    : { name: "distortion", title: "distortion −E log p(x|z), nats", letter: "D" };
}

/**
 * The trail as stretches of one C each: [{ C, fitted, points: [{ step, x: rate, y }] }], the newest last. A stretch ends
 * where C was turned; long histories are thinned to means over equally many records. `start`: C as the config has it.
 */
export function trail(history, name, start = null) {
  return new GrowingTrail(name, start).of(history);
}

/** `trail` of a history that grows: records that were taken in before are not looked at again. */
export class GrowingTrail {
  constructor(name, start = null) {
    this.name = name;
    this.start = start;
    this._startOver(null, 0);
  }

  _startOver(train, every) {
    this.train = train;
    this.every = every; // records of a point
    this.taken = this.turn = 0; // records and turns of C that were looked at
    this.stretches = [];
    this.stretch = null;
    this.sum = { n: 0, x: 0, y: 0, step: 0 }; // of the records since the last whole point
  }

  /** The stretches so far, good until the next call. */
  of({ train, markers, C }) {
    const every = Math.max(1, Math.ceil(train.length / POINTS));
    if (train !== this.train || every !== this.every) this._startOver(train, every);
    const turns = markers.filter(({ knob }) => knob === "C");
    if (this.sum.n) this.stretch.points.pop(); // it was not whole
    for (; this.taken < train.length; this.taken++) this._take(train, C, turns);
    if (this.sum.n) this._point();
    return this.stretches.filter(({ points }) => points.length);
  }

  _take(train, C, turns) {
    const { sum, taken: i } = this;
    const [step, x, y] = [train.step.values[i], train.rate.values[i], train[this.name].values[i]];
    const before = this.turn;
    while (this.turn < turns.length && turns[this.turn].step < step) this.turn += 1;
    if (!this.stretch || this.turn !== before) {
      if (sum.n) this._close();
      this.stretch = { C: NaN, fitted: (turns[this.turn - 1]?.value ?? this.start) === "fit", points: [] };
      this.stretches.push(this.stretch);
    }
    this.stretch.C = C.values[i];
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    sum.n += 1;
    sum.x += x;
    sum.y += y;
    sum.step = step;
    if (sum.n === this.every) this._close();
  }

  _point() {
    const { n, x, y, step } = this.sum;
    this.stretch.points.push({ step, x: x / n, y: y / n });
  }

  _close() {
    this._point();
    Object.assign(this.sum, { n: 0, x: 0, y: 0 });
  }
}

/** The plane's ranges: both axes start at zero where zero is near. */
export function ranges(points, name) {
  const along = (axis) => points.map((point) => ({ mean: point[axis], low: point[axis], high: point[axis] }));
  const now = points.at(-1);
  return {
    x: robustRange(along("x"), [now.x], 0),
    y: robustRange(along("y"), [now.y], name === "error" ? 0 : undefined),
  };
}

/** The trail's present point as a sentence. */
export function summary(run, stretches, ownsC) {
  const last = stretches.at(-1);
  if (!last) return `Rate and error of ${run}: no record yet.`;
  const { x, y } = last.points.at(-1);
  const { name } = vertical(ownsC);
  const value = name === "error" ? `squared error ${nats(y)} pixel²` : `distortion ${nats(y)} nats`;
  const turned =
    stretches.length > 1
      ? ` C was turned ${stretches.length === 2 ? "once" : `${whole(stretches.length - 1)} times`}.`
      : "";
  return `Rate and error of ${run}: rate ${nats(x)} nats, ${value} at C ${significant(last.C)}.${turned}`;
}

class Trail {
  constructor(root) {
    this.root = root;
    this.canvas = element("canvas", { role: "img", "aria-label": "No record yet" });
    this.slope = element("span", { className: "er-note" });
    this.note = element("p", { className: "er-note" });
    const title = element("h3", { className: "er-title", text: "The bargain: what a nat buys" });
    root.append(
      element("section", { className: "er-card" }, element("header", {}, title, this.slope), this.canvas, this.note),
    );
    this.context = contextOf(this.canvas);
    this.observer = new ResizeObserver(() => {
      this._measure();
      this.source?.soon();
    });
    this.observer.observe(this.canvas);
    this.inView = new InView([this.canvas], () => this.source?.soon());
    this._measure();
    this.canvas.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      this.pointer = { x: (event.clientX - box.left) / this.type, y: (event.clientY - box.top) / this.type };
      this.source?.soon();
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.source?.soon();
    });
  }

  update(data) {
    if (data.run !== this.data?.run) {
      this.source?.close();
      this.source = follow(data.run, () => this._draw());
    }
    this.data = data;
    this.palette = colours(this.root);
    this.axis = vertical(data.owns_C);
    this.growing = new GrowingTrail(this.axis.name, data.C);
    this.source.soon();
  }

  destroy() {
    this.source?.close();
    this.observer.disconnect();
    this.inView.close();
  }

  _draw() {
    const { history } = this.source.store;
    const stretches = this.growing.of(history);
    this.canvas.setAttribute("aria-label", summary(this.data.run, stretches, this.data.owns_C));
    this.note.textContent = this._words(stretches);
    if (!this.source.store.ended && !this.inView.has(this.canvas)) return;
    if (!this._resize() || !stretches.length) return;
    const points = stretches.flatMap((stretch) => stretch.points);
    this.range = ranges(points, this.axis.name);
    const C = history.C.last();
    this.slope.textContent =
      `slope −1/C = −${significant(1 / C)} ${this.axis.name === "error" ? "px² per nat" : ""}`.trim();
    this._grid();
    this._inside(() => {
      this._lineOfLoss(points.at(-1), C);
      stretches.forEach((stretch, i) =>
        this._stretch(stretch, stretches[i + 1]?.points[0], i === stretches.length - 1),
      );
    });
    this._ends(stretches);
    this._hover(points);
  }

  _words(stretches) {
    if (!stretches.length)
      return this.source.store.ended ? "This run has no records." : "The trail begins with the first record.";
    const { letter } = this.axis;
    return (
      `Each point is what the run pays (rate) and what it still gets wrong (${letter}). Along the line C·${letter} + rate stays the same; ` +
      `where training has converged the line touches the curve of what can be reached: d${letter}/dR = −1/C.`
    );
  }

  _measure() {
    this.type = typeScale(); // all is drawn larger by it
    this.size = { width: this.canvas.clientWidth / this.type, height: this.canvas.clientHeight / this.type };
  }

  _resize() {
    const { width, height } = this.size;
    const ratio = (devicePixelRatio || 1) * this.type;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    this.plot = { left: LEFT, right: width - RIGHT, top: TOP, bottom: height - BOTTOM };
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, height);
    this.context.font = `11px ${this.palette.font}`;
    this.context.lineJoin = "round";
    return width > LEFT + RIGHT + 40 && height > TOP + BOTTOM + 40;
  }

  _x(rate) {
    const { low, high } = this.range.x;
    return this.plot.left + ((rate - low) / (high - low)) * (this.plot.right - this.plot.left);
  }

  _y(value) {
    const { low, high } = this.range.y;
    return this.plot.bottom - ((value - low) / (high - low)) * (this.plot.bottom - this.plot.top);
  }

  _grid() {
    const { context: c, plot, palette } = this;
    Object.assign(c, {
      strokeStyle: palette.hair,
      fillStyle: palette.faint,
      lineWidth: 1,
      textBaseline: "middle",
      textAlign: "right",
    });
    const rows = ticks(this.range.y.low, this.range.y.high, (plot.bottom - plot.top) / 44);
    for (const value of rows.values) {
      const y = Math.round(this._y(value)) + 0.5;
      c.beginPath();
      c.moveTo(plot.left, y);
      c.lineTo(plot.right, y);
      c.stroke();
      c.fillText(tickLabel(value, rows.step), plot.left - 7, y, LEFT - 9);
    }
    const marks = ticks(this.range.x.low, this.range.x.high, (plot.right - plot.left) / 80);
    Object.assign(c, { textAlign: "center", textBaseline: "alphabetic" });
    for (const value of marks.values) c.fillText(tickLabel(value, marks.step), this._x(value), plot.bottom + 14);
    c.textAlign = "right";
    c.fillText("rate KL(q‖p), nats", plot.right, plot.bottom + 29);
    c.textAlign = "left";
    c.fillText(this.axis.title, 8, 11);
  }

  _inside(draw) {
    const { context: c, plot } = this;
    c.save();
    c.beginPath();
    c.rect(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top);
    c.clip();
    draw();
    c.restore();
  }

  /** Through the present point: C·(y − y₀) + (x − x₀) = 0. */
  _lineOfLoss(now, C) {
    const { context: c, palette } = this;
    const { low, high } = this.range.x;
    c.strokeStyle = palette.sample;
    c.lineWidth = 1.75;
    c.beginPath();
    for (const x of [low, high]) c.lineTo(this._x(x), this._y(now.y - (x - now.x) / C));
    c.stroke();
  }

  _stretch({ points }, next, newest) {
    const { context: c, palette } = this;
    c.strokeStyle = newest ? palette.text : palette.faint;
    c.globalAlpha = newest ? 0.9 : 0.55;
    c.lineWidth = newest ? 1.75 : 1.25;
    c.beginPath();
    for (const { x, y } of next ? [...points, next] : points) c.lineTo(this._x(x), this._y(y));
    c.stroke();
    c.globalAlpha = 1;
  }

  /** The end of each stretch with its C, the newest first; of labels that would overprint each other the newer is kept. */
  _ends(stretches) {
    const { context: c, palette, plot } = this;
    const taken = [];
    [...stretches].reverse().forEach(({ C, fitted, points }, age) => {
      const end = points.at(-1);
      const [x, y] = [this._x(end.x), this._y(end.y)].map((at, i) =>
        i ? Math.min(plot.bottom, Math.max(plot.top, at)) : Math.min(plot.right, Math.max(plot.left, at)),
      );
      Object.assign(c, {
        fillStyle: age ? palette.text : palette.distortion,
        strokeStyle: palette.card,
        lineWidth: 1.5,
      });
      c.beginPath();
      c.arc(x, y, age ? 3.5 : 5, 0, 7);
      c.fill();
      c.stroke();
      const label = `C = ${terse(C)}${fitted ? " (fit)" : ""}`;
      const wide = c.measureText(label).width;
      const left = x + 9 + wide > plot.right ? x - 9 - wide : x + 9;
      const top = y < plot.top + 14 ? y + 12 : y - 10;
      const box = { left, right: left + wide, top: top - 7, bottom: top + 7 };
      if (taken.some((other) => overlap(box, other))) return;
      taken.push(box);
      Object.assign(c, { fillStyle: palette.card, globalAlpha: 0.8 });
      c.fillRect(box.left - 2, box.top, wide + 4, 14);
      Object.assign(c, {
        globalAlpha: 1,
        fillStyle: age ? palette.faint : palette.text,
        textAlign: "left",
        textBaseline: "middle",
      });
      c.fillText(label, left, top);
    });
  }

  _hover(points) {
    const { context: c, palette, plot, pointer } = this;
    if (!pointer) return;
    const far = ({ x, y }) => (this._x(x) - pointer.x) ** 2 + (this._y(y) - pointer.y) ** 2;
    const near = points.reduce((best, point) => (far(point) < far(best) ? point : best));
    if (far(near) > 30 ** 2) return;
    const [x, y] = [this._x(near.x), this._y(near.y)];
    c.strokeStyle = palette.text;
    c.beginPath();
    c.arc(x, y, 5, 0, 7);
    c.stroke();
    const label = `step ${whole(near.step)}: rate ${nats(near.x)}, ${this.axis.letter} ${nats(near.y)}`;
    const wide = c.measureText(label).width;
    const left = Math.min(plot.right - wide, Math.max(plot.left, x - wide / 2));
    const top = y > plot.top + 34 ? y - 24 : y + 24;
    c.fillStyle = palette.card;
    c.fillRect(left - 4, top - 9, wide + 8, 18);
    Object.assign(c, { fillStyle: palette.text, textAlign: "left", textBaseline: "middle" });
    c.fillText(label, left, top);
  }
}

/** Whether two labels would touch. */
export function overlap(a, b) {
  return a.left < b.right + CLOSE && b.left < a.right + CLOSE && a.top < b.bottom && b.top < a.bottom;
}

export default renderer((root) => new Trail(root), ["train/trail.css"]);
