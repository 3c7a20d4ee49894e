// The stops of a scrubber: weights in their order, each with its decoder and its codes, fetched as they are wanted.
//
//   const stops = new Stops(() => draw());
//   stops.set([{ run, sha, key, label }, …], shape);  // those that were there before keep what they have
//   stops.go(3);                                      // this one first, then its neighbours
//   const image = stops.mean(3, z);                   // ImageData where the page decodes, a promise where the server does
//
// Addresses carry the weights' SHA-256, so that the browser keeps what it got for ever.

import { imagesOf, numbers, readKernel } from "../decoder/client.js";
import { DecoderError, loadDecoder } from "../decoder/decoder.js";
import { Codes, readCodes } from "../shared/codes.js";
import { nats } from "../shared/format.js";

export const MOST_NUMBERS = 2 ** 26; // weights of all decoders in the page together, 256 MB
const RETRY = 3000; // milliseconds until what the server did not answer is asked for again
const CODES_COST = 3; // codes of a stop are wanted as much as the decoder of one three times as far away

/**
 * @typedef {object} Stop
 * @property {string} run
 * @property {string} sha  of its weights
 * @property {string} key  what the address calls it
 * @property {string} label
 * @property {string} [why]  "newest": weights that are replaced while the run trains
 *
 * @typedef {object} Entry  what is there of a stop
 * @property {Awaited<ReturnType<typeof loadDecoder>> | null} decoder
 * @property {"page" | "server" | null} place  where it decodes
 * @property {Codes | null} codes
 * @property {string} problem  why it has no decoder, a sentence
 * @property {string} codesProblem
 * @property {Record<string, { decoder: any, z: Float32Array, image: ImageData }>} pictures  the last one of each purpose
 */

export const idOf = ({ run, sha }) => `${run}/${sha}`;

const WORLD = {
  fetch: (address) => fetch(new URL(address, document.baseURI)),
  kernel: readKernel,
  later: (action, wait) => setTimeout(action, wait),
};

export class Stops {
  /** @param {() => void} onChange  called when a decoder or codes have come */
  constructor(onChange, world = WORLD) {
    this.onChange = onChange;
    this.world = world;
    /** @type {Stop[]} */
    this.list = [];
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    this.at = 0;
    this.busy = this.closed = false;
    /** @type {Map<string, {waiting: any, busy: boolean}>} */
    this.lanes = new Map();
  }

  /** Other stops, or more of them. `shape` is that of all their models. */
  set(list, shape) {
    this.list = list;
    this.shape = shape;
    const kept = new Map(list.map((stop) => [idOf(stop), this.entries.get(idOf(stop)) ?? blank()]));
    this.entries = kept;
    this.go(Math.min(this.at, list.length - 1));
  }

  go(at) {
    this.at = at;
    this._work();
  }

  /** @returns {Entry} */
  entry(i) {
    return this.entries.get(idOf(this.list[i])) ?? blank();
  }

  /** The mean of p(x|z) at stop `i`; null where there is no decoder yet. `purpose`: requests of one overtake each other. */
  mean(i, z, purpose = "mean") {
    const { decoder, place, pictures } = this.entry(i);
    if (decoder) {
      const known = pictures[purpose];
      if (known?.decoder === decoder && known.z.every((value, j) => value === z[j])) return known.image;
      const image = new ImageData(decoder.width, decoder.height);
      decoder.toPixels(decoder.mean(z), image.data);
      pictures[purpose] = { decoder, z: Float32Array.from(z), image };
      return image;
    }
    return place === "server" ? this._ask(purpose, `${this._address(this.list[i])}/decode?z=${numbers(z)}`) : null;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  _address({ run, sha }) {
    return `runs/${encodeURIComponent(run)}/at/${sha}`;
  }

  async _work() {
    if (this.busy) return;
    this.busy = true;
    try {
      for (let next = this._next(); next && !this.closed; next = this._next()) {
        await next();
        this.onChange();
      }
    } catch {
      this.timer = this.world.later(() => !this.closed && this._work(), RETRY); // the server did not answer
    } finally {
      this.busy = false;
    }
  }

  /** What is wanted most and not there. */
  _next() {
    let best = null;
    let least = Infinity;
    this.list.forEach((stop, i) => {
      const entry = this.entry(i);
      const far = Math.abs(i - this.at);
      if (!entry.place && !entry.problem && far < least && this._room(far)) {
        best = () => this._loadDecoder(stop, entry);
        least = far;
      }
      const cost = CODES_COST * far + 0.5;
      if (!entry.codes && !entry.codesProblem && !entry.problem && cost < least) {
        best = () => this._loadCodes(stop, entry);
        least = cost;
      }
    });
    return best;
  }

  get _numbers() {
    return [...this.entries.values()].reduce((sum, { decoder }) => sum + (decoder?.header.count ?? 0), 0);
  }

  /** Whether one more decoder, so far away, may come; where memory is full one that is farther goes for it. */
  _room(far) {
    const held = this.list.map((_, i) => i).filter((i) => this.entry(i).decoder);
    const largest = Math.max(0, ...held.map((i) => this.entry(i).decoder?.header.count ?? 0));
    if (this._numbers + largest <= MOST_NUMBERS) return true;
    return held.some((i) => Math.abs(i - this.at) > far);
  }

  _make() {
    while (this._numbers > MOST_NUMBERS) {
      const held = this.list.map((_, i) => i).filter((i) => this.entry(i).decoder && i !== this.at);
      if (!held.length) return;
      const farthest = held.reduce((a, b) => (Math.abs(b - this.at) > Math.abs(a - this.at) ? b : a));
      Object.assign(this.entry(farthest), { decoder: null, place: null });
    }
  }

  async _loadDecoder(stop, entry) {
    const answer = await this.world.fetch(`${this._address(stop)}/decoder`);
    if (answer.ok) {
      try {
        entry.decoder = await loadDecoder(await answer.arrayBuffer(), await this.world.kernel(), { batch: 1 });
        entry.place = "page";
        this._make();
      } catch (error) {
        if (!(error instanceof DecoderError)) throw error;
        entry.place = "server";
      }
    } else if (answer.status === 409) entry.place = "server";
    else if (answer.status >= 500) throw new TypeError(`HTTP ${answer.status}`);
    else entry.problem = await answer.text();
  }

  async _loadCodes(stop, entry) {
    const answer = await this.world.fetch(`${this._address(stop)}/codes`);
    if (answer.ok) {
      const rows = readCodes(new Uint8Array(await answer.arrayBuffer()));
      entry.codes = new Codes((what) => `${this._address(stop)}/${what}?part=test`, rows);
    } else if (answer.status >= 500) throw new TypeError(`HTTP ${answer.status}`);
    else entry.codesProblem = await answer.text();
  }

  /** One request of a purpose on its way, the newest waits, those between are dropped. */
  _ask(purpose, address) {
    const lane = this.lanes.get(purpose) ?? { waiting: null, busy: false };
    this.lanes.set(purpose, lane);
    lane.waiting?.resolve(null);
    return new Promise((resolve) => {
      lane.waiting = { address, resolve };
      if (!lane.busy) this._serve(lane);
    });
  }

  async _serve(lane) {
    lane.busy = true;
    while (lane.waiting) {
      const { address, resolve } = lane.waiting;
      lane.waiting = null;
      resolve(await this._image(address).catch(() => null));
    }
    lane.busy = false;
  }

  async _image(address) {
    const answer = await this.world.fetch(address);
    return answer.ok ? imagesOf(new Uint8Array(await answer.arrayBuffer()), this.shape)[0] : null;
  }
}

/** @returns {Entry} */
const blank = () => ({ decoder: null, place: null, codes: null, problem: "", codesProblem: "", pictures: {} });

/** Mean over images and its standard error. */
export function meanOf(values) {
  const n = values.length;
  let sum = 0;
  for (const value of values) sum += value;
  let squares = 0;
  for (const value of values) squares += (value - sum / n) ** 2;
  return { mean: sum / n, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : NaN };
}

/** The code to decode of image `index`: E_q[z], or the likelier value of each bit. */
export function codeOf({ loc, header }, index, support) {
  const row = loc.subarray(index * header.k, (index + 1) * header.k);
  return support === "binary" ? Float32Array.from(row, (p) => Number(p >= 0.5)) : Float32Array.from(row);
}

/** A mean with as many decimals as its error allows, two digits of it: "−358.6 ± 3.6", "27.10 ± 0.05". */
export function measured({ mean, error }) {
  if (!Number.isFinite(mean)) return "–";
  if (!(error > 0)) return nats(mean);
  const digits = Math.min(6, Math.max(0, -Math.floor(Math.log10(error)) + (Number(error.toPrecision(1)) < 1 ? 0 : 1)));
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const [value, spread] = [mean, error].map((number) => number.toLocaleString("en-US", options).replace("-", "−"));
  return `${value} ± ${spread}`;
}
