// The latent dimensions in a list, whatever moves them: ordered by rate, dead ones grey, the first few until all are
// asked for. They hold no z of their own; they are told what to show and tell what was asked.

import { nats } from "../shared/format.js";
import { activeIn, element } from "../shared/mount.js";
import { ALIVE, byRate } from "./space.js";

export const MOST = 24; // dimensions shown at first
const CALM = 600; // milliseconds after which dimensions that nobody touches may change places
const MARGINALS = "q(z|x) does not factorise: these are the KL of its marginals, and do not add up to the rate.";

/** What is wrong or right with a dimension, for those who point at it. */
export function meaning(dimension, rate) {
  if (rate === undefined || rate === null) return `z${dimension}`;
  if (rate < ALIVE)
    return `z${dimension} carries ${nats(rate)} nats: the model does not use it, so changing it changes little`;
  return `z${dimension} carries ${nats(rate)} nats on average`;
}

/**
 * @import { Posterior } from "../shared/types.js"
 *
 * @typedef {object} Row  The elements of one dimension; kinds of control add their own.
 * @property {HTMLLIElement} item
 * @property {HTMLElement} control
 * @property {HTMLElement} rateText
 * @property {number} [value]  that it shows
 * @property {object} [grip]  while it is in hand
 *
 * @typedef {object} Hand  What is asked of whoever holds z.
 * @property {(dimension: number, value: number, by?: "hand" | "key") => void} move
 * @property {() => void} release
 * @property {(dimension: number) => void} reset
 * @property {(dimension: number) => void} touch  one is taken in hand
 * @property {(dimension: number) => number} value  what z is now, drawn or not
 * @property {(dimension: number) => void} [play]
 */

/** The list. A kind of control makes its own rows (`add`), listens to them and draws them. */
export class Dimensions {
  /** @type {number} */
  k;
  /** @type {number[] | null} nats */
  rates;
  /** @type {boolean} whether q does, so that rates add up */
  factorises;
  /** @type {boolean} whether all are listed */
  all;
  /** @type {number[] | null} an order that waits until no hand is near */
  later;
  /** @type {Posterior | null} */
  posterior;

  /** @param {Hand} on  @param {string} className */
  constructor(on, className) {
    this.on = on;
    this.rows = new Map(); // dimension -> Row
    this.list = element("ol", { className });
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

  /**
   * The elements of a dimension.
   *
   * @abstract
   * @param {number} _dimension
   * @returns {Row}
   */
  add(_dimension) {
    throw new Error("a kind of control makes its own rows");
  }

  /**
   * Listen to pointer and keys.
   *
   * @abstract
   * @param {Row} _row
   * @param {number} _dimension
   */
  listen(_row, _dimension) {}

  /**
   * Show a value.
   *
   * @abstract
   * @param {Row} _row
   * @param {number} _dimension
   * @param {number} _value
   */
  draw(_row, _dimension, _value) {}

  /** Another model: k dimensions, its rates (or null), z; whether the rates are those of a q that factorises. */
  start(k, rates, z, factorises = true) {
    Object.assign(this, { k, rates, factorises, all: k <= MOST, later: null, posterior: null });
    this.rows.clear();
    this.order = byRate(rates, k);
    this._list();
    this.show(z);
  }

  /** New rates of the same model as it trains. Those in hand stay where they are. */
  rate(rates) {
    this.rates = rates;
    this.rows.forEach((row, dimension) => this._rate(row, dimension));
    this._count();
    this.later = byRate(rates, this.k);
    this._settle();
  }

  /** The posterior to mark: k numbers in `loc`, and in `scale` where it has one; or null. */
  mark(posterior) {
    this.posterior = posterior;
    this.redraw();
  }

  /** Let the next `show` draw all rows. */
  redraw() {
    this.rows.forEach((row) => (row.value = NaN));
  }

  show(z) {
    for (const [dimension, row] of this.rows) {
      const value = z[dimension];
      if (row.value === value) continue;
      row.value = value;
      this.draw(row, dimension, value);
    }
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
    if (!later || held || list.matches(":hover") || list.contains(activeIn(list))) return;
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

  _add(dimension) {
    const row = { ...this.add(dimension), value: NaN };
    this.rows.set(dimension, row);
    this.listen(row, dimension);
    this._rate(row, dimension);
  }

  _count() {
    const dead = this.rates ? this.rates.filter((rate) => rate < ALIVE).length : 0;
    const [words, those] = dead === 1 ? ["One dimension carries", "it"] : [`${dead} dimensions carry`, "them"];
    const grey = dead ? `${words} less than ${ALIVE} nats (grey): changing ${those} changes little.` : "";
    this.note.textContent = [grey, this.rates && !this.factorises ? MARGINALS : ""].filter(Boolean).join(" ");
    this.note.hidden = !this.note.textContent;
  }

  _rate(row, dimension) {
    const rate = this.rates?.[dimension];
    const known = Number.isFinite(rate);
    row.rateText.textContent = known ? nats(rate) : "";
    row.item.classList.toggle("dead", rate !== undefined && known && rate < ALIVE);
    row.item.title = meaning(dimension, rate);
    row.control.setAttribute("aria-label", known ? `z${dimension}, ${nats(rate)} nats` : `z${dimension}`);
  }
}
