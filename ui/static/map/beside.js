// What is decoded beside the map: the code under the pointer, of the chosen image, of a picture from outside.

import { imageName } from "../shared/codes.js";
import { nats } from "../shared/format.js";
import { latentNearest } from "./index.js";
import { toBits } from "./layouts.js";
import { NEIGHBOURS, writeBits, writeCode } from "./side.js";

const OWN = new Set(["plane", "line", "dims"]); // their coordinates are those of the codes

/** @import { Side } from "./side.js" */
/** @import { MapState, Pointed } from "./types.js" */

export class Beside {
  /** @type {[z: Float64Array, words: string, asked: boolean] | null} the newest */ shown = null;
  pointed = false; // whether it is what the pointer is over

  /** @param {MapState} map  @param {Side} side */
  constructor(map, side) {
    this.map = map;
    this.side = side;
  }

  /** What a code decodes to, of probabilities their nearest code, with words; `asked`: look for its neighbours. */
  decode(z, words, asked = true) {
    const { decoder, bits } = this.map;
    this.shown = [Float64Array.from(z), words, asked];
    this.pointed = false;
    this.side.decoded(decoder.mean(bits ? toBits(Float64Array.from(z)) : z), asked ? z : null, words);
  }

  /** Newer weights: the same once more. */
  again() {
    if (this.shown) this.decode(...this.shown);
  }

  /** Before the pointer has been anywhere: what the prior's mean decodes to. */
  begin() {
    const { codes, bits } = this.map;
    if (!codes) return;
    const z = new Float64Array(codes.header.k);
    const what = bits ? `The code ${writeBits(z)}` : "z = 0, the prior’s mean";
    this.decode(z, `${what}. Move over the map.`);
  }

  /** Another map: what was pointed at on the one before is not under the pointer any more. */
  away() {
    if (!this.pointed || !this.map.codes) return;
    this.map.canvas.pointer = null;
    this.side.nearest(undefined);
    this.begin();
  }

  /** @param {Pointed | null} at */
  hover(at) {
    const { layout, codes, bits, view } = this.map;
    if (!at || !layout || !codes) return;
    this.side.nearest(at.near?.index);
    const z = layout.code(at.x, at.y);
    if (!z) return;
    const place =
      layout.exact && OWN.has(view.method) ? "" : ` · map ${writeCode([at.x, at.y], Math.max(1, at.digits))}`;
    this.decode(z, `z = ${bits ? writeBits(z) : writeCode(z, Math.max(2, at.digits))}${place}`);
    this.pointed = true;
  }

  /** The code of the chosen image, and its neighbours. */
  choose(index) {
    const { codes, bits } = this.map;
    if (!codes) return;
    const { loc, header } = codes;
    const { k } = header;
    const z = loc.subarray(index * k, index * k + k);
    this.side.nearest(index);
    const name = imageName(codes, index);
    const what = bits ? `${writeBits(z)}, the likeliest code` : `${writeCode(z)}, the posterior mean`;
    this.decode(z, `z = ${what} of ${name}`, false);
    this.side.neighbours(latentNearest(loc, k, z, NEIGHBOURS, index), `Nearest to ${name} in latent space`);
  }

  /** A draw from the prior. */
  draw(index) {
    const { draws } = this.map.canvas;
    const z = draws.code(index);
    const score = nats(draws.holes?.priorScore[index] ?? 0);
    this.side.nearest(undefined);
    this.decode(
      z,
      `z = ${this.map.bits ? writeBits(z) : writeCode(z)}, a draw from the prior: log q(z)/p(z) = ${score} nats`,
    );
  }

  /** The code of a picture from outside. */
  landed(z) {
    this.side.nearest(undefined);
    this.decode(z, `z = ${this.map.bits ? writeBits(z) : writeCode(z)}, your picture’s code`);
  }
}
