// What a mode shows, in a few small values that the page can put into its address: told to Python when they come to
// rest, taken from `data.start` when the address changes by other means.

const PAUSE = 250; // milliseconds after the last change until it is told

/** Readers of single values: what comes from an address is text, or wrong; undefined means the default. */
export const oneOf = (...allowed) => (value) => allowed.find((one) => String(one) === String(value));
export const wholeIn = (low, high) => (value) => {
  const number = Number(value);
  return value !== "" && value !== null && Number.isInteger(number) && number >= low && number <= high ? number : undefined;
};
export const numberIn = (low, high) => (value) => {
  const number = Number(value);
  return value !== "" && value !== null && Number.isFinite(number) ? Math.min(high, Math.max(low, number)) : undefined;
};
export const text = (pattern) => (value) => (typeof value === "string" && pattern.test(value) ? value : undefined);

/** A code with as many digits as a slider has. */
export const shortCode = (z) => Array.from(z, (value) => Number(value.toFixed(4)) + 0);

export class View {
  /** fields: {name: {read, fallback}}; send(values) tells the page. */
  constructor(fields, send) {
    this.fields = fields;
    this.send = send;
    this.values = this.read(null);
    this.start = undefined;
    this.sent = []; // told, not yet come back
  }

  /** All values from what may hold some, wrong ones, or none. */
  read(given) {
    return Object.fromEntries(Object.entries(this.fields).map(([name, { read, fallback }]) => {
      const value = given && Object.hasOwn(given, name) ? read(given[name]) : undefined;
      return [name, value ?? fallback];
    }));
  }

  /** Take the page's word. True if the values are others now; what this view itself has told is no news. */
  adopt(start) {
    const given = JSON.stringify(start ?? null);
    if (given === this.start) return false;
    this.start = given;
    const values = this.read(start);
    const said = JSON.stringify(values);
    const echo = this.sent.indexOf(said);
    if (echo >= 0) {
      this.sent.splice(0, echo + 1);
      return false;
    }
    this.sent = []; // the address has gone its own way
    if (said === JSON.stringify(this.values)) return false;
    this.values = values;
    return true;
  }

  /** Change values and tell the page soon; with `extra` (a chosen z, say) at once. */
  change(values, extra = null) {
    this.values = { ...this.values, ...values };
    clearTimeout(this.timer);
    if (extra) this._tell(extra);
    else this.timer = setTimeout(() => this._tell({}), PAUSE);
  }

  _tell(extra) {
    this.sent = [...this.sent, JSON.stringify(this.values)].slice(-8);
    this.send({ ...this.values, ...extra });
  }

  stop() {
    clearTimeout(this.timer);
  }
}
