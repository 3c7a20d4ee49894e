// Two runs that are compared, shared by the parts of the page that show them: their comparison as it is computed, the
// images, and the one in use.
//
//   const { pair, close } = openPair(data, () => draw()); // on every news
//   pair.comparison; pair.codes;                 // null until they are there
//   close();

import { fetchBytes, loadCodes } from "../shared/codes.js";
import { readComparison } from "./comparison.js";
import { openSide, sameSides } from "./kept_decoder.js";

const POLL = 300; // milliseconds between two questions of how far it is

/** @import { Codes } from "../shared/codes.js" */
/** @import { Comparison } from "./comparison.js" */
/** @import { SideData } from "./types.js" */
/** @typedef {"waiting" | "working" | "done" | "stopped" | "failed"} State */

/** `world` is replaced in tests. */
export class SharedPair {
  /** @type {State} */ state = "waiting";
  fraction = 0;
  words = "";
  /** @type {Comparison | null} */ comparison = null;
  /** @type {Codes | null} of the run of A now: labels, rows, and the images of both */ codes = null;
  /** @type {number | null} the image in use */ image = null;
  /** @type {[string, string] | null} the weights that are compared */ weights = null;
  /** @type {Set<() => void>} */ listeners = new Set();
  calls = 0;

  /** @param {SideData} a  @param {SideData} b */
  constructor(a, b, world = { openSide, fetch: fetchBytes, load: imagesOf, later: (f, ms) => setTimeout(f, ms) }) {
    this.sides = { a, b };
    this.runs = [a.run, b.run];
    this.world = world;
    /** @type {import("../decoder/client.js").Handle[]} */
    this.decoders = [];
  }

  join(listener) {
    if (!this.listeners.size)
      this.decoders = [this.sides.a, this.sides.b].map((side) =>
        this.world.openSide(side, { onModel: () => this._onModel() }),
      );
    this.listeners.add(listener);
    queueMicrotask(() => this.listeners.has(listener) && listener());
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size) return;
      this.calls += 1;
      if (this.state === "working") this.state = "waiting";
      for (const decoder of this.decoders) decoder.close();
    };
  }

  /** Whether there are newer weights than those that are compared. */
  get outdated() {
    return Boolean(this.weights && this.decoders.some(({ sha }, side) => sha && sha !== this.weights?.[side]));
  }

  _onModel() {
    const [a, b] = this.decoders.map(({ sha }) => sha);
    if (a && b && this.state === "waiting") this.compute();
    else {
      const problem = this.decoders.find(({ sha, problem }) => !sha && problem)?.problem;
      if (problem && this.state === "waiting") this.words = problem;
      this._tell();
    }
  }

  /** Compare the newest weights of both. */
  async compute() {
    const [a, b] = this.decoders.map(({ sha }) => sha);
    if (!a || !b) return;
    const call = ++this.calls;
    this.weights = [a, b];
    const [of, other] = this.runs.map(encodeURIComponent);
    const address = `runs/${of}/comparison/${a}?other=${other}&other_sha=${b}`;
    this._set("working", 0, "asking for the comparison");
    try {
      for (;;) {
        const answer = readComparison(await this.world.fetch(address));
        if (call !== this.calls) return;
        if (answer.state === "done") {
          const codes = await this.world.load(this.sides.a, a);
          if (call !== this.calls) return;
          Object.assign(this, { comparison: answer, codes });
          if (this.image !== null && this.image >= answer.header.n) this.image = null;
          return void this._set("done", 1, "");
        }
        this._set("working", answer.fraction, answer.words);
        await new Promise((go) => this.world.later(go, POLL));
        if (call !== this.calls) return;
      }
    } catch (error) {
      if (call === this.calls) this._set("failed", 0, error.message);
    }
  }

  /** The server ends what nobody asks for. */
  stop() {
    this.calls += 1;
    this._set("stopped", this.fraction, "");
  }

  choose(image) {
    if (image === this.image) return;
    this.image = image;
    this._tell();
  }

  _set(state, fraction, words) {
    Object.assign(this, { state, fraction, words });
    this._tell();
  }

  _tell() {
    for (const listener of [...this.listeners]) listener();
  }
}

/** The codes of the newest weights of a side's run, for its images. `sha`: of the side. */
async function imagesOf({ run, sha: moment }, sha) {
  if (!moment) return loadCodes(run, sha);
  const newest = await fetchBytes(`runs/${encodeURIComponent(run)}/decoder`);
  return loadCodes(run, JSON.parse(new TextDecoder().decode(newest)).sha);
}

/** @type {SharedPair[]} those in use: what was compared before is asked for again, and the server remembers it */
let pairs = [];

/**
 * The pair of these sides; `listener` is called on every news of it, soon for the first time.
 *
 * @param {{ a: SideData, b: SideData }} sides
 * @param {() => void} listener
 * @returns {{ pair: SharedPair, close: () => void }}
 */
export function openPair(sides, listener) {
  let pair = pairs.find((one) => sameSides(one.sides, sides));
  if (!pair) {
    pair = new SharedPair(sides.a, sides.b);
    pairs = [...pairs.filter((one) => one.listeners.size), pair];
  }
  return { pair, close: pair.join(listener) };
}
