// The decoded plane as a sheet: pictures at the prior's quantiles, each for an equal share of its mass.

import { quantileTiles } from "./tiles.js";
import { contextOf, element } from "../shared/mount.js";

const COUNT = 17; // pictures a side
const BUDGET = 7; // milliseconds of decoding in one go
const GAP = 2; // pixels of the page between pictures
const WIDE = 400; // pixels of the page, at most; as in map.css
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The gap between pictures so many pixels wide, in pixels of the canvas: about GAP on the page. */
export const gapFor = (width) => Math.max(1, Math.round((GAP * COUNT * width) / WIDE));

/** The picture, of COUNT, at this share (0 to 1) of a side. */
export const pictureAt = (share, width, gap) => Math.floor((share * (COUNT * (width + gap) - gap)) / (width + gap));

/** @import { Layout, Tile } from "./types.js" */
/** @import { Handle } from "../decoder/client.js" */
/** @typedef {Tile & { column: number, row: number, z: Float64Array }} SheetTile */

export class PlaneSheet {
  at = [COUNT >> 1, COUNT >> 1]; // column and row of the picture that is pointed at
  /** @type {SheetTile[]} */ tiles = [];
  /** @type {Handle["shape"]} */ shape;
  /** @type {number} pixels between pictures */ gap;

  /** `point`: at a place on the map.  @param {{ point: (x: number, y: number) => void }} on */
  constructor(on) {
    this.on = on;
    this.canvas = element("canvas", {
      tabindex: "0",
      role: "img",
      width: 1,
      height: 1,
      "aria-label": "The decoded plane at the prior's quantiles; arrows move over it",
    });
    this.box = element(
      "section",
      { className: "plane-sheet" },
      element("h3", { className: "er-title", text: "The decoded plane" }),
      this.canvas,
      element("p", {
        className: "er-note",
        text: "Means of p(x|z) at the prior’s quantiles: every picture stands for the same share of its mass.",
      }),
    );
    this.canvas.addEventListener("pointermove", (event) => {
      const { left, top, width, height } = this.canvas.getBoundingClientRect();
      if (!this.shape) return;
      const { shape, gap } = this;
      this._point(
        pictureAt((event.clientX - left) / width, shape.width, gap),
        pictureAt((event.clientY - top) / height, shape.height, gap),
      );
    });
    this.canvas.addEventListener("keydown", (event) => {
      const [dx, dy] = MOVES[event.key] ?? [];
      if (dx === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this._point(this.at[0] + dx, this.at[1] + dy);
    });
  }

  _point(column, row) {
    this.at = [column, row].map((place) => Math.min(COUNT - 1, Math.max(0, place)));
    const tile = this.tiles.find(({ column: c, row: r }) => c === this.at[0] && r === this.at[1]);
    if (tile) this.on.point(tile.x, tile.y);
  }

  /**
   * Decode anew, a few pictures at a time; a newer call ends an older one.
   *
   * @param {Layout} layout
   * @param {Handle} decoder
   */
  async draw(layout, decoder) {
    const call = (this.call = (this.call ?? 0) + 1);
    const { shape } = decoder;
    const { priorCentre } = layout;
    if (!shape || !priorCentre) return; // drawn when the model is there
    const tiles = quantileTiles(priorCentre, COUNT);
    const xs = [...new Set(tiles.map((tile) => tile.x))].sort((a, b) => a - b);
    const ys = [...new Set(tiles.map((tile) => tile.y))].sort((a, b) => b - a);
    this.tiles = tiles.map((tile) => ({
      ...tile,
      column: xs.indexOf(tile.x),
      row: ys.indexOf(tile.y),
      z: Float64Array.from(layout.code(tile.x, tile.y) ?? []),
    }));
    const gap = gapFor(shape.width);
    this.shape = shape;
    this.gap = gap;
    Object.assign(this.canvas, {
      width: COUNT * (shape.width + gap) - gap,
      height: COUNT * (shape.height + gap) - gap,
    });
    const context = contextOf(this.canvas);
    const put = (image, /** @type {SheetTile} */ { column, row }) =>
      context.putImageData(image, column * (shape.width + gap), row * (shape.height + gap));
    let until = performance.now() + BUDGET;
    for (let i = 0; i < this.tiles.length; i++) {
      if (performance.now() > until) {
        await new Promise((go) => requestAnimationFrame(go));
        until = performance.now() + BUDGET;
      }
      if (call !== this.call) return;
      const image = decoder.mean(this.tiles[i].z);
      if (image instanceof Promise) return void this._fromServer(decoder, put, call);
      if (image) put(image, this.tiles[i]);
    }
  }

  async _fromServer(decoder, put, call) {
    for (let from = 0; from < this.tiles.length && call === this.call; from += 128) {
      const some = this.tiles.slice(from, from + 128);
      const images = await decoder.sheet(some.flatMap(({ z }) => Array.from(z)));
      if (call === this.call) images?.forEach((image, i) => put(image, some[i]));
    }
  }
}
