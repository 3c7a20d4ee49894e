// What a mode of the Explore page draws with: the run's decoder, and its held-out images with their codes.

import { imageName, loadCodes } from "../shared/codes.js";
import { openDecoder } from "../decoder/client.js";
import { contextOf } from "../shared/mount.js";
import { weightsWord } from "../latent/words.js";
import { rgba } from "../train/preview_data.js";

const RETRY = 3000; // milliseconds until codes that could not be fetched are asked for again
const FRAME = 14; // milliseconds of decoding after which the page gets a turn
const TOGETHER = 16; // pictures decoded at once

/** @import { Codes } from "../shared/codes.js" */
/** @import { Handle } from "../decoder/client.js" */

export class SheetModel {
  /** @type {Handle | null} */
  handle = null;
  /** @type {Codes | null} of the newest weights for which they have come */
  codes = null;

  /** `onChange()` is called when the decoder or the codes change, and on a problem. */
  constructor(onChange) {
    this.onChange = onChange;
    this.run = null;
    this.codesProblem = "";
    this.wantsCodes = false;
  }

  /** Follow `run`; with `codes` also fetch its held-out codes. */
  open(run, { codes = false } = {}) {
    if (run === this.run) return;
    this.close();
    this.run = run;
    this.wantsCodes = codes;
    this.handle = openDecoder(run, { onModel: () => this._changed() });
    this._changed();
  }

  close() {
    clearTimeout(this.retry);
    this.handle?.close();
    this.handle = this.codes = this.run = null;
    this.codesProblem = "";
    this.asked = null;
  }

  /** {k, height, width, channels}, or null before there is a model. */
  get shape() {
    return this.handle?.shape ?? null;
  }

  /** Dimensions of z; 0 before there is a model. */
  get k() {
    return this.shape?.k ?? 0;
  }

  /** Nats per dimension, as Python gave them or else as the codes say; null where nobody knows them. */
  rates(given) {
    const rates = given ?? this.codes?.header.rate_per_dim;
    return rates?.length === this.k ? rates : null;
  }

  get sha() {
    return this.handle?.sha ?? null;
  }

  /** Whether the codes were asked for and are neither here nor refused. */
  get waiting() {
    return this.wantsCodes && !this.codes && !this.codesProblem;
  }

  /** What to say beneath the pictures: what is missing, or where they come from. */
  get words() {
    if (!this.handle) return "";
    const { problem, reason, word, step } = this.handle;
    if (problem || this.codesProblem) return problem || this.codesProblem;
    if (!this.shape) return "Fetching the decoder …";
    if (this.waiting) return "Computing the codes of the held-out images …";
    return [[word, weightsWord(step)].filter(Boolean).join(" · "), reason].filter(Boolean).join(". ");
  }

  _changed() {
    const { sha } = this;
    if (this.wantsCodes && sha && sha !== this.asked) this._fetchCodes(sha);
    this.onChange();
  }

  async _fetchCodes(sha) {
    const { run } = this;
    this.asked = sha;
    try {
      const codes = await loadCodes(run, sha);
      if (run !== this.run || sha !== this.asked) return;
      this.codes = codes;
      this.codesProblem = "";
    } catch (error) {
      if (run !== this.run || sha !== this.asked) return;
      this.codesProblem = this.codes ? "" : error.message; // the run may have moved on: its next model asks again
      this.asked = null;
      if (error.status === undefined) this.retry = setTimeout(() => this._changed(), RETRY); // the server did not answer
    }
    this.onChange();
  }

  /** The codes, where they are known to have come. */
  get _come() {
    return /** @type {Codes} */ (this.codes);
  }

  /** The code of held-out image `index` as an ordinary array. */
  code(index) {
    const { loc, header } = this._come;
    return Array.from(loc.subarray(index * header.k, (index + 1) * header.k));
  }

  /** Decode z onto a canvas; at once where the page decodes. An overtaken picture is not shown. */
  async show(z, canvas) {
    const answer = this.handle?.mean(Float32Array.from(z));
    const image = answer instanceof Promise ? await answer : answer;
    if (image) put(canvas, image);
  }

  /** "held-out row 3 of digits, label 7" */
  nameOf(index) {
    const codes = this._come;
    const { labels, header } = codes;
    if (!labels) return `held-out ${imageName(codes, index)}`;
    return `held-out ${imageName(codes, index)}, label ${header.classes?.[labels[index]] ?? labels[index]}`;
  }

  /** Held-out image `index` as ImageData. */
  async image(index) {
    const codes = this._come;
    const { header } = codes;
    return new ImageData(rgba(await codes.image(index), 0, header), header.width, header.height);
  }
}

/** Decodes many codes onto canvases, a few at a time so that the page stays quick; the newest call wins. */
export class Painter {
  constructor(model) {
    this.model = model;
    this.call = 0;
    this.sha = null;
  }

  /** `codes` (n, k) onto n canvases; with `seed` draws from p(x|z), else its means. True once all are painted. */
  async paint(codes, canvases, seed = null) {
    const call = ++this.call;
    const { handle, sha } = this.model;
    if (!sha) return false;
    const { k } = handle.shape;
    if (sha !== this.sha) canvases.forEach(clear); // no picture stays of a model that is not the newest
    this.sha = sha;
    const together = seed !== null && handle.place === "page" ? 1 : TOGETHER; // there each picture has its own seed
    let began = performance.now();
    for (let first = 0; first < canvases.length; first += together) {
      const part = codes.subarray(first * k, (first + together) * k);
      const images = await handle.sheet(part, seed === null ? null : seed * 1000 + first);
      if (call !== this.call || this.model.sha !== sha || !images) return false;
      images.forEach((image, i) => put(canvases[first + i], image));
      if (performance.now() - began < FRAME) continue;
      await new Promise(requestAnimationFrame);
      if (call !== this.call) return false;
      began = performance.now();
    }
    return true;
  }

  stop() {
    this.call++;
  }
}

/** Show an ImageData on a canvas, one pixel each. */
export function put(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    Object.assign(canvas, { width: image.width, height: image.height });
  }
  contextOf(canvas).putImageData(image, 0, 0);
}

const clear = (canvas) => contextOf(canvas).clearRect(0, 0, canvas.width, canvas.height);
