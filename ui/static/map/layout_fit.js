// A layout that a process on the server computes: its status and newest places, asked for while it converges.

import { fetchBytes } from "../shared/codes.js";
import { readFrame } from "../shared/framing.js";

const EVERY = 220; // milliseconds between two looks at a fit under way
const SLOWEST = 3000;
export const WORKING = new Set(["starting", "fitting"]);

/** @import { FitStatus } from "./types.js" */

/**
 * What GET /runs/{name}/layout/{sha} sends. Throws RangeError if cut off.
 *
 * @returns {{ status: FitStatus & { places: boolean }, places: Float32Array | null }}
 */
export function readLayout(bytes) {
  const { header: status, body } = readFrame(bytes, "layout");
  if (body.length % 8) throw new RangeError("the layout does not hold what its header says");
  return { status, places: status.places ? new Float32Array(body.buffer, body.byteOffset, body.length / 4) : null };
}

/** Follows one fit. */
export class LayoutFit {
  /** @type {number} */ timer;

  /**
   * `received`: places null where they are the same as before.
   *
   * @param {{ run: string, sha: string, part: string, method: string }} asked
   * @param {{ received: (status: FitStatus, places: Float32Array | null) => void,
   *   failed: (sentence: string) => void }} on
   * @param {(address: string) => Promise<Uint8Array>} [fetch]
   */
  constructor({ run, sha, part, method }, on, fetch = fetchBytes) {
    this.address = `runs/${encodeURIComponent(run)}/layout/${sha}?part=${part}&method=${method}`;
    this.method = method;
    this.sha = sha;
    this.on = on;
    this.fetch = fetch;
    /** @type {string | undefined} the places that are known */
    this.seen = "";
    this.failures = 0;
    this.closed = false;
    this.busy = false;
    this.expected = 0;
    this._ask();
  }

  /** A start was asked for: look often, also while there is nothing yet. */
  expect() {
    this.expected = Date.now() + 15_000;
    this._again(EVERY);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }

  _again(wait) {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => this._ask(), wait);
  }

  async _ask() {
    if (this.busy) return;
    this.busy = true;
    /** @type {number | null} */
    let wait = null;
    try {
      const { status, places } = readLayout(await this.fetch(`${this.address}&seen=${this.seen}`));
      this.failures = 0;
      if (this.closed) return;
      this.seen = status.tag;
      this.on.received(status, places);
      if (status.state === "finished") this.expected = 0;
      if (WORKING.has(status.state) || Date.now() < this.expected) wait = globalThis.document?.hidden ? SLOWEST : EVERY;
    } catch (error) {
      if (this.closed) return;
      this.on.failed(error.message);
      if (error.status === undefined) wait = Math.min(SLOWEST, EVERY * 2 ** ++this.failures);
    } finally {
      this.busy = false;
    }
    if (wait !== null) this._again(wait);
  }
}
