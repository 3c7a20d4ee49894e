// The sliders, one per latent dimension: ordered by rate, dead ones grey, all of them moved by pointer and keys.
// They hold no z of their own; they are told what to show and tell what was asked.

import { nats } from "./format.js";
import { element } from "./mount.js";
import { ALIVE, byRate, including, place, rangeOf, stepped, valueAt } from "./explore_space.js";

export const MOST = 24; // sliders shown at first
const GRAB = 13; // pixels around the thumb in which it is taken without a jump
const CALM = 600; // milliseconds after which sliders that nobody touches may change places
const MOVES = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

/** A coordinate: 1.46, −0.30. */
export const coordinate = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2).replace("-", "−"));

/** What is wrong or right with a dimension, for those who point at it. */
export function meaning(dimension, rate) {
  if (rate === undefined || rate === null) return `z${dimension}`;
  if (rate < ALIVE) return `z${dimension} carries ${nats(rate)} nats: the model does not use it, so moving it changes little`;
  return `z${dimension} carries ${nats(rate)} nats on average`;
}

export class Sliders {
  /**
   * `on`: move(dimension, value) while dragging, release() after it, reset(dimension), play(dimension),
   * touch(dimension) when one is taken in hand; value(dimension) answers what z is now, drawn or not.
   */
  constructor(on) {
    this.on = on;
    this.rows = new Map(); // dimension -> elements
    this.list = element("ol", { className: "sliders" });
    this.more = element("button", { className: "plain more", type: "button" });
    this.note = element("p", { className: "er-note" });
    this.box = element("div", { className: "dimensions" }, this.list, this.more, this.note);
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      this._list();
    });
    this.list.addEventListener("pointerleave", () => this._settle());
    this.list.addEventListener("focusout", () => this._settle());
  }

  /** Another model: k dimensions, its rates (or null), z. */
  start(k, rates, z) {
    Object.assign(this, { k, rates, all: k <= MOST, later: null });
    this.rows.clear();
    this.order = byRate(rates, k);
    this.ranges = Array.from({ length: k }, () => rangeOf());
    this._list();
    this.show(z);
  }

  /** New rates of the same model as it trains. Sliders in hand stay where they are. */
  rate(rates) {
    this.rates = rates;
    this.rows.forEach((row, dimension) => this._rate(row, dimension));
    this._count();
    this.later = byRate(rates, this.k);
    this._settle();
  }

  /** Other ranges, one per dimension. */
  range(ranges, z) {
    this.ranges = ranges.map((range, i) => including(range, z[i]));
    this.rows.forEach((row) => (row.value = NaN));
    this.show(z);
  }

  /** Posteriors to mark on the tracks: {loc, scale} with k numbers each, or null. */
  mark(posterior) {
    this.posterior = posterior;
    this.rows.forEach((row) => (row.value = NaN));
  }

  show(z) {
    for (const [dimension, row] of this.rows) {
      const value = z[dimension];
      if (row.value !== value) this._draw(row, dimension, value);
    }
  }

  /** After a jump: every value lies on its slider. */
  fit(z) {
    this.ranges = this.ranges.map((range, i) => including(range, z[i]));
    this.rows.forEach((row) => (row.value = NaN));
  }

  playing(dimension) {
    this.rows.forEach((row, d) => row.item.classList.toggle("playing", d === dimension));
  }

  /** Take over an order that was waiting, if no hand is near: what is under a finger must not move away. */
  _settle() {
    clearTimeout(this.timer);
    if (this.later) this.timer = setTimeout(() => this._reorder(), CALM);
  }

  _reorder() {
    const { later, list } = this;
    const held = [...this.rows.values()].some((row) => row.grip);
    if (!later || held || list.matches(":hover") || list.contains(list.getRootNode().activeElement)) return;
    this.later = null;
    if (later.every((dimension, i) => dimension === this.order[i])) return;
    this.order = later;
    this._list();
  }

  _list() {
    const shown = this.all ? this.order : this.order.slice(0, MOST);
    for (const dimension of shown) if (!this.rows.has(dimension)) this._add(dimension);
    this.list.replaceChildren(...shown.map((dimension) => this.rows.get(dimension).item));
    this.more.hidden = this.k <= MOST;
    this.more.textContent = this.all ? `Show the first ${MOST}` : `Show all ${this.k}`;
    this._count();
  }

  _count() {
    const dead = this.rates ? this.rates.filter((rate) => rate < ALIVE).length : 0;
    const [words, those] = dead === 1 ? ["One dimension carries", "it"] : [`${dead} dimensions carry`, "them"];
    this.note.textContent = dead ? `${words} less than ${ALIVE} nats (grey): moving ${those} changes little.` : "";
    this.note.hidden = !dead;
  }

  _add(dimension) {
    const name = element("span", { className: "name", text: `z${dimension}` });
    const fill = element("span", { className: "fill" });
    const band = element("span", { className: "band" });
    const thumb = element("span", { className: "thumb" });
    const slider = element("div", { className: "slider", role: "slider", tabindex: "0", "aria-label": `z${dimension}` },
      element("span", { className: "track" }), band, fill, thumb);
    const value = element("output", { className: "value" });
    const rate = element("span", { className: "rate" });
    const item = element("li", {}, name, slider, value, rate);
    const row = { item, name, slider, fill, band, thumb, valueText: value, rateText: rate, value: NaN };
    this.rows.set(dimension, row);
    this._listenToPointer(row, dimension);
    this._listenToKeys(row, dimension);
    this._rate(row, dimension);
  }

  _listenToPointer(row, dimension) {
    const { slider } = row;
    slider.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      slider.setPointerCapture(event.pointerId);
      slider.focus({ preventScroll: true });
      const box = slider.getBoundingClientRect();
      const thumb = box.left + place(this.on.value(dimension), this.ranges[dimension]) * box.width;
      const offset = Math.abs(event.clientX - thumb) < GRAB ? event.clientX - thumb : 0;
      row.grip = { offset, left: box.left, width: box.width, moved: false };
      this.on.touch(dimension);
      if (!offset && Math.abs(event.clientX - thumb) >= GRAB) this._pull(row, dimension, event);
    });
    slider.addEventListener("pointermove", (event) => row.grip && this._pull(row, dimension, event));
    const end = () => {
      if (!row.grip) return;
      const { moved } = row.grip;
      row.grip = null;
      if (moved) this.on.release();
    };
    slider.addEventListener("pointerup", end);
    slider.addEventListener("pointercancel", end);
    slider.addEventListener("mousedown", (event) => event.preventDefault()); // else text is selected, and dragged next
    slider.addEventListener("dblclick", () => this.on.reset(dimension));
  }

  _pull(row, dimension, { clientX }) {
    const { offset, left, width } = row.grip;
    row.grip.moved = true;
    this.on.move(dimension, valueAt((clientX - offset - left) / width, this.ranges[dimension]));
  }

  _listenToKeys(row, dimension) {
    row.slider.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const range = this.ranges[dimension];
      let value = { Home: range.low, End: range.high }[event.key];
      if (event.key in MOVES) {
        value = stepped(this.on.value(dimension), MOVES[event.key], event.shiftKey || event.key.startsWith("Page"), range);
      }
      if (value !== undefined) this.on.move(dimension, value, "key");
      else if (event.key === "Backspace" || event.key === "Delete") this.on.reset(dimension);
      else if (event.key === " ") this.on.play(dimension);
      else return;
      event.preventDefault();
    });
    row.slider.addEventListener("focus", () => this.on.touch(dimension));
  }

  _rate(row, dimension) {
    const rate = this.rates?.[dimension];
    row.rateText.textContent = Number.isFinite(rate) ? nats(rate) : "";
    row.item.classList.toggle("dead", Number.isFinite(rate) && rate < ALIVE);
    row.item.title = meaning(dimension, rate);
    row.slider.setAttribute("aria-label", Number.isFinite(rate) ? `z${dimension}, ${nats(rate)} nats` : `z${dimension}`);
  }

  _draw(row, dimension, value) {
    const range = this.ranges[dimension];
    const at = 100 * place(value, range);
    const origin = 100 * place(range.loc, range);
    row.value = value;
    row.thumb.style.left = `${at}%`;
    row.fill.style.left = `${Math.min(at, origin)}%`;
    row.fill.style.width = `${Math.abs(at - origin)}%`;
    row.valueText.textContent = coordinate(value);
    row.slider.setAttribute("aria-valuenow", value.toFixed(3));
    row.slider.setAttribute("aria-valuetext", coordinate(value));
    if (row.range === range && row.posterior === this.posterior) return;
    Object.assign(row, { range, posterior: this.posterior });
    row.slider.setAttribute("aria-valuemin", range.low.toFixed(3));
    row.slider.setAttribute("aria-valuemax", range.high.toFixed(3));
    row.band.hidden = !this.posterior;
    if (!this.posterior) return;
    const [loc, scale] = [this.posterior.loc[dimension], this.posterior.scale[dimension]];
    const [low, high] = [loc - 2 * scale, loc + 2 * scale].map((end) => 100 * place(end, range));
    row.band.style.left = `${low}%`;
    row.band.style.width = `${Math.max(0.8, high - low)}%`;
  }
}
