// The codes of the newest weights. While a run trains they are asked for now and then only: each time costs the server
// a pass over all images.

import { loadCodes } from "../shared/codes.js";

const EVERY = 15_000; // milliseconds between two requests for the codes of a model that trains

/** @import { Codes } from "../shared/codes.js" */

export class NewestCodes {
  /** @type {number | undefined} */ timer;
  loadedAt = -Infinity; // milliseconds
  call = 0;

  /** @param {{ loaded: (codes: Codes, sha: string) => void, failed: (sentence: string) => void }} on */
  constructor(on) {
    this.on = on;
  }

  /** Another run: nothing of what is under way arrives any more. */
  close() {
    clearTimeout(this.timer);
    this.loadedAt = -Infinity;
    this.call += 1;
  }

  /** There are newer weights: ask for their codes when it is time. `what()`: run, weights and part by then. */
  soon(what) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(what()), Math.max(0, this.loadedAt + EVERY - Date.now()));
  }

  /** @param {{ run: string, sha: string, part: string }} what */
  async load({ run, sha, part }) {
    const call = ++this.call;
    try {
      const codes = await loadCodes(run, sha, part);
      if (call !== this.call) return;
      this.loadedAt = Date.now();
      this.on.loaded(codes, sha);
    } catch (error) {
      if (call === this.call) this.on.failed(error.message);
    }
  }
}
