// What a mode shows, in a few small values that the page can put into its address: told to Python when they come to
// rest, taken from `data.start` when the address changes by other means.

import { intoAddress } from "../shared/address.js";

const PAUSE = 250; // milliseconds after the last change until it is sent

/** A reader of single values: what comes from an address is text, or wrong; undefined means that it cannot be meant.
 *  `expected` says what can. */
const reader = (read, expected) => Object.assign(read, { expected });

const listed = (words) => [words.slice(0, -1).join(", "), ...words.slice(-1)].filter(Boolean).join(" or ");
const grouped = (number) => number.toLocaleString("en-US").replace("-", "−");

export const oneOf = (...allowed) =>
  reader((value) => allowed.find((one) => String(one) === String(value)), listed(allowed));
export const wholeIn = (low, high, expected = `a whole number from ${grouped(low)} to ${grouped(high)}`) =>
  reader((value) => {
    const number = Number(value);
    return value !== "" && value !== null && Number.isInteger(number) && number >= low && number <= high
      ? number
      : undefined;
  }, expected);
export const numberIn = (low, high) =>
  reader(
    (value) => {
      const number = Number(value);
      return value !== "" && value !== null && Number.isFinite(number) && number >= low && number <= high
        ? number
        : undefined;
    },
    `a number from ${grouped(low)} to ${grouped(high)}`,
  );
export const text = (pattern, expected) =>
  reader((value) => (typeof value === "string" && pattern.test(value) ? value : undefined), expected);

/** z in the address, checked by the page's script, which knows how many dimensions there are. */
export const codeField = { read: text(/^[-\d._,]*$/, "numbers"), fallback: "" };

/** Write what has come to rest into the address, and tell Python; `mode` has a component. */
export const sender =
  (mode) =>
  (values, extra = {}) => {
    const { component } = mode;
    intoAddress(values);
    const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
    component.setStateValue("view", { ...given, ...extra, run: component.data.run, moment: Date.now() });
  };

export class View {
  /**
   * fields: {name: {read, fallback, usual}}, where `usual` says what is shown for the fallback if its value does not;
   * send(values, extra) tells the page, null for what need not stand in the address.
   */
  constructor(fields, send) {
    this.fields = fields;
    this.send = send;
    this.values = this.read(null);
    this.start = undefined;
    this.sent = []; // not yet come back
    this.refused = new Map(); // name -> what the address held, what was expected, what is shown
  }

  /** All values from what may hold some, wrong ones, or none. */
  read(given) {
    return Object.fromEntries(
      Object.entries(this.fields).map(([name, { read, fallback }]) => [
        name,
        this._asked(given, name, read) ?? fallback,
      ]),
    );
  }

  _asked(given, name, read) {
    return given && Object.hasOwn(given, name) ? read(given[name]) : undefined;
  }

  /** Take the page's word. True if the values are others now; what this view itself has sent is no news. */
  adopt(start) {
    const given = JSON.stringify(start ?? null);
    if (given === this.start) return false;
    this.start = given;
    const values = this.read(start);
    const written = JSON.stringify(values);
    const echo = this.sent.indexOf(written);
    if (echo >= 0) {
      this.sent.splice(0, echo + 1);
      return false;
    }
    this.sent = []; // the address has gone its own way
    this.refused.clear();
    for (const [name, { read, fallback, usual }] of Object.entries(this.fields)) {
      if (Object.hasOwn(start ?? {}, name) && read(start[name]) === undefined)
        this.refuse(name, start[name], read.expected, usual ?? fallback);
    }
    if (written === JSON.stringify(this.values)) return false;
    this.values = values;
    return true;
  }

  /** The address held what cannot be meant: say so once, and take it out. */
  refuse(name, given, expected, shown) {
    this.refused.set(name, { given: String(given), expected, shown });
    this._sendSoon();
  }

  /** What was not usable in the address, what was expected, what is shown: a sentence, or "". */
  get refusal() {
    const parts = [...this.refused].map(([name, { given, expected, shown }]) => {
      const short = given.length > 24 ? `${given.slice(0, 24)}…` : given;
      return `${name} “${short}” (expected ${expected}; shown instead: ${shown})`;
    });
    return parts.length ? `The address held what could not be used: ${parts.join(" and ")}.` : "";
  }

  /**
   * Change values and tell the page soon; with `extra` (a z to open elsewhere) at once.
   *
   * @param {Record<string, unknown>} values
   * @param {Record<string, unknown> | null} [extra]
   */
  change(values, extra = null) {
    this.values = { ...this.values, ...values };
    this.refused.clear();
    if (!extra) return this._sendSoon();
    clearTimeout(this.timer);
    return this._sendNow(extra);
  }

  _sendSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._sendNow({}), PAUSE);
  }

  _sendNow(extra) {
    this.sent = [...this.sent, JSON.stringify(this.values)].slice(-8);
    const values = Object.entries(this.values).map(([name, value]) => [
      name,
      value === this.fields[name].fallback ? null : value,
    ]);
    this.send(Object.fromEntries(values), extra);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
