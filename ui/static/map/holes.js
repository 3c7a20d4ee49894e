// What the finding "holes" keeps, as paint: the classifier's score log q(z)/p(z) of each image's code, and draws from the
// prior, which are rings in the same colours. Below 0 the prior sends draws where fewer codes lie.

import { fetchBytes } from "../shared/codes.js";
import { readFrame } from "../shared/framing.js";
import { STEPS, mixed, packed } from "./colours.js";

export const MOST = 1500; // rings on a map
const LEAST = 0.5; // nats that the colours reach at least
/** More prior than codes, as much of both, more codes than prior; the ends as in shared/palette.css. */
export const INKS = { light: ["#1f7f37", "#cdc7ba", "#aa3377"], dark: ["#5bbd72", "#4b505b", "#dd7fb4"] };

/** @import { Colouring, Holes, Layout, Near, Tone } from "./types.js" */

const address = (run, sha) => `runs/${encodeURIComponent(run)}/holes/${sha}`;

/**
 * What GET /runs/{name}/holes/{sha} sends. Throws RangeError if it holds less than it says.
 *
 * @returns {Holes}
 */
export function readHoles(bytes) {
  const { header, body } = readFrame(bytes, "holes");
  const { n, m, k } = header;
  if (body.length !== 4 * (n + m * k + m)) throw new RangeError("the holes do not hold what their header says");
  const take = (from, count) => new Float32Array(body.buffer, body.byteOffset + 4 * from, count);
  return { k, m, score: take(0, n), prior: take(n, m * k), priorScore: take(n + m * k, m) };
}

/** The holes of a run with these weights; null where nobody has looked for them, or what they keep is damaged. */
export async function fetchHoles(run, sha, fetch = fetchBytes) {
  try {
    return readHoles(await fetch(address(run, sha)));
  } catch {
    return null;
  }
}

/** Nats at which the colours end, either side of 0: 98 of 100 scores lie within. */
export function reachOf({ score, priorScore }) {
  const sizes = [...score, ...priorScore].map(Math.abs).sort((a, b) => a - b);
  return Math.max(LEAST, sizes[Math.floor(0.98 * (sizes.length - 1))] ?? 0);
}

/** The place of a score on the ramp from −reach to reach, 0 to STEPS − 1. */
const step = (score, reach) =>
  Math.round(((Math.min(reach, Math.max(-reach, score)) / reach + 1) / 2) * (STEPS - 1)) || 0;

/** @param {Tone} tone */
export function holePalette(tone) {
  const [prior, both, codes] = INKS[tone];
  return Array.from({ length: STEPS }, (_, i) => {
    const at = (2 * i) / (STEPS - 1) - 1;
    return mixed(both, at < 0 ? prior : codes, Math.abs(at));
  });
}

/**
 * Colours of n images by their score; those beyond the ones that were looked at count as 0.
 *
 * @param {Holes} holes  @param {number} n  @param {Tone} tone
 * @returns {Colouring}
 */
export function holeColouring(holes, n, tone) {
  const reach = reachOf(holes);
  return {
    kinds: Uint8Array.from({ length: n }, (_, i) => step(holes.score[i] ?? 0, reach)),
    palette: holePalette(tone),
    classes: null,
    range: { low: -reach, high: reach },
    title: "log q(z)/p(z) by the classifier",
    unit: "nats",
    ends: ["more prior than codes", "more codes than prior"],
  };
}

/** The layer of rings on one map. */
export class Draws {
  shown = false;
  /** @type {Holes | null} */ holes = null;
  /** @type {Float32Array} where they lie, x, y, x, y, ...; empty where nobody knows */ xy = new Float32Array(0);
  kinds = new Uint8Array(0);
  palette = new Uint32Array(0);
  /** @type {number} the one that was clicked */ chosen = -1;
  calls = 0;

  /** `changed()`: draw anew.  @param {() => void} changed */
  constructor(changed, fetch = fetchBytes) {
    this.changed = changed;
    this.fetch = fetch;
  }

  /** @param {Holes | null} holes */
  take(holes) {
    this.calls += 1;
    this.holes = holes;
    this.chosen = -1;
    this.xy = new Float32Array(0);
  }

  /** How many there are on the map; the first ones of more. */
  get count() {
    return this.shown && this.holes ? Math.min(this.xy.length / 2, this.kinds.length) : 0;
  }

  /** The code of draw `index`. */
  code(index) {
    const { k, prior } = /** @type {Holes} */ (this.holes);
    return Float64Array.from(prior.subarray(index * k, index * k + k));
  }

  /** @param {Tone} tone */
  colour(tone) {
    if (!this.holes) return;
    const reach = reachOf(this.holes);
    this.kinds = Uint8Array.from(this.holes.priorScore.subarray(0, MOST), (score) => step(score, reach));
    this.palette = Uint32Array.from(holePalette(tone), packed);
  }

  /**
   * Their places on a map: by its formula, else asked of the server, which has the fit (`of`: its run, weights, method).
   *
   * @param {Layout} layout
   * @param {{ run: string, sha: string, method: string } | null} of
   */
  async place(layout, of = null) {
    const { holes } = this;
    const call = ++this.calls;
    if (!holes) return;
    const some = holes.prior.subarray(0, MOST * holes.k);
    if (layout.linear) this.xy = layout.places(some);
    else if (!layout.xy) this.xy = Float32Array.from({ length: 2 * some.length }, (_, i) => (i % 2 ? 0 : some[i / 2]));
    else {
      this.xy = new Float32Array(0);
      const found = of && (await this._placed(of));
      if (call !== this.calls || !found) return;
      this.xy = found;
    }
    this.changed();
  }

  async _placed({ run, sha, method }) {
    try {
      const { header, body } = readFrame(await this.fetch(`${address(run, sha)}?method=${method}`), "draws");
      return new Float32Array(body.buffer, body.byteOffset, 2 * header.m);
    } catch {
      return null; // the map is not finished, or cannot place anything
    }
  }

  /** The nearest draw to a place within `most`; null: there is none.  @returns {Near | null} */
  nearest(x, y, most) {
    /** @type {Near | null} */
    let found = null;
    for (let i = 0; i < this.count; i++) {
      const distance = Math.hypot(this.xy[2 * i] - x, this.xy[2 * i + 1] - y);
      if (distance <= (found?.distance ?? most)) found = { index: i, distance };
    }
    return found;
  }
}
