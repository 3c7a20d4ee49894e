// The decoded manifold beneath the points: small pictures of what the decoder makes of places on the plane.

import { normalQuantile } from "../latent/normal.js";
import { contextOf } from "../shared/mount.js";

const SIZE = 46; // pixels of the screen for one picture, about
/** How strong the pictures are, by tone of the ground: so faint that each colour of a point stands out from them. */
export const BENEATH = { light: 0.13, dark: 0.17 };
const KEPT = 3000; // pictures kept
const BUDGET = 7; // milliseconds of decoding in one go
export const QUANTILES = 15; // pictures a side where they stand at the prior's quantiles

/** @import { Place, Tile } from "./types.js" */

/**
 * Which pictures fill the window: on a lattice in data coordinates, so that they stay where they are while the map
 * moves; outward from the middle of the window.
 *
 * @returns {Tile[]}
 */
export function windowTiles(view) {
  const step = Math.round(2 * Math.log2(SIZE / view.scale));
  const side = 2 ** (step / 2);
  const { left, right, bottom, top } = view.bounds;
  const tiles = [];
  for (let i = Math.floor(left / side); i * side < right; i++) {
    for (let j = Math.floor(bottom / side); j * side < top; j++) {
      tiles.push({ key: `${step}:${i}:${j}`, x: (i + 0.5) * side, y: (j + 0.5) * side, width: side, height: side });
    }
  }
  const far = (tile) => (tile.x - view.x) ** 2 + (tile.y - view.y) ** 2;
  return tiles.sort((a, b) => far(a) - far(b));
}

/**
 * Pictures at the quantiles of the prior, on both axes, around its centre on the map: each stands for equal mass.
 *
 * @param {Place} centre
 * @returns {Tile[]}
 */
export function quantileTiles([cx, cy], count = QUANTILES) {
  const at = Array.from({ length: count }, (_, i) => normalQuantile((i + 0.5) / count));
  const edge = Array.from({ length: count - 1 }, (_, i) => normalQuantile((i + 1) / count));
  const low = (i) => (i === 0 ? 2 * at[0] - edge[0] : edge[i - 1]);
  const high = (i) => (i === count - 1 ? 2 * at[count - 1] - edge[count - 2] : edge[i]);
  const tiles = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      const [left, right, bottom, top] = [low(i), high(i), low(j), high(j)];
      tiles.push({
        key: `q:${i}:${j}`,
        x: cx + at[i],
        y: cy + at[j],
        left: cx + left,
        top: cy + top,
        width: right - left,
        height: top - bottom,
      });
    }
  }
  return tiles.sort((a, b) => (a.x - cx) ** 2 + (a.y - cy) ** 2 - (b.x - cx) ** 2 - (b.y - cy) ** 2);
}

/** Decodes the pictures that are lacking a few at a time, and draws those there are. */
export class Tiles {
  /** `wake()` is called when more can be drawn. */
  constructor(wake) {
    this.wake = wake;
    /** @type {Map<string, HTMLCanvasElement>} by key */
    this.pictures = new Map();
    /** @type {"off" | "window" | "prior"} */
    this.kind = "off";
  }

  /** Another model or another plane: nothing of what was decoded holds. */
  forget() {
    this.pictures.clear();
  }

  draw(context, view, layout, decoder, tone, ratio = 1) {
    if (this.kind === "off" || !layout?.linear || !decoder?.sha) return;
    const tiles = this.kind === "prior" && layout.priorCentre ? quantileTiles(layout.priorCentre) : windowTiles(view);
    const lacking = this._decode(tiles, layout, decoder);
    context.imageSmoothingEnabled = false;
    context.globalAlpha = BENEATH[tone];
    for (const { key, x, y, left, top, width, height } of tiles) {
      const picture = this.pictures.get(key);
      if (!picture) continue;
      const [px, py] = [view.toX(left ?? x - width / 2), view.toY(top ?? y + height / 2)];
      const [w, h] = [width * view.scale, height * view.scale];
      if (px + w < 0 || py + h < 0 || px > view.width || py > view.height) continue;
      const side = Math.min(w, h, 1.4 * SIZE * ratio);
      context.drawImage(
        picture,
        Math.round(px + (w - side) / 2),
        Math.round(py + (h - side) / 2),
        Math.ceil(side),
        Math.ceil(side),
      );
    }
    context.globalAlpha = 1;
    if (lacking) this.wake();
  }

  _decode(tiles, layout, decoder) {
    const until = performance.now() + BUDGET;
    for (const tile of tiles) {
      if (this.pictures.has(tile.key)) continue;
      if (performance.now() > until) return true;
      const image = decoder.mean(layout.code(tile.x, tile.y));
      if (!image || image instanceof Promise) {
        if (image) this._later(tiles, layout, decoder);
        return false;
      }
      this._keep(tile.key, image);
    }
    return false;
  }

  /** Where the server decodes: all that lack in one request. */
  async _later(tiles, layout, decoder) {
    if (this.asking) return;
    this.asking = true;
    const lacking = tiles.filter((tile) => !this.pictures.has(tile.key)).slice(0, 256);
    const images = await decoder.sheet(lacking.flatMap((tile) => Array.from(layout.code(tile.x, tile.y))));
    this.asking = false;
    images?.forEach((image, i) => this._keep(lacking[i].key, image));
    if (images) this.wake();
  }

  _keep(key, image) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: image.width, height: image.height });
    contextOf(canvas).putImageData(image, 0, 0);
    const [oldest] = this.pictures.keys();
    if (this.pictures.size > KEPT) this.pictures.delete(oldest);
    this.pictures.set(key, canvas);
  }
}
