// Which points stand out: those of the classes that the legend isolates, and those inside a lasso or box.

import { Legend } from "./legend.js";
import { Selection, allowedOf } from "./selection.js";
import { aboutIsolated } from "./words.js";

/** @import { MapCanvas } from "./canvas.js" */
/** @import { Colouring } from "./types.js" */

/** The images that an address names, as in `?images=17_44`, of n; null where it names none. */
export function imagesOf(address, n) {
  const named = new URL(address).searchParams.get("images") ?? "";
  const indices = named.split("_").filter((part) => /^\d{1,9}$/.test(part) && Number(part) < n);
  return indices.length ? Uint32Array.from(indices, Number) : null;
}

export class Focus {
  /** @type {Uint8Array} the colour of each point */ kinds;
  /** @type {Uint8Array | null} 1 for each point of an isolated class; null: all */ isolated = null;
  /** @type {Uint32Array | null} what the lasso or box holds; null: there is none */ inside = null;
  /** @type {Uint32Array | null} those inside that are not left out */ indices = null;

  /** @param {MapCanvas} canvas  @param {{ choose: (index: number) => void }} on */
  constructor(canvas, { choose }) {
    this.canvas = canvas;
    this.legend = new Legend({
      isolate: (classes) => this._isolate(classes),
      pick: () => this.select(allowedOf(Uint32Array.from(this.kinds.keys()), this.isolated)),
    });
    this.selection = new Selection({ clear: () => this.select(null), choose });
  }

  /** Other images: chosen among them is what the address names. */
  start(run, codes, describe) {
    this.indices = null;
    this.inside = imagesOf(location.href, codes.header.n);
    this.canvas.shape = null;
    this.selection.start(run, codes, describe);
  }

  /** @param {Colouring} colours */
  colour(colours) {
    this.kinds = colours.kinds;
    this.legend.show(colours);
    this._isolate(new Set());
  }

  /** What is inside a lasso or box; null: there is none. */
  select(inside) {
    this.inside = inside;
    if (!inside) this.canvas.shape = null;
    this._count();
  }

  _isolate(classes) {
    this.isolated = classes.size ? Uint8Array.from(this.kinds, (kind) => (classes.has(kind) ? 1 : 0)) : null;
    this._count();
  }

  /** Of those inside only the isolated classes count, whichever came first. */
  _count() {
    const { inside, isolated, legend, selection } = this;
    const indices = inside && allowedOf(inside, isolated);
    this.indices = indices;
    if (!inside || !indices) selection.clear();
    else {
      const only = aboutIsolated(legend.names(), indices.length, inside.length);
      selection.show(indices, (name) => legend.colourOf(name), only);
    }
    this._mark();
  }

  _mark() {
    const { indices, isolated, kinds, canvas } = this;
    if (!indices?.length) {
      canvas.focus = isolated;
      return;
    }
    const focus = new Uint8Array(kinds.length);
    for (const index of indices) focus[index] = isolated ? isolated[index] : 1;
    canvas.focus = focus;
  }
}
