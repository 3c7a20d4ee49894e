// The map of a scrubber: the codes of the same images under each stop's weights, in one plane that stays.

import { classColour, colouring } from "../map/colours.js";
import { colours } from "../shared/palette.js";
import { contextOf, element } from "../shared/mount.js";

const REACH = 3.3; // prior standard deviations that are always in view
const QUANTILE = 0.995; // of the places of the stop whose plane it is, in view
const GRAB = 18; // pixels around a point in which a click takes it
const GOLDEN = 0.618033988749895;

/** The plane itself where there are two dimensions or one, else mean and components of a PCA. */
export function axesOf(k, plane) {
  if (k <= 2) return { mean: new Array(k).fill(0), components: [[1, 0].slice(0, k), k === 2 ? [0, 1] : [0]] };
  return plane;
}

/** Where codes lie, (n, 2). Of one dimension the second number only spreads the points. */
export function placesOf({ loc, header: { n, k } }, { mean, components }) {
  const places = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < k; j++) {
      const value = loc[i * k + j] - mean[j];
      places[2 * i] += value * components[0][j];
      places[2 * i + 1] += value * components[1][j];
    }
    if (k === 1) places[2 * i + 1] = 4 * (((i + 1) * GOLDEN) % 1) - 2;
  }
  return places;
}

/** Half the side of the frame: the prior's bulk and nearly all places. */
export function reachOf(places, centre) {
  const far = [];
  for (let i = 0; i < places.length; i++) far.push(Math.abs(places[i] - centre[i % 2]));
  far.sort((a, b) => a - b);
  return Math.max(REACH, 1.05 * (far[Math.floor(QUANTILE * (far.length - 1))] ?? 0));
}

export class Plane {
  /** @param {(index: number) => void} onPick  a point was chosen */
  constructor(onPick) {
    /** @type {Float32Array | null} */
    this.places = null;
    this.canvas = element("canvas", { role: "img", "aria-label": "Map" });
    this.caption = element("figcaption", { className: "er-note" });
    this.legend = element("ul", { className: "legend" });
    this.root = element("figure", { className: "plane" }, this.canvas, this.legend, this.caption);
    this.canvas.addEventListener("click", (event) => {
      const index = this._at(event.offsetX, event.offsetY);
      if (index !== null) onPick(index);
    });
  }

  /** Fix the frame: `axes` for codes of k dimensions, `codes` those whose places it has to hold. */
  frame(axes, codes, support) {
    this.axes = axes;
    this.centre = this.placeOf(new Array(codes.header.k).fill(support === "binary" ? 0.5 : 0));
    this.reach = reachOf(placesOf(codes, axes), this.centre);
    this.prior = support === "real";
    this.codes = codes;
    this.tone = "";
  }

  placeOf(z) {
    const { mean, components } = this.axes;
    return components.map((axis) => axis.reduce((sum, value, j) => sum + value * (z[j] - mean[j]), 0));
  }

  /** Draw places (n, 2), a ring around place `chosen`, and a cross where the held z lies. */
  draw(places, chosen, z) {
    const ratio = devicePixelRatio || 1;
    const size = Math.round(this.canvas.clientWidth * ratio);
    if (!size) return;
    if (this.canvas.width !== size) Object.assign(this.canvas, { width: size, height: size });
    this._colour();
    this.places = places;
    this.ratio = ratio;
    this.size = size;
    const context = contextOf(this.canvas);
    context.clearRect(0, 0, size, size);
    if (this.prior) this._rings(context);
    const [side, { kinds, palette }] = [2.4 * ratio, this.colouring];
    let kind = -1;
    for (const i of this.order) {
      if (kinds[i] !== kind) context.fillStyle = palette[(kind = kinds[i])];
      context.fillRect(this._x(places[2 * i]) - side / 2, this._y(places[2 * i + 1]) - side / 2, side, side);
    }
    this._marks(context, chosen, z);
  }

  _colour() {
    const tone = /** @type {HTMLElement} */ (this.root.closest(".er"))?.dataset.tone ?? "light";
    if (tone === this.tone) return;
    this.tone = tone;
    this.palette = colours(this.root.closest(".er"));
    this.colouring = colouring(this.codes, "label", /** @type {any} */ (tone));
    const { kinds } = this.colouring;
    this.order = Array.from(kinds, (_, i) => i).sort((a, b) => kinds[a] - kinds[b]);
    const classes = this.colouring.classes ?? [];
    this.legend.replaceChildren(
      ...classes.slice(0, 20).map(({ name }, i) => {
        const dot = element("span", { className: "dot" });
        dot.style.background = classColour(i, tone);
        return element("li", {}, dot, name);
      }),
    );
  }

  _rings(context) {
    const [x, y] = [this._x(this.centre[0]), this._y(this.centre[1])];
    context.strokeStyle = this.palette.prior;
    context.lineWidth = this.ratio;
    context.globalAlpha = 0.55;
    for (const radius of [1, 2]) {
      context.beginPath();
      context.arc(x, y, (radius * this.size) / (2 * this.reach), 0, 7);
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  _marks(context, chosen, z) {
    const { ratio, palette, places } = this;
    context.lineWidth = 2 * ratio;
    context.strokeStyle = palette.text;
    context.beginPath();
    context.arc(this._x(places[2 * chosen]), this._y(places[2 * chosen + 1]), 7 * ratio, 0, 7);
    context.stroke();
    const place = this.placeOf(z);
    const [x, y, arm] = [this._x(place[0]), this._y(z.length > 1 ? place[1] : 0), 8 * ratio];
    context.strokeStyle = palette.sample;
    context.beginPath();
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
    context.stroke();
  }

  _x(value) {
    return this.size * (0.5 + (value - this.centre[0]) / (2 * this.reach));
  }

  _y(value) {
    return this.size * (0.5 - (value - this.centre[1]) / (2 * this.reach));
  }

  /** The point nearest to a place of the canvas, CSS pixels; null where none is near. */
  _at(left, top) {
    if (!this.places) return null;
    const [x, y] = [left * this.ratio, top * this.ratio];
    let [best, least] = [null, (GRAB * this.ratio) ** 2];
    for (let i = 0; i < this.places.length / 2; i++) {
      const far = (this._x(this.places[2 * i]) - x) ** 2 + (this._y(this.places[2 * i + 1]) - y) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }
}
