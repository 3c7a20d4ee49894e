// Both maps under one lasso: where each run puts the images, B's after the alignment, and how far each has moved.

import { colouring } from "../map/colours.js";
import { Controls } from "../map/controls.js";
import { Focus } from "../map/focus.js";
import { MapCanvas } from "../map/canvas.js";
import { describeImage } from "../map/side.js";
import { button, choice } from "../modes/controls.js";
import { View, oneOf, sender } from "../modes/view.js";
import { element, renderer } from "../shared/mount.js";
import { colours } from "../shared/palette.js";
import { meanOf } from "./comparison.js";
import { sameSides } from "./kept_decoder.js";
import { saveMaps } from "./maps_save.js";
import { openPair } from "./pair.js";
import { aboutSelection, named } from "./words.js";

const FIELDS = {
  colour: { read: oneOf("label", "movement", "kept"), fallback: "label" },
  neighbours: { read: oneOf("5", "10", "20", "50"), fallback: "10" },
};
const NAMES = ["A", "B"];

/** @import { Component } from "../shared/types.js" */
/** @import { Layout, Tone } from "../map/types.js" */
/** @import { CompareData } from "./types.js" */

/** Both canvases as one: what stands out on one stands out on the other. */
class Both {
  /** @param {MapCanvas[]} canvases */
  constructor(canvases) {
    this.canvases = canvases;
  }

  set focus(focus) {
    for (const canvas of this.canvases) canvas.focus = focus;
  }

  set shape(shape) {
    for (const canvas of this.canvases) {
      canvas.shape = shape;
      canvas.wake("over");
    }
  }

  set chosen(index) {
    for (const canvas of this.canvases) canvas.chosen = index;
  }
}

/** A focus that says what it holds whenever that changes. */
class ToldFocus extends Focus {
  constructor(canvas, { choose, told }) {
    super(canvas, { choose });
    this.told = told;
  }

  _count() {
    super._count();
    this.told?.(this.indices);
  }
}

class Maps {
  /** @type {CompareData} */ data;
  /** @type {Component<CompareData>} */ component;
  /** @type {{ pair: import("./pair.js").SharedPair, close: () => void } | null} */ opened = null;
  /** @type {import("./comparison.js").Comparison | null} */ compared = null;
  /** @type {Tone} */ tone;

  constructor(root) {
    this.root = root;
    this.view = new View(FIELDS, sender(this));
    this.canvases = NAMES.map(
      (_, side) =>
        new MapCanvas({
          hover: () => {},
          choose: (index) => index !== null && this.opened?.pair.choose(index),
          select: (indices) => this._select(indices, side),
          draw: () => {}, // no draws from the prior lie here
        }),
    );
    this.both = new Both(this.canvases);
    this.focus = new ToldFocus(/** @type {any} */ (this.both), {
      choose: (index) => this.opened?.pair.choose(index),
      told: (indices) => this._told(indices),
    });
    this.tools = new Controls({
      mode: (mode) => {
        for (const { input, stage } of this.canvases) input.mode = stage.dataset.mode = mode;
      },
      zoom: (factor) => this.canvases.forEach((canvas) => canvas.zoom(factor)),
      showAll: () => this.canvases.forEach((canvas) => canvas.showAll()),
    });
    this.colour = choice("Colour by", [], (colour) => this._change({ colour }));
    this.neighbours = choice("Neighbours", [], (neighbours) => this._change({ neighbours }));
    this._build();
  }

  _build() {
    this.refusal = element("p", { className: "er-note refusal", role: "status" });
    this.moved = element("p", { className: "er-note moved", role: "status" });
    this.about = element("p", { className: "er-note about" });
    const figures = this.canvases.map(({ stage }, side) => {
      stage.setAttribute("aria-label", `Map of ${NAMES[side]}`);
      return element("figure", {}, element("figcaption", { text: NAMES[side] }), stage);
    });
    this.canvases[0].stage.append(this.tools.tools);
    const keys = element("p", {
      className: "er-note keys",
      text: "Keys on a map: arrows move the pointer, Shift and arrows the map, + and − zoom, 0 shows all, Enter chooses, space sets the corners of a box, Escape clears.",
    });
    const save = button("Save PNG", () => this._save());
    save.title = "Both maps as they are here, as one picture";
    this.box = element(
      "div",
      { className: "maps", hidden: "" },
      this.refusal,
      element("div", { className: "bar-row" }, this.colour.root, this.neighbours.root, save),
      element("div", { className: "two" }, ...figures),
      this.focus.legend.box,
      this.about,
      keys,
      element("div", { className: "selected" }, this.moved, this.focus.selection.box),
    );
    this.root.append(this.box);
  }

  update(data, component) {
    this.component = component;
    const same = sameSides(this.data, data);
    this.data = data;
    const moved = this.view.adopt(data.start);
    this.refusal.textContent = this.view.refusal;
    if (!same) {
      this.opened?.close();
      this.compared = null;
      this.box.hidden = true;
      this.opened = openPair(data, () => this._news());
    }
    if (moved || this.root.dataset.tone !== this.tone) this._colour();
  }

  destroy() {
    this.opened?.close();
    this.view.stop();
    for (const canvas of this.canvases) canvas.destroy();
  }

  _news() {
    const { pair } = this.opened ?? {};
    if (!pair?.comparison || !pair.codes) return;
    if (pair.comparison !== this.compared) this._place(pair);
    this.both.chosen = pair.image ?? -1;
  }

  _place({ comparison, codes }) {
    this.compared = comparison;
    const { header, places } = comparison;
    this.box.hidden = false;
    const labels = codes.labels ? [["label", "label"]] : [];
    this.colour.options([...labels, ["movement", "movement"], ["kept", "neighbours kept"]]);
    this.neighbours.options(header.neighbours.map((count) => [String(count), String(count)]));
    this.canvases.forEach((canvas, side) => {
      canvas.shape = null;
      canvas.place(places[side], layoutOf(header, side), { all: true });
    });
    const ofA = this._ofA(codes);
    this.focus.start(this.data.a.run, ofA, (index) => describeImage(ofA, index));
    this.focus.selection.placed = { xy: places[0], method: "compare", names: ["place_1", "place_2"] };
    this._colour();
  }

  /** The images that are compared, with what A makes of them. */
  _ofA(codes) {
    const { header, loc, distortion, rate } = this.compared;
    const ofA = { loc: loc[0], distortion: distortion[0], rate: rate[0], logVariance: null };
    return Object.assign(Object.create(codes), ofA, { header: { ...codes.header, n: header.n, k: header.k[0] } });
  }

  /** Neighbours that are offered here: the chosen number, or the nearest one. */
  _counted() {
    const { neighbours } = this.compared.header;
    const asked = Number(this.view.values.neighbours);
    return neighbours.includes(asked) ? asked : neighbours[neighbours.length - 1];
  }

  _colour() {
    const { pair } = this.opened ?? {};
    if (!pair?.codes || !this.compared) return;
    this.tone = /** @type {Tone} */ (this.root.dataset.tone);
    const codes = this._ofA(pair.codes);
    const { labels } = codes;
    const by = this.view.values.colour === "label" && !labels ? "movement" : this.view.values.colour;
    const count = this._counted();
    this.colour.set(by);
    this.neighbours.set(count);
    const colours = by === "label" ? this._byLabel(codes) : this._byNumber(codes, by, count);
    for (const canvas of this.canvases) canvas.colour(colours, this.tone);
    const { header } = this.compared;
    this.about.textContent = `${aboutPlaces(header)} ${header.about_neighbours[count]}`;
    this.focus.colour(colours);
  }

  _byLabel(codes) {
    const labels = codes.labels.subarray(0, codes.header.n);
    return colouring({ ...codes, header: codes.header, labels }, "label", this.tone);
  }

  /** The ramp that rates have, over other numbers. */
  _byNumber(codes, by, count) {
    const kept = this.compared.kept.get(count).map((share) => 100 * share);
    const rate = by === "movement" ? this.compared.movement : kept;
    const unit = by === "movement" ? "prior standard deviations" : `% of ${count} neighbours`;
    const ramp = colouring({ ...codes, header: codes.header, rate }, "rate", this.tone);
    return { ...ramp, title: by === "movement" ? "movement" : "kept", unit };
  }

  _change(values) {
    this.view.change(values);
    this.refusal.textContent = "";
    this._colour();
  }

  _save() {
    const { a, b } = this.data;
    const maps = this.canvases.map(({ stage, layers }, side) => ({
      name: `${NAMES[side]}: ${named([a, b][side])}`,
      width: stage.clientWidth,
      height: stage.clientHeight,
      layers,
    }));
    const lines = [`${named(a)} and ${named(b)}: maps, coloured by ${this.view.values.colour}`];
    saveMaps(
      maps,
      [...lines, ...this.about.textContent.split(/(?<=\.) /)],
      colours(this.root),
      `${a.run}-${b.run}-maps`,
    );
  }

  /** A lasso or box on one of them: the other one's goes. */
  _select(indices, side) {
    const other = this.canvases[1 - side];
    other.shape = null;
    other.wake("over");
    this.focus.select(indices);
  }

  _told(indices) {
    const some = indices?.length && this.compared;
    this.moved.textContent = some ? this._about(indices) : "";
  }

  _about(indices) {
    const { movement, kept, header } = this.compared;
    const all = movement.keys();
    const count = this._counted();
    const every = Uint32Array.from(all);
    const shares = kept.get(count);
    const means = [movement, shares].flatMap((values) => [meanOf(values, indices), meanOf(values, every)]);
    return aboutSelection(indices.length, means[0], means[1], means[2], means[3], Math.min(count, header.n - 1));
  }
}

/** What a map's canvas wants to know of places that were computed elsewhere: no place stands for a code here.
 * @returns {Layout} */
function layoutOf({ axes, origins }, side) {
  return {
    axes,
    bits: false,
    exact: true,
    linear: false,
    priorCentre: origins[side],
    places: (loc) => loc,
    place: () => null,
    code: () => null,
  };
}

/** Which plane it is. */
function aboutPlaces({ axes, k, origins }) {
  const rings = origins.some(Boolean) ? " The rings are the prior at 1, 2 and 3 standard deviations." : "";
  if (axes[1].startsWith("rate")) return `Across z0, upwards the rate; B aligned with A.${rings}`;
  const of = k[0] <= 2 ? "the latent plane of A" : "the plane of A’s first two principal components";
  return `Both on ${of}, B’s codes where the alignment puts them.${rings}`;
}

export default renderer((root) => new Maps(root), ["map/map.css", "compare/maps.css"]);
