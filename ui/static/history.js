// The history of one run as the page holds it: growing columns of numbers, knob changes, the newest record.

const SMOOTH = 0.12; // weight of the newest record in running means

/** A growing array of doubles; `values` may be longer than `length`. */
export class Column {
  constructor() {
    this.values = new Float64Array(256);
    this.length = 0;
  }

  push(value) {
    if (this.length === this.values.length) {
      const longer = new Float64Array(2 * this.length);
      longer.set(this.values);
      this.values = longer;
    }
    this.values[this.length++] = value;
  }

  last() {
    return this.length ? this.values[this.length - 1] : NaN;
  }
}

/** Columns step, distortion, rate and sum (−ELBO), in nats per image. */
class Series {
  constructor() {
    this.step = new Column();
    this.distortion = new Column();
    this.rate = new Column();
    this.sum = new Column();
  }

  push(step, measured) {
    this.step.push(step);
    this.distortion.push(number(measured.distortion));
    this.rate.push(number(measured.rate));
    this.sum.push(-number(measured.elbo));
  }

  get length() {
    return this.step.length;
  }
}

const number = (value) => (typeof value === "number" ? value : NaN);

export class History {
  constructor() {
    this.reset();
  }

  /** Forget everything: the run's history starts over. */
  reset() {
    this.train = new Series();
    this.test = new Series();
    this.C = new Column(); // one value per training record
    this.markers = []; // {step, knob, value, before}
    this.latest = null; // the newest record
    this.latestTest = null; // the newest held-out measurement
    this.squaredError = NaN; // running mean of the training squared error, pixel^2 per image
    this.ratePerDim = null; // running mean of the training rate of each dimension, nats
    this.version = (this.version ?? 0) + 1;
    this._knobs = {};
  }

  /** Take lines of history.jsonl in their order. */
  append(lines) {
    for (const line of lines) {
      if (typeof line.step !== "number") continue;
      if ("knob" in line) this._appendKnob(line);
      else if (line.train) this._appendRecord(line);
    }
    this.version += 1;
  }

  _appendKnob({ step, knob, value }) {
    if (knob === "step") return; // a forced record, no change
    const before = this._knobs[knob] ?? (knob === "C" ? this._lastC() : null);
    this._knobs[knob] = value;
    if (before !== value) this.markers.push({ step, knob, value, before });
  }

  _lastC() {
    return this.C.length ? this.C.last() : null;
  }

  _appendRecord(record) {
    const { train, test, step } = record;
    this.train.push(step, train);
    this.C.push(number(record.C));
    if (test) {
      this.test.push(step, test);
      this.latestTest = test;
    }
    this.latest = record;
    this.squaredError = running(this.squaredError, train.squared_error, this.train.length);
    const rates = train.rate_per_dim;
    if (Array.isArray(rates)) {
      const known = this.ratePerDim?.length === rates.length ? this.ratePerDim : null;
      this.ratePerDim = rates.map((rate, i) => running(known ? known[i] : NaN, rate, this.train.length));
    } else this.ratePerDim = null;
  }
}

/** Running mean: a plain mean over the first records, then exponential. */
function running(mean, value, count) {
  if (!Number.isFinite(value)) return mean;
  if (!Number.isFinite(mean)) return value;
  return mean + (value - mean) * Math.max(SMOOTH, 1 / count);
}
