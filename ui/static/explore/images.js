// Held-out images to start from: a strip that is leafed through, shuffled or held to one label.

import { imageName } from "../shared/codes.js";
import { paintBytes } from "./picture.js";
import { element } from "../shared/mount.js";

export const TILES = 12;

/** The images with this label, in the dataset's order; all where label is null. */
export function withLabel(labels, n, label) {
  const all = Array.from({ length: n }, (_, i) => i);
  return label === null || !labels ? all : all.filter((i) => labels[i] === label);
}

/** `count` of `pool` from `offset` on, beginning again at its end; never one of them twice. */
export function leaf(pool, offset, count = TILES) {
  return Array.from({ length: Math.min(count, pool.length) }, (_, i) => pool[(offset + i) % pool.length]);
}

/** `count` of `pool` at random, none of them twice. */
export function some(pool, count = TILES, random = Math.random) {
  const rest = [...pool];
  return Array.from(
    { length: Math.min(count, rest.length) },
    () => rest.splice(Math.floor(random() * rest.length), 1)[0],
  );
}

export class Images {
  /** `on`: take(index). `chosen`: an element on the image in use, placed below the strip. */
  constructor(on, chosen) {
    /** @type {number[]} those with the label */
    this.pool = [];
    this.offset = 0; // in the pool, of the first in the strip
    this.on = on;
    this.tiles = []; // { index, tile, canvas } of the strip
    this.label = element("select", { "aria-label": "Images with the label" });
    this.next = element("button", { className: "button", type: "button", text: "Next" });
    this.random = element("button", { className: "button", type: "button", text: "Random" });
    this.strip = element("div", { className: "strip", role: "group", "aria-label": "Images to start from" });
    this.note = element("p", { className: "er-note", role: "status" });
    this.tools = element("div", { className: "tools" }, this.label, this.random, this.next);
    this.box = element(
      "section",
      { className: "images" },
      element("header", {}, element("h3", { className: "er-title", text: "Start from a held-out image" }), this.tools),
      this.strip,
      chosen,
      this.note,
    );
    this.label.addEventListener("change", () => this._filter());
    this.next.addEventListener("click", () => this._show(leaf(this.pool, (this.offset += TILES) % this.pool.length)));
    this.random.addEventListener("click", () => this._show(some(this.pool)));
  }

  clear(sentence) {
    this.codes = null;
    this.tools.hidden = true;
    this.tiles = [];
    this.strip.replaceChildren();
    this.note.textContent = sentence;
  }

  /** Codes of a run (codes.js); done when the strip is drawn. The same images with newer codes leave it as it is. */
  async start(codes) {
    const same = this.codes && this.codes.header.source === codes.header.source;
    this.codes = codes;
    if (same) return undefined;
    const { classes, source } = codes.header;
    const seen = codes.labels ? [...new Set(codes.labels)].sort((a, b) => a - b) : [];
    const option = (value, text) => element("option", { value, text });
    this.label.replaceChildren(
      option("", "any label"),
      ...seen.map((label) => option(label, this.nameOf(label, classes))),
    );
    this.label.hidden = !seen.length;
    this.tools.hidden = false;
    this.note.textContent = source;
    return this._filter();
  }

  /** A label as it is called. */
  nameOf(label, classes = this.codes.header.classes) {
    return `label ${classes?.[label] ?? label}`;
  }

  /** `row 3 of digits, label 7` */
  title(index) {
    const { labels } = this.codes;
    const name = imageName(this.codes, index);
    return labels ? `${name}, ${this.nameOf(labels[index])}` : name;
  }

  /** The image that is in use, or null. */
  press(index) {
    this.pressed = index;
    for (const { index: own, tile } of this.tiles) tile.setAttribute("aria-pressed", String(own === index));
  }

  _filter() {
    const label = this.label.value === "" ? null : Number(this.label.value);
    this.pool = withLabel(this.codes.labels, this.codes.header.n, label);
    this.offset = 0;
    return this._show(leaf(this.pool, 0));
  }

  async _show(indices) {
    const { codes } = this;
    const tiles = indices.map((index) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const tile = element(
        "button",
        { className: "tile", type: "button", "aria-label": this.title(index), title: this.title(index) },
        canvas,
      );
      tile.addEventListener("click", () => this.on.take(index));
      return { index, tile, canvas };
    });
    this.tiles = tiles;
    this.strip.replaceChildren(...tiles.map(({ tile }) => tile));
    this.press(this.pressed ?? null);
    try {
      for (const { index, canvas } of tiles) paintBytes(canvas, await codes.image(index), codes.header);
    } catch (error) {
      this.note.textContent = error.message;
    }
  }
}
