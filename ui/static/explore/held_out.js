// The held-out images and their codes, kept near the model that is shown: not those of every snapshot of a run that
// trains, for they cost the server a look at all images; and fetched ahead, so that nothing is asked for in a drag.

import { loadCodes } from "../shared/codes.js";

const EVERY = 20_000; // milliseconds between two looks at the codes of a model that trains
const AHEAD = 48e6; // bytes of images that are fetched ahead at most

/** @import { Codes } from "../shared/codes.js" */

export class HeldOut {
  /** @type {string | null} */
  run = null;
  /** @type {Codes | null} */
  codes = null;
  /** @type {string | null} of the weights of the codes */
  sha = null;
  /** @type {{ sha: string, time: number } | null} */
  asked = null;
  /** @type {Uint8Array | null} all images, (n, height, width, channels) */
  pixels = null;

  /** `on`: codes(codes) when they have come, failed(sentence) when there are none. `world` is replaced in tests. */
  constructor(
    on,
    world = {
      load: loadCodes,
      now: () => performance.now(),
      later: (f, ms) => setTimeout(f, ms),
      forget: (id) => clearTimeout(id),
    },
  ) {
    this.on = on;
    this.world = world;
    this.open(null);
  }

  /** Another run: forget everything. */
  open(run) {
    this.world.forget(this.timer);
    Object.assign(this, { run, codes: null, sha: null, asked: null, pixels: null });
  }

  /** The newest weights are `sha`: get their codes, now or when it is time. */
  async want(sha) {
    const { run, asked } = this;
    this.world.forget(this.timer);
    if (asked?.sha === sha) return;
    const wait = asked ? asked.time + EVERY - this.world.now() : 0;
    if (wait > 0) {
      this.timer = this.world.later(() => this.want(sha), wait);
      return;
    }
    this.asked = { sha, time: this.world.now() };
    try {
      const codes = await this.world.load(run, sha);
      if (run === this.run && sha === this.asked.sha) this._take(codes, sha);
    } catch (error) {
      if (run !== this.run || sha !== this.asked.sha) return;
      if (!this.codes) this.on.failed(error.message);
    }
  }

  _take(codes, sha) {
    const { source, n } = codes.header;
    if (this.codes?.header.source !== source || this.codes?.header.n !== n) this.pixels = null;
    Object.assign(this, { codes, sha });
    this.on.codes(codes);
  }

  /** Fetch all images, where they are not too many. */
  async fetchAhead() {
    const { codes, run } = this;
    if (!codes) return; // the page was left, or shows another run by now
    const { n, height, width, channels } = codes.header;
    if (this.pixels || n * height * width * channels > AHEAD) return;
    const all = await codes.images().catch(() => null); // then each is asked for when z has come to rest
    if (run === this.run && all) this.pixels = all;
  }

  /** The bytes of image `index` if they are here, else null. */
  here(index) {
    const { codes, pixels } = this;
    return codes && pixels && pixels.subarray(index * codes.size, (index + 1) * codes.size);
  }
}
