// Where the prior and the codes differ: a small map of both, painted by the classifier of the finding "holes", beside what
// decodes where the prior sends draws and no image lives, and where images live. A click on a ring decodes that draw.

import { loadCodes } from "../shared/codes.js";
import { nats, whole } from "../shared/format.js";
import { contextOf, element, renderer } from "../shared/mount.js";
import { openDecoder } from "../decoder/client.js";
import { MapCanvas } from "../map/canvas.js";
import { MOST, fetchHoles, holeColouring } from "../map/holes.js";
import { Legend } from "../map/legend.js";
import { toBits } from "../map/layouts.js";
import { LayoutSource } from "../map/source.js";
import { writeBits, writeCode } from "../map/side.js";
import { farthest, spread } from "./choice.js";

const SHOWN = 8; // pictures in a row
const HOW = "Click another ring, or move to it with the arrow keys and press Enter.";

/** @import { Codes } from "../shared/codes.js" */
/** @import { Layout, Tone } from "../map/types.js" */
/** @typedef {{ run: string, k: number, method: string, support: string }} Data */

/** Paint what the decoder answered, at once or later. */
async function paint(canvas, answer) {
  const image = await answer;
  if (!image) return;
  Object.assign(canvas, { width: image.width, height: image.height });
  contextOf(canvas).putImageData(image, 0, 0);
}

class HolesMap {
  /** @type {Codes | null} */ codes = null;
  /** @type {string | null} the weights of what is shown */ sha = null;
  /** @type {Data} */ data;
  /** @type {Float64Array | null} */ shown = null;

  constructor(root) {
    this.root = root;
    this.canvas = new MapCanvas({
      hover: () => {},
      choose: () => {},
      select: () => {},
      draw: (index) => this._show(index),
    });
    this.canvas.shade.on = false;
    this.canvas.draws.shown = true;
    this.source = new LayoutSource({
      place: (layout) => this._place(layout),
      touched: () => this.canvas.touched,
      status: () => {},
      start: () => {},
      problem: (sentence) => (this.problem.textContent = sentence),
    });
    this.legend = new Legend({ isolate: () => {}, pick: () => {} });
    this.problem = element("p", { className: "er-note problem", role: "status" });
    this.about = element("p", { className: "er-note" });
    this.screen = element("canvas", { role: "img", "aria-label": "Nothing decoded yet", width: 1, height: 1 });
    this.where = element("p", { className: "er-note where" });
    this.there = element("div", { className: "pictures" });
    this.living = element("div", { className: "pictures" });
    const heading = (text) => element("h3", { className: "er-title", text });
    const left = element("div", { className: "left" }, this.canvas.stage, this.legend.box, this.about, this.problem);
    const pair = element(
      "div",
      { className: "pair" },
      element("div", { className: "screen" }, this.screen),
      this.where,
    );
    const right = element(
      "div",
      { className: "right" },
      heading("What decodes there"),
      this.there,
      heading("And where images live"),
      this.living,
      heading("The chosen ring"),
      pair,
    );
    root.append(element("div", { className: "holes" }, left, right));
  }

  /** Whether codes are 0 and 1. */
  get bits() {
    return this.data.support === "binary";
  }

  destroy() {
    this.source.close();
    this.decoder?.close();
    this.canvas.destroy();
  }

  update(data) {
    const other = data.run !== this.data?.run;
    this.data = data;
    if (other) this._open();
    else if (this.codes && this.root.dataset.tone !== this.tone) this._colour();
  }

  _open() {
    this.source.close();
    this.decoder?.close();
    this.codes = this.sha = null;
    this.about.textContent = "Fetching the codes…";
    this.decoder = openDecoder(this.data.run, { onModel: () => this._onModel() });
  }

  async _onModel() {
    const { decoder, data } = this;
    this.problem.textContent = decoder.problem;
    if (!decoder.sha || decoder.sha === this.sha) return;
    const sha = (this.sha = decoder.sha);
    try {
      const [codes, holes] = await Promise.all([loadCodes(data.run, sha), fetchHoles(data.run, sha)]);
      if (sha !== this.sha) return;
      this._loaded(codes, holes);
    } catch (error) {
      this.problem.textContent = error.message;
    }
  }

  _loaded(codes, holes) {
    this.codes = codes;
    this.canvas.draws.take(holes);
    if (!holes) {
      this.problem.textContent = "The run has newer weights by now: diagnose those.";
      return;
    }
    this._colour();
    const view = { method: this.data.method, i: 0, j: 1, colour: "hole", part: "test" };
    const kind = view.method === "line" ? "line" : "linear";
    const base = new Float64Array(this.data.k);
    this.source.show({ run: this.data.run, sha: this.sha, codes, view, kind, base, bits: this.bits }, true);
    this._rows(codes, holes);
  }

  _colour() {
    const { canvas, codes } = this;
    this.tone = /** @type {Tone} */ (this.root.dataset.tone);
    if (!canvas.draws.holes || !codes) return;
    const colours = holeColouring(canvas.draws.holes, codes.header.n, this.tone);
    canvas.draws.colour(this.tone);
    canvas.colour(colours, this.tone);
    this.legend.show(colours);
  }

  /** @param {Layout} layout */
  _place(layout) {
    const { canvas, codes } = this;
    if (!codes) return;
    canvas.place(layout.places(codes.loc), layout, { all: true });
    canvas.draws.place(layout);
    const { plane } = this.source;
    const share = plane && (100 * (plane.explained[0] + plane.explained[1])).toFixed(0);
    this.about.textContent =
      `Dots: codes of ${codes.header.source}. Rings: ${whole(canvas.draws.count)} draws from the prior.` +
      (share ? ` Their first two principal components carry ${share} % of the codes’ variance.` : "");
    canvas.stage.setAttribute("aria-label", `Small map of ${codes.header.source} and draws from the prior`);
  }

  _rows(codes, holes) {
    const { k } = holes;
    const draws = farthest(holes.priorScore, Math.min(MOST, holes.m), SHOWN);
    this._pictures(this.there, draws, (index) => holes.prior.subarray(index * k, index * k + k), "draw from the prior");
    const images = spread(codes.header.n, SHOWN);
    this._pictures(this.living, images, (index) => codes.loc.subarray(index * k, index * k + k), "code of an image");
    for (const [i, made] of [...this.there.children].entries())
      made.addEventListener("click", () => this._choose(draws[i]));
    if (draws.length) this._choose(draws[0]);
  }

  _choose(index) {
    this.canvas.draws.chosen = index;
    this.canvas.wake("over");
    this._show(index);
  }

  _pictures(box, indices, code, what) {
    box.replaceChildren(
      ...indices.map((index) => {
        const z = Float64Array.from(code(index));
        const canvas = element("canvas", { role: "img", "aria-label": `Decoded ${what}`, width: 1, height: 1 });
        paint(canvas, this.decoder.sheet(this._decodable(z))?.[0] ?? this._later(z));
        return box === this.there
          ? element("button", { type: "button", className: "tile", title: "Show where it lies" }, canvas)
          : element("div", { className: "tile" }, canvas);
      }),
    );
  }

  /** Where the page cannot decode the server does, all pictures through one lane: one after the other. */
  _later(z) {
    this.lane = (this.lane ?? Promise.resolve()).then(async () => (await this.decoder.sheet(this._decodable(z)))?.[0]);
    return this.lane;
  }

  _decodable(z) {
    return this.bits ? toBits(z) : z;
  }

  /** Decode one draw. */
  _show(index) {
    const { draws } = this.canvas;
    const z = draws.code(index);
    const score = nats(draws.holes?.priorScore[index] ?? 0);
    const code = this.bits ? writeBits(z) : writeCode(z);
    this.where.textContent = `z = ${code}, a draw from the prior: log q(z)/p(z) = ${score} nats. ${HOW}`;
    this.screen.setAttribute("aria-label", `Decoded draw at z = ${code}`);
    paint(this.screen, this.decoder.mean(z));
  }
}

export default renderer((root) => new HolesMap(root), ["map/map.css", "diagnose/holes.css"]);
