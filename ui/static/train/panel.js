// One panel of the chart on its canvas: grid, curves, markers, crosshair. It is told what to draw; it decides nothing.

import { typeScale } from "../shared/palette.js";
import { compact, nats, whole } from "../shared/format.js";
import { Columns, tickLabel, ticks } from "../shared/scale.js";

export const GUTTER = 52; // pixels left of the plot, for the labels of the vertical axis
const LABEL = GUTTER - 10; // and for each of them: a longer one is set narrower, never cut
const GLIDE = 50; // milliseconds in which the range on screen comes nearer to its target by a factor e
const AXIS = 20; // pixels below the plot of the panel that carries the axis of steps

export class Panel {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.view = null; // the range on screen, which glides towards its target
    this.glided = -Infinity; // when it moved
    this.columns = { train: new Columns(2), test: new Columns(6) };
    this.measure();
  }

  /** Take the canvas's size from its place: asked for while drawing, the page would be laid out once more each time. */
  measure() {
    this.type = typeScale(); // all is drawn larger by it
    this.width = this.canvas.clientWidth / this.type;
    this.height = this.canvas.clientHeight / this.type;
  }

  /** Match the canvas to its place and the screen's resolution; true if there is room to draw. */
  resize(screen) {
    const { width, height } = this;
    const ratio = screen * this.type;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) Object.assign(this.canvas, { width: w, height: h });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, height);
    return width > GUTTER + 20 && height > 20;
  }

  /** Move the range on screen towards `target`, as far as it gets by `now`; true while it still has to move. */
  glide(target, jump, now) {
    const share = 1 - Math.exp(-Math.max(16, now - this.glided) / GLIDE);
    this.glided = now;
    if (!this.view || jump) {
      this.view = { ...target };
      return false;
    }
    const span = target.high - target.low;
    let moving = false;
    for (const end of ["low", "high"]) {
      const gap = target[end] - this.view[end];
      if (Math.abs(gap) < 0.002 * span) this.view[end] = target[end];
      else {
        this.view[end] += gap * share;
        moving = true;
      }
    }
    return moving;
  }

  /** Draw the scene, if it is `seen`; else it is kept for whoever saves it. */
  show(seen, scene) {
    if (seen) this.draw(scene);
    else this.scene = scene;
  }

  /**
   * Draw. `scene`: colour, palette, axis (carries the step labels), end (last step of the axis), train and test
   * ({xs, ys, n}), markers ({step, label}), hover (a step or null), clip (values beyond the range are pointed at).
   */
  draw(scene) {
    const { context: c, width, height } = this;
    this.plot = { left: GUTTER, right: width - 10, top: 0, bottom: height - (scene.axis ? AXIS : 0) };
    this.scene = scene;
    c.font = `11px ${scene.palette.font}`;
    c.lineJoin = "round";
    if (!scene.train.n) return;
    const wide = this.plot.right - this.plot.left;
    const [train, test] = ["train", "test"].map((part) => {
      const { xs, ys, n } = scene[part];
      return this.columns[part].of(xs, ys, n, scene.end, wide);
    });
    this._beyond(train);
    this._grid();
    c.save();
    c.beginPath();
    c.rect(this.plot.left, this.plot.top, this.plot.right - this.plot.left + 6, this.plot.bottom - this.plot.top);
    c.clip();
    this._markerLines();
    this._band(train);
    this._line(test, [4, 3.5], 0.75, 1.5);
    this._line(train, [], 1, 1.9);
    this._tip(train);
    this._markerLabels();
    c.restore();
    if (scene.hover !== null) this._crosshair();
  }

  /** What is on screen once more, on another context, without the pointer's crosshair. */
  drawOn(context) {
    const own = this.context;
    this.context = context;
    if (this.scene) this.draw({ ...this.scene, hover: null });
    this.context = own;
  }

  x(step) {
    return this.plot.left + (step / (this.scene.end || 1)) * (this.plot.right - this.plot.left);
  }

  y(value) {
    const { low, high } = this.view;
    return this.plot.bottom - ((value - low) / (high - low || 1)) * (this.plot.bottom - this.plot.top);
  }

  _grid() {
    const { context: c, plot, scene } = this;
    const { low, high } = this.view;
    const { values, step } = ticks(low, high, (plot.bottom - plot.top) / 18);
    const largest = Math.max(...values.map(Math.abs));
    c.lineWidth = 1;
    c.strokeStyle = scene.palette.hair;
    c.fillStyle = scene.palette.faint;
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const value of values) {
      const y = Math.round(this.y(value)) + 0.5;
      if (y < plot.top + 6 || y > plot.bottom - (scene.axis ? -1 : 5)) continue; // not on the card's edge
      c.beginPath();
      c.moveTo(plot.left, y);
      c.lineTo(plot.right, y);
      c.stroke();
      const taken = (this.above && y < plot.top + 22) || (this.below && y > plot.bottom - 20);
      if (!taken) c.fillText(tickLabel(value, step, largest), plot.left - 8, y, LABEL);
    }
    if (scene.axis) this._steps();
  }

  _steps() {
    const { context: c, plot, scene } = this;
    const { values, step } = ticks(0, scene.end, (plot.right - plot.left) / 90);
    c.textBaseline = "alphabetic";
    for (const value of values) {
      const x = this.x(value);
      const covered = scene.hover && Math.abs(this.x(scene.hover.step) - x) < 62;
      if (!Number.isInteger(value) || covered) continue;
      c.textAlign = value === 0 ? "left" : x > plot.right - 16 ? "right" : "center";
      c.fillText(value === 0 ? "step 0" : tickLabel(value, step), x, plot.bottom + 14);
    }
  }

  /** Vertical dotted lines where something was changed. */
  _markerLines() {
    const { context: c, plot, scene } = this;
    c.save();
    c.setLineDash([1.5, 3]);
    c.lineWidth = 1.25;
    c.strokeStyle = scene.palette.faint;
    for (const { step } of scene.markers) {
      const x = Math.round(this.x(step)) + 0.5;
      c.beginPath();
      c.moveTo(x, plot.top);
      c.lineTo(x, plot.bottom);
      c.stroke();
    }
    c.restore();
  }

  /** Their names on a ground of their own, over lines and curves; of those that would overlap the newer one is kept. */
  _markerLabels() {
    const { context: c, plot, scene } = this;
    c.textBaseline = "top";
    let free = Infinity;
    for (const { step, label } of [...scene.markers].reverse()) {
      const x = Math.round(this.x(step)) + 0.5;
      const wide = c.measureText(label).width;
      const left = x + 6 + wide > plot.right + 4;
      const [from, to] = left ? [x - 6 - wide, x] : [x, x + 6 + wide];
      if (to > free || from < plot.left) continue;
      c.textAlign = left ? "right" : "left";
      this._paper(label, left ? x - 6 : x + 6, plot.top + 7, c.textAlign, scene.palette.faint);
      free = from - 8;
    }
  }

  /** Between the lowest and the highest record of each pixel, where there is more than one. */
  _band(cols) {
    if (!cols.some((col) => col.count > 1)) return;
    const { context: c, plot } = this;
    c.fillStyle = this.scene.colour;
    c.globalAlpha = 0.18;
    c.beginPath();
    cols.forEach((col) => c.lineTo(plot.left + col.x, this.y(col.high) - 0.5));
    [...cols].reverse().forEach((col) => c.lineTo(plot.left + col.x, this.y(col.low) + 0.5));
    c.fill();
    c.globalAlpha = 1;
  }

  _line(cols, dash, alpha, wide) {
    const { context: c, plot } = this;
    c.strokeStyle = this.scene.colour;
    c.globalAlpha = alpha;
    c.lineWidth = wide;
    c.setLineDash(dash);
    c.beginPath();
    cols.forEach((col) => c.lineTo(plot.left + col.x, this.y(col.mean)));
    c.stroke();
    c.setLineDash([]);
    c.globalAlpha = 1;
  }

  _tip(cols) {
    const last = cols.at(-1);
    if (!last) return;
    this._dot(this.plot.left + last.x, this.y(last.mean), 3);
  }

  _dot(x, y, radius) {
    const { context: c, scene } = this;
    c.fillStyle = scene.colour;
    c.strokeStyle = scene.palette.card;
    c.lineWidth = 1.5;
    c.beginPath();
    c.arc(x, y, radius, 0, 7);
    c.fill();
    c.stroke();
  }

  /** Values outside the range are not hidden in silence: an arrow on the axis with the farthest of them. */
  _beyond(cols) {
    const { context: c, plot, scene } = this;
    const { low, high } = this.view;
    const slack = 0.01 * (high - low); // of the gliding range
    const highest = Math.max(...cols.map((col) => col.high));
    const lowest = Math.min(...cols.map((col) => col.low));
    this.above = highest > high + slack;
    this.below = lowest < low - slack;
    c.fillStyle = scene.colour;
    c.textAlign = "right";
    c.textBaseline = "middle";
    if (this.above) c.fillText(`↑ ${compact(highest)}`, plot.left - 8, plot.top + 10, LABEL);
    if (this.below) c.fillText(`↓ ${compact(lowest)}`, plot.left - 8, plot.bottom - 9, LABEL);
  }

  _crosshair() {
    const { context: c, plot, scene } = this;
    const { step, train, test } = scene.hover;
    const x = Math.round(this.x(step)) + 0.5;
    c.strokeStyle = scene.palette.text;
    c.globalAlpha = 0.45;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, plot.top);
    c.lineTo(x, plot.bottom);
    c.stroke();
    c.globalAlpha = 1;
    if (scene.axis) this._stepLabel(step, x);
    if (!Number.isFinite(train)) return;
    const y = Math.min(plot.bottom - 4, Math.max(plot.top + 4, this.y(train)));
    this._dot(x, y, 3.5);
    const text = Number.isFinite(test) ? `${nats(train)}   held-out ${nats(test)}` : nats(train);
    const right = x + 14 + c.measureText(text).width < plot.right;
    c.textBaseline = "middle";
    c.textAlign = right ? "left" : "right";
    const line = Math.min(plot.bottom - 11, Math.max(plot.top + 11, y - 13));
    this._paper(text, right ? x + 9 : x - 9, line, c.textAlign, scene.palette.text);
  }

  _stepLabel(step, x) {
    const { context: c, plot, scene } = this;
    const label = `step ${whole(step)}`;
    const half = c.measureText(label).width / 2;
    c.textBaseline = "middle";
    c.textAlign = "left";
    this._paper(
      label,
      Math.min(plot.right - 2 * half, Math.max(plot.left, x - half)),
      plot.bottom + 10,
      "left",
      scene.palette.text,
      1,
    );
  }

  /** Text on a ground of its own, readable over curves. */
  _paper(text, x, y, align, colour, alpha = 0.85) {
    const { context: c } = this;
    const wide = c.measureText(text).width + 8;
    const top = c.textBaseline === "middle" ? y - 8 : y - 1;
    c.fillStyle = this.scene.palette.card;
    c.globalAlpha = alpha;
    c.beginPath();
    c.roundRect(align === "left" ? x - 4 : x - wide + 4, top, wide, 16, 4);
    c.fill();
    c.globalAlpha = 1;
    c.fillStyle = colour;
    c.fillText(text, x, y);
  }
}
