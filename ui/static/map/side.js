// What is under the pointer: the image decoded there, the nearest real one, and its neighbours in latent space.

import { imageName } from "../shared/codes.js";
import { nats } from "../shared/format.js";
import { latentNearest } from "./index.js";
import { element } from "../shared/mount.js";
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

export class Side {
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
    this.stats = { decodes: 0 };
  }

  /** Codes of the run; `describe(index)`: an image in words. */
  start(codes, describe) {
    Object.assign(this, { codes, describe });
    this.strip.replaceChildren();
    this.stripTitle.textContent = "";
    this.nearest(undefined);
  }

  /** The decoded image at code z (an ImageData, a promise of one, or null), and where that is. */
  async decoded(image, z, words) {
    this.where.textContent = words;
    if (image instanceof Promise) image = await image;
    if (!image) return;
    const { canvas } = this.image.getContext("2d");
    if (canvas.width !== image.width || canvas.height !== image.height)
      Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
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

  /** A row of images with their labels below. */
  neighbours(found, title) {
    const { codes } = this;
    const { classes } = codes.header;
    while (this.strip.children.length > found.length) this.strip.lastChild.remove();
    while (this.strip.children.length < found.length) {
      this.strip.append(
        element("figure", {}, element("canvas", { role: "img", width: 1, height: 1 }), element("figcaption")),
      );
    }
    found.forEach(({ index, distance }, i) => {
      const figure = this.strip.children[i];
      const label = codes.labels ? (classes?.[codes.labels[index]] ?? String(codes.labels[index])) : "";
      figure.title = `${this.describe(index)} · ${distance.toFixed(2)} away in latent space`;
      figure.lastChild.textContent = label;
      this._show(figure.firstChild, index);
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
