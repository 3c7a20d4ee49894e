// The decoder of a run, one per run and tab, shared by all components that show the run:
//
//   const decoder = openDecoder("run", { onModel: () => draw() });
//   const image = await decoder.mean(z);  // ImageData, or null: there is none yet, or a newer request overtook this one
//   decoder.close();
//
// Where the page can run the decoder itself, mean(z) answers at once (no promise), also with the network off. Where it
// cannot, the server decodes: one request at a time, the newest wins. While the run trains each newly published
// snapshot replaces the decoder, and no image of an older one is handed out after that; onModel is called each time.

import { DecoderError, loadDecoder } from "./decoder.js";
import { ask, askForFile, base } from "../shared/server.js";
import { follow } from "../shared/store.js";

const KEPT = 15_000; // milliseconds for which a decoder stays in memory after its last component left
const FIRST_WAIT = 700; // milliseconds before a decoder that could not be fetched is asked for again
const LONGEST_WAIT = 10_000;
const OVERTAKEN = 4; // times that a decoder may be replaced while it is fetched

/** @import { Timer } from "../shared/types.js" */

/** The server's sentence on why there is no decoder. */
class Refusal extends Error {}

/** @type {Promise<ArrayBuffer> | null} */
let kernel = null;

/** The bytes of kernel.wasm, fetched once. */
export async function readKernel() {
  kernel ??= askForFile("decoder/kernel.wasm").then((answer) => {
    if (!answer.ok) throw new TypeError("kernel.wasm could not be fetched");
    return answer.arrayBuffer();
  });
  return kernel.catch((error) => {
    kernel = null;
    throw error;
  });
}

/** Bytes of n images (h, w, c) as ImageData, one each. */
export function imagesOf(bytes, { height, width, channels }) {
  const size = height * width * channels;
  const [green, blue] = channels === 3 ? [1, 2] : [0, 0];
  return Array.from({ length: bytes.length / size }, (_, i) => {
    const image = new ImageData(width, height);
    for (let from = i * size, to = 0; to < image.data.length; from += channels, to += 4) {
      image.data[to] = bytes[from];
      image.data[to + 1] = bytes[from + green];
      image.data[to + 2] = bytes[from + blue];
      image.data[to + 3] = 255;
    }
    return image;
  });
}

/** The newest decoder of one run, and how it is kept the newest. `world` is replaced in tests. */
export class SharedDecoder {
  constructor(run, world = { fetch: ask, follow, kernel: readKernel, base }) {
    this.run = run;
    this.world = world;
    this.handles = new Set();
    this.model = null; // {decoder or null, sha, step, k, height, width, channels, reason}; replaced as a whole
    this.current = false; // whether the server has named this model the newest since a component came
    this.problem = "";
    this.failures = 0;
    /** @type {Timer | undefined} */
    this.idle = undefined;
    /** @type {Timer | undefined} */
    this.retry = undefined;
    /** @type {ReturnType<typeof follow> | null} the run's news, while a component is there */
    this.source = null;
  }

  join(handle) {
    this.handles.add(handle);
    clearTimeout(this.idle);
    if (this.source) {
      if (this.current || this.problem) queueMicrotask(() => this.handles.has(handle) && handle.notify());
      return;
    }
    this.source = this.world.follow(this.run, () => this._received());
    this.refresh();
  }

  leave(handle) {
    this.handles.delete(handle);
    if (this.handles.size) return;
    this.source?.close();
    this.source = null;
    this.current = false;
    clearTimeout(this.retry);
    clearTimeout(this.idle);
    this.idle = setTimeout(() => {
      this.model = null;
      shared.delete(this.run);
    }, KEPT);
    this.idle.unref?.(); // node
  }

  address(path) {
    return new URL(`runs/${encodeURIComponent(this.run)}/${path}`, this.world.base).href;
  }

  /** News of the run over the live connection: are there newer weights? */
  _received() {
    if (!this.source) return;
    const { weights, error } = this.source.store;
    if (error && !this.model) this._fail(error);
    if (weights && weights !== this.model?.sha && weights !== this.refused) this.refresh();
  }

  /** Ask for the newest decoder and fetch it if it is another one; calls meanwhile lead to one more look. */
  async refresh() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    clearTimeout(this.retry);
    try {
      while (this.again && this.source) {
        this.again = false;
        await this._load();
      }
      this.failures = 0;
      if (this.problem && this.current) this._install(this.model);
    } catch (error) {
      if (!(error instanceof Refusal)) this._later();
      this._fail(error instanceof Refusal ? error.message : "The server cannot be reached; trying again.");
    } finally {
      this.busy = false;
    }
  }

  _later() {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures++);
    this.retry = setTimeout(() => this.source && this.refresh(), wait);
    this.retry.unref?.();
  }

  async _load() {
    for (let attempt = 0; attempt < OVERTAKEN; attempt++) {
      const newest = await (await this._get("decoder")).json();
      if (newest.sha === this.model?.sha) {
        if (!this.current) this._install(this.model);
        return;
      }
      const answer = await this.world.fetch(this.address(`decoder/${newest.sha}`));
      if (answer.status === 409) return void this._install({ ...newest, decoder: null, reason: await answer.text() });
      if (answer.ok) return void this._install(await this._open(newest, await answer.arrayBuffer()));
      if (answer.status !== 404) throw new TypeError(`HTTP ${answer.status}`);
      const sentence = await answer.text();
      const next = await (await this._get("decoder")).json();
      this.refused = newest.sha;
      if (next.sha === newest.sha) throw new Refusal(sentence);
    }
  }

  async _get(path) {
    const answer = await this.world.fetch(this.address(path));
    if (answer.status === 404) throw new Refusal(await answer.text());
    if (!answer.ok) throw new TypeError(`HTTP ${answer.status}`);
    return answer;
  }

  async _open(newest, bytes) {
    try {
      const decoder = await loadDecoder(bytes, await this.world.kernel());
      return { ...newest, decoder, reason: "" };
    } catch (error) {
      if (!(error instanceof DecoderError)) throw error;
      return { ...newest, decoder: null, reason: error.message };
    }
  }

  _install(model) {
    if (!this.source) return;
    this.model = model;
    this.current = true;
    this.problem = "";
    this._notify();
  }

  _fail(sentence) {
    if (this.problem === sentence) return;
    this.problem = sentence;
    this._notify();
  }

  _notify() {
    for (const handle of [...this.handles]) handle.notify();
  }
}

/** Requests of one kind to the server: one on its way, the newest waits, those between are dropped. */
class Lane {
  constructor(shared) {
    this.shared = shared;
    this.waiting = null;
    this.busy = false;
  }

  /** The images (an array of ImageData) for `query`; null if overtaken, or if they are not of the newest model. */
  ask(query) {
    this.waiting?.resolve(null);
    return new Promise((resolve) => {
      this.waiting = { query, resolve };
      if (!this.busy) this._next();
    });
  }

  async _next() {
    this.busy = true;
    while (this.waiting) {
      const { query, resolve } = this.waiting;
      this.waiting = null;
      resolve(await this._fetch(query).catch(() => null));
    }
    this.busy = false;
  }

  async _fetch(query) {
    const { shared } = this;
    const answer = await shared.world.fetch(shared.address(`decode?${query}`));
    if (!answer.ok) return null;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (answer.headers.get("X-Weights") !== shared.model?.sha) {
      shared.refresh();
      return null;
    }
    return imagesOf(bytes, shared.model);
  }
}

/** What one component holds. It is the component's own: its requests overtake each other, not those of others. */
export class Handle {
  constructor(shared, onModel) {
    this.shared = shared;
    this.onModel = onModel;
    this.lanes = {};
    this.canvases = {};
    shared.join(this);
  }

  get _model() {
    return this.shared.current ? this.shared.model : null;
  }

  /** The decoder in this page (`ui/static/decoder/decoder.js`), or null. */
  get decoder() {
    return this._model?.decoder ?? null;
  }

  get sha() {
    return this._model?.sha ?? null;
  }

  /** The step of training that the model is from, or null. */
  get step() {
    return this._model?.step ?? null;
  }

  /** Null before there is a model.  @returns {import("../shared/types.js").ModelShape | null} */
  get shape() {
    if (!this._model) return null;
    const { k, height, width, channels } = this._model;
    return { k, height, width, channels };
  }

  /** "page", "server", or null before there is a model. */
  get place() {
    if (!this._model) return null;
    return this._model.decoder ? "page" : "server";
  }

  /** Where images are decoded, as a word for the page. */
  get word() {
    return { page: "decoded in this page", server: "decoded by the server" }[this.place] ?? "";
  }

  /** Why the server decodes, a sentence; "" where the page does. */
  get reason() {
    return this._model?.reason ?? "";
  }

  /** Why there is no model, or no newer one, a sentence; "" if all is well. */
  get problem() {
    return this.shared.problem;
  }

  /** The mean of p(x|z). The same ImageData each time where the page decodes: draw it before the next call. */
  mean(z) {
    return this._one("mean", z, (decoder) => decoder.mean(z), "");
  }

  /** A draw from p(x|z); one seed, one draw. */
  sample(z, seed) {
    return this._one("sample", z, (decoder) => decoder.sample(z, seed), `&seed=${seed}`);
  }

  /** The means of n codes (n·k numbers): an array of ImageData; answers as mean does. With `seed`: draws. */
  sheet(zs, seed = null) {
    const { decoder } = this;
    if (!this._model) return null;
    if (!decoder) return this._lane("sheet").ask(`z=${numbers(zs)}${seed === null ? "" : `&seed=${seed}`}`);
    const images = seed === null ? decoder.means(zs) : decoder.samples(zs, seed);
    return Array.from({ length: zs.length / decoder.k }, (_, i) => {
      const image = new ImageData(decoder.width, decoder.height);
      decoder.toPixels(images.subarray(i * decoder.size, (i + 1) * decoder.size), image.data);
      return image;
    });
  }

  /** What the live connection knows of the run (store.js), or null. */
  get store() {
    return this.shared.source?.store ?? null;
  }

  close() {
    this.shared.leave(this);
    for (const lane of Object.values(this.lanes)) lane.waiting?.resolve(null);
  }

  notify() {
    this.onModel?.(this);
  }

  _one(kind, z, decode, more) {
    const { decoder } = this;
    if (!this._model) return null;
    if (!decoder)
      return this._lane(kind)
        .ask(`z=${numbers(z)}${more}`)
        .then((images) => images && images[0]);
    let image = this.canvases[kind];
    if (image?.width !== decoder.width || image.height !== decoder.height) {
      image = this.canvases[kind] = new ImageData(decoder.width, decoder.height);
    }
    decoder.toPixels(decode(decoder), image.data);
    return image;
  }

  _lane(kind) {
    this.lanes[kind] ??= new Lane(this.shared);
    return this.lanes[kind];
  }
}

/** Codes as the server reads them. */
export const numbers = (zs) => Array.from(zs, (value) => Number(value.toPrecision(7))).join(",");

const shared = new Map(); // run -> SharedDecoder

/**
 * The decoder of a run; `onModel(handle)` is called when there is one, when there is a newer one, and on a problem.
 *
 * @param {string} run
 * @param {{ onModel?: (handle: Handle) => void }} [on]
 */
export function openDecoder(run, { onModel } = {}) {
  if (!shared.has(run)) shared.set(run, new SharedDecoder(run));
  return new Handle(shared.get(run), onModel);
}
