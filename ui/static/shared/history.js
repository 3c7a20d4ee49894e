// The history of one run as the page holds it: growing columns of numbers, knob changes, the newest record.

const ENOUGH = 2000; // images over which the squared error is a mean

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

/** Columns step, distortion, rate, sum (−ELBO) and loss (what is minimised) in nats per image; error, ‖x − f(z)‖², in pixel². */
class Series {
  constructor() {
    this.step = new Column();
    this.distortion = new Column();
    this.rate = new Column();
    this.sum = new Column();
    this.loss = new Column();
    this.error = new Column();
  }

  push(step, measured) {
    this.step.push(step);
    this.distortion.push(number(measured.distortion));
    this.rate.push(number(measured.rate));
    this.sum.push(-number(measured.elbo));
    this.loss.push(number(measured.loss));
    this.error.push(number(measured.squared_error));
  }

  get length() {
    return this.step.length;
  }
}

const number = (value) => (typeof value === "number" ? value : NaN);

/** @typedef {{ step: number, knob: string, value: number | string, before: number | string | null }} Marker */

export class History {
  train = new Series();
  test = new Series();
  C = new Column(); // one value per training record
  /** @type {Marker[]} knob changes */ markers = [];
  /** @type {number[]} how many held-out images the measurements are means over, ascending */ testImages = [];
  /** @type {number[] | null} training rate of each dimension in the newest record, nats */ ratePerDim = null;
  version = 0;
  highestRate = 0; // of any one dimension in any record, nats
  /** @type {Record<string, number | string>} */ _knobs = {};
  /** @type {[images: number, squaredError: number][]} of the last records */ _recent = [];

  constructor() {
    this.reset();
  }

  /** Forget everything: the run's history starts over. */
  reset() {
    this.train = new Series();
    this.test = new Series();
    this.C = new Column();
    this.markers = [];
    this.latest = null; // the newest record
    this.latestTest = null; // the newest held-out measurement
    this.testCurrent = false; // whether C is still what it was measured with
    this.testImages = [];
    this.squaredError = NaN; // training squared error, pixel^2 per image, over the last ENOUGH images
    this.ratePerDim = null;
    this.highestRate = 0;
    this.version += 1;
    this._knobs = {};
    this._recent = [];
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
    if (before === value) return;
    this.markers.push({ step, knob, value, before });
    if (knob === "C") this.testCurrent = false;
  }

  /** The step of the last change of C; null where it never changed. */
  get lastTurn() {
    return this.markers.findLast(({ knob }) => knob === "C")?.step ?? null;
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
      this.testCurrent = true;
      if (test.images && !this.testImages.includes(test.images)) {
        this.testImages = [...this.testImages, test.images].sort((a, b) => a - b);
      }
    }
    this.latest = record;
    this.marginal = !Array.isArray(train.rate_per_dim) && Array.isArray(train.marginal_rate_per_dim);
    this.ratePerDim = this.marginal ? train.marginal_rate_per_dim : (train.rate_per_dim ?? null);
    if (this.ratePerDim) this.highestRate = Math.max(this.highestRate, ...this.ratePerDim);
    if (Number.isFinite(train.squared_error)) this._appendError(train.images ?? ENOUGH, train.squared_error);
  }

  /** The mean over as few of the last records as hold ENOUGH images. */
  _appendError(images, error) {
    const recent = this._recent;
    recent.push([images, error]);
    let total = recent.reduce((sum, [n]) => sum + n, 0);
    while (recent.length > 1 && total - recent[0][0] >= ENOUGH) {
      total -= recent[0][0];
      recent.shift();
    }
    this.squaredError = recent.reduce((sum, [n, value]) => sum + n * value, 0) / total;
  }
}
