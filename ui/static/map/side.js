// What is under the pointer: the image decoded there, the nearest real one, and its neighbours in latent space.

import { imageName } from "../shared/codes.js";
import { nats } from "../shared/format.js";
import { latentNearest } from "./index.js";
import { contextOf, element } from "../shared/mount.js";
import { rgba } from "../train/preview_data.js";

export const NEIGHBOURS = 10;
const REST = 110; // milliseconds of rest before neighbours and images are looked up
const LISTED = 10; // dimensions of z that are written out

/** A code of bits: 01101001. */
export const writeBits = (z) => Array.from(z, (value) => (value >= 0.5 ? "1" : "0")).join("");

/** z, or a place, as text: (0.90, −1.10). */
export function writeCode(z, digits = 2) {
  const parts = Array.from(z.slice(0, LISTED), (value) => {
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  });
  return `(${parts.join(", ")}${z.length > LISTED ? ", …" : ""})`;
}

/** Paint the bytes of one image (height, width, channels) on a canvas. */
export function paint(canvas, bytes, { height, width, channels }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(rgba(bytes, 0, { height, width, channels }), width, height), 0, 0);
}

/** @import { Codes } from "../shared/codes.js" */
/** @import { Describe, Near } from "./types.js" */

export class Side {
  /** @type {Codes} */ codes;
  /** @type {Describe} */ describe;
  /** @type {number | undefined} the nearest image on the map */ index;
  /** @type {Float64Array | null} the code whose neighbours are asked for */ asked;
  /** @type {{ figure: HTMLElement, canvas: HTMLCanvasElement, caption: HTMLElement }[]} neighbours */ shown = [];

  constructor() {
    this.image = element("canvas", { role: "img", "aria-label": "Nothing decoded yet", width: 1, height: 1 });
    this.where = element("p", { className: "where" });
    this.how = element("p", { className: "er-note" });
    this.real = element("canvas", { className: "thumb", role: "img", "aria-label": "No image", width: 1, height: 1 });
    this.realNote = element("p", { className: "er-note" });
    this.strip = element("div", { className: "neighbours" });
    this.stripTitle = element("p", { className: "er-note" });
    this.problem = element("p", { className: "er-note problem", role: "status" });
    this.realBox = element("div", { className: "real", hidden: "" }, this.real, this.realNote);
    const words = element("div", { className: "words" }, this.where, this.realBox);
    this.box = element(
      "section",
      { className: "under-pointer" },
      element("h3", { className: "er-title", text: "Under the pointer" }),
      element("div", { className: "pair" }, element("div", { className: "screen" }, this.image), words),
      this.problem,
      this.stripTitle,
      this.strip,
      this.how,
    );
    this.stats = { decodes: 0 }; // replaced by the map's
  }

  /** Codes of the run; `describe(index)`: an image in words. */
  start(codes, describe) {
    this.codes = codes;
    this.describe = describe;
    this._room(0);
    this.stripTitle.textContent = "";
    this.nearest(undefined);
  }

  /** The decoded image at code z (an ImageData, a promise of one, or null), and where that is. */
  async decoded(image, z, words) {
    this.where.textContent = words;
    if (image instanceof Promise) image = await image;
    if (!image) return;
    const { width, height } = image;
    if (this.image.width !== width || this.image.height !== height) Object.assign(this.image, { width, height });
    contextOf(this.image).putImageData(image, 0, 0);
    this.stats.decodes += 1;
    this.image.setAttribute("aria-label", `Decoded image at ${words}`);
    this.asked = z && Float64Array.from(z);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._rest(), REST);
  }

  /** The nearest image on the map: its index, or undefined. */
  nearest(index) {
    if (index === this.index) return;
    this.index = index;
    this.realBox.hidden = index === undefined;
    if (index === undefined) return;
    this.realNote.textContent = this.describe(index);
    this._show(this.real, index);
  }

  async _show(canvas, index) {
    canvas.dataset.index = index;
    try {
      const bytes = await this.codes.image(index);
      if (Number(canvas.dataset.index) !== index) return;
      paint(canvas, bytes, this.codes.header);
      canvas.setAttribute("aria-label", this.describe(index));
    } catch {
      canvas.setAttribute("aria-label", "This image could not be fetched");
    }
  }

  /** The pointer rests: neighbours in latent space of the decoded code. */
  _rest() {
    const { codes, asked } = this;
    if (!codes || !asked) return;
    this.neighbours(latentNearest(codes.loc, codes.header.k, asked, NEIGHBOURS), "Nearest in latent space");
  }

  /** So many figures in the strip. */
  _room(count) {
    for (const { figure } of this.shown.splice(count)) figure.remove();
    while (this.shown.length < count) {
      const canvas = element("canvas", { role: "img", width: 1, height: 1 });
      const caption = element("figcaption");
      const figure = element("figure", {}, canvas, caption);
      this.shown.push({ figure, canvas, caption });
      this.strip.append(figure);
    }
  }

  /** A row of images with their labels below.  @param {Near[]} found  @param {string} title */
  neighbours(found, title) {
    const { codes } = this;
    const { classes } = codes.header;
    this._room(found.length);
    found.forEach(({ index, distance }, i) => {
      const { figure, canvas, caption } = this.shown[i];
      const label = codes.labels ? (classes?.[codes.labels[index]] ?? String(codes.labels[index])) : "";
      figure.title = `${this.describe(index)} · ${distance.toFixed(2)} away in latent space`;
      caption.textContent = label;
      this._show(canvas, index);
    });
    const reach = found.length
      ? `, ${found[0].distance.toFixed(2)} to ${found[found.length - 1].distance.toFixed(2)} away`
      : "";
    this.stripTitle.textContent = `${title}${reach}`;
  }
}

/** "row 8,412 of faces.npz, label 7 · rate 19.1, distortion 86.8 nats". */
export function describeImage(codes, index) {
  const { classes } = codes.header;
  const label = codes.labels ? `, label ${classes?.[codes.labels[index]] ?? codes.labels[index]}` : "";
  return `${imageName(codes, index)}${label} · rate ${nats(codes.rate[index])}, distortion ${nats(codes.distortion[index])} nats`;
}
