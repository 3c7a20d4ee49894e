// A layout that a process on the server computes: its status and newest places, asked for while it converges.

import { fetchBytes } from "../shared/codes.js";

const EVERY = 220; // milliseconds between two looks at a fit under way
const SLOWEST = 3000;
export const WORKING = new Set(["starting", "fitting"]);
const text = new TextDecoder();

/** What GET /runs/{name}/layout/{sha} sends: { status, places: Float32Array or null }. Throws RangeError if cut off. */
export function readLayout(bytes) {
  if (bytes.byteOffset % 8) bytes = bytes.slice();
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const status = JSON.parse(text.decode(bytes.subarray(4, 4 + length)));
  const at = 4 + length;
  if (at > bytes.length || (bytes.length - at) % 8)
    throw new RangeError("the layout does not hold what its header says");
  return {
    status,
    places: status.places ? new Float32Array(bytes.buffer, bytes.byteOffset + at, (bytes.length - at) / 4) : null,
  };
}

/** Follows one fit. `heard(status, places)`: places null where they are the same as before; `failed(sentence)`. */
export class Fit {
  constructor({ run, sha, part, method }, { heard, failed }, fetch = fetchBytes) {
    this.address = `runs/${encodeURIComponent(run)}/layout/${sha}?part=${part}&method=${method}`;
    Object.assign(this, { method, sha, heard, failed, fetch, seen: "", failures: 0, closed: false, expected: 0 });
    this._look();
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
    if (!this.closed) this.timer = setTimeout(() => this._look(), wait);
  }

  async _look() {
    if (this.busy) return;
    this.busy = true;
    let wait = null;
    try {
      const { status, places } = readLayout(await this.fetch(`${this.address}&seen=${this.seen}`));
      this.failures = 0;
      if (this.closed) return;
      this.seen = status.tag;
      this.heard(status, places);
      if (status.state === "finished") this.expected = 0;
      if (WORKING.has(status.state) || Date.now() < this.expected) wait = globalThis.document?.hidden ? SLOWEST : EVERY;
    } catch (error) {
      if (this.closed) return;
      this.failed(error.message);
      if (error.status === undefined) wait = Math.min(SLOWEST, EVERY * 2 ** ++this.failures);
    } finally {
      this.busy = false;
    }
    if (wait !== null) this._again(wait);
  }
}
