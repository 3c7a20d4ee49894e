// The codes of a run and the images behind them, fetched once per run, weights and tab.
//
//   const codes = await loadCodes(run, sha);          // sha of the run's present weights
//   codes.loc[i * codes.header.k + j];                // E_q[z_j] of image i; logVariance alike, or null
//   codes.rate[i]; codes.distortion[i];               // nats
//   codes.labels?.[i];                                // index into codes.header.classes
//   codes.rows?.[i];                                  // its row in codes.header.rows_of, the user's own file
//   codes.files?.[i];                                 // the name of its file
//   const all = await codes.images();                 // Uint8Array (n, height, width, channels)
//   codes.header.rate_per_dim[j];                     // nats; of the marginals where header.marginals says so
//   const one = await codes.image(i);                 // Uint8Array (height, width, channels)
//
// Where the codes cannot be had, the promise is rejected with a CodesError whose message is for the page.

import { whole } from "./format.js";
import { readFrame } from "./framing.js";
import { ask } from "./server.js";

const text = new TextDecoder();
const BLOCK = 1000; // images fetched at once when only some are wanted
const loads = new Map(); // run, sha and part -> promise; the newest few
const KEPT = 4;

export class CodesError extends Error {}

/** The bytes of an address below the app's base; a CodesError with the server's sentence where it has none. */
export async function fetchBytes(address) {
  let answer;
  try {
    answer = await ask(address);
  } catch {
    throw new CodesError("The server does not answer. It may have been stopped; this comes back with it.");
  }
  if (!answer.ok) {
    const sentence = await answer.text().catch(() => "");
    throw Object.assign(new CodesError(sentence.slice(0, 400) || `The server answered ${answer.status}.`), {
      status: answer.status,
    });
  }
  return new Uint8Array(await answer.arrayBuffer());
}

/** @import { CodeRows } from "./types.js" */

/**
 * What GET /runs/{name}/codes/{sha} sends, as views on its bytes. Throws RangeError if it holds less than it says.
 *
 * @returns {CodeRows}
 */
export function readCodes(bytes) {
  const { header, body } = readFrame(bytes, "codes");
  const { n, k } = header;
  let at = body.byteOffset;
  const take = (Kind, count) => {
    const from = at;
    at += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 4) * 4;
    if (at > body.byteOffset + body.length) throw new RangeError("the codes do not hold what their header says");
    return new Kind(body.buffer, from, count);
  };
  const fields = {
    header,
    loc: take(Float32Array, n * k),
    logVariance: header.log_variance ? take(Float32Array, n * k) : null,
    rate: take(Float32Array, n),
    distortion: take(Float32Array, n),
    labels: header.labels ? take(header.label_bytes === 2 ? Uint16Array : Uint8Array, n) : null,
    rows: typeof header.rows_of === "string" ? take(Uint32Array, n) : null,
  };
  const names = header.file_bytes ? text.decode(take(Uint8Array, header.file_bytes)).split("\n") : null;
  if (names && names.length !== n) throw new RangeError("the codes do not hold what their header says");
  return { ...fields, files: names };
}

/**
 * What image `index` is called: its file `cat/1.png` (row 3 of pets), `row 1,234 of faces.npz`, or `image 7` where
 * nobody knows.
 *
 * @param {Pick<CodeRows, "rows" | "header" | "files">} codes
 * @param {number} index
 */
export function imageName({ rows, files, header }, index) {
  const row = rows ? `row ${whole(rows[index])} of ${header.rows_of}` : "";
  if (files) return row ? `${files[index]} (${row})` : files[index];
  return row || `image ${whole(index)}`;
}

/** @implements {CodeRows} */
export class Codes {
  /** @param {(what: string) => string} place  @param {CodeRows} rows */
  constructor(place, rows) {
    this.header = rows.header;
    this.loc = rows.loc;
    this.logVariance = rows.logVariance;
    this.rate = rows.rate;
    this.distortion = rows.distortion;
    this.labels = rows.labels;
    this.rows = rows.rows;
    this.files = rows.files;
    this._place = place;
    const { n, height, width, channels } = this.header;
    this.size = height * width * channels;
    this._address = place("images");
    this._blocks = new Array(Math.ceil(n / BLOCK));
  }

  /** All images, (n, height, width, channels). */
  async images() {
    this._all ??= fetchBytes(this._address).catch((error) => {
      this._all = undefined;
      throw error;
    });
    return this._all;
  }

  /** Image `index`, (height, width, channels): a view, with its neighbours in the dataset fetched along. */
  async image(index) {
    if (this._all) return (await this._all).subarray(index * this.size, (index + 1) * this.size);
    const block = Math.floor(index / BLOCK);
    this._blocks[block] ??= fetchBytes(`${this._address}&first=${block * BLOCK}&count=${BLOCK}`).catch((error) => {
      this._blocks[block] = undefined;
      throw error;
    });
    const from = (index - block * BLOCK) * this.size;
    return (await this._blocks[block]).subarray(from, from + this.size);
  }

  /** The covariance of q(z|x) of image `index`, k·k numbers row by row; null where its dimensions are independent. */
  async covariance(index) {
    return JSON.parse(text.decode(await fetchBytes(`${this._place("posterior")}&index=${index}`))).covariance;
  }
}

async function load(run, sha, part) {
  const place = (what) => `runs/${encodeURIComponent(run)}/${what}/${sha}?part=${part}`;
  return new Codes(place, readCodes(await fetchBytes(place("codes"))));
}

/** The codes of `run` for the weights `sha`; part is "test" (held-out images) or "train". */
export function loadCodes(run, sha, part = "test") {
  const key = JSON.stringify([run, sha, part]);
  if (!loads.has(key)) {
    const promise = load(run, sha, part);
    promise.catch(() => loads.get(key) === promise && loads.delete(key));
    loads.set(key, promise);
    while (loads.size > KEPT) loads.delete(loads.keys().next().value);
  }
  return loads.get(key);
}
