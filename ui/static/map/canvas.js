// The map itself: three canvases over each other (ground, points, marks), redrawn only where something changed.

import { PlaceIndex, inside } from "./index.js";
import * as ink from "./ink.js";
import { Input } from "./input.js";
import { drawPoints, radiusFor } from "./points.js";
import { FAINT, packed } from "./colours.js";
import { Draws } from "./holes.js";
import { Shade } from "./shade.js";
import { Tiles } from "./tiles.js";
import { View, boundsOf, joined } from "./view.js";
import { contextOf, element } from "../shared/mount.js";
import { colours, typeScale } from "../shared/palette.js";

const GLIDE = 240; // milliseconds in which points move to newer places
const MANY = 250_000; // points that do not glide
const REST = 140; // milliseconds without motion after which the ground is computed anew
const REACH = 22; // pixels within which a point counts as under the pointer
const PRIOR = 3.25; // standard deviations that the frame shows at least

/** @import { Handle } from "../decoder/client.js" */
/** @import { Palette } from "../shared/types.js" */
/** @import { Arrival, Colouring, Layout, Near, Place, Pointed, Spread, Tone } from "./types.js" */

export class MapCanvas {
  /** @type {Handle | null} */ decoder = null;
  /** @type {Layout} */ layout;
  /** @type {Float32Array} where the points are going, x, y, x, y, ... */ to;
  /** @type {Float32Array | null} where they come from, while they glide */ from;
  /** @type {Float32Array} where they are */ xy = new Float32Array(0);
  /** @type {number} when they set out */ since;
  /** @type {PlaceIndex | null} made when it is first asked */ index;
  /** @type {Uint8Array} the colour of each point */ kinds = new Uint8Array(0);
  /** @type {Uint32Array} */ palette = new Uint32Array(0);
  /** @type {Colouring["classes"]} */ classes;
  /** @type {{ name: string, place: Place }[] | null} their names, on the map */ labels;
  /** @type {Tone} */ tone;
  /** @type {Palette} */ inks;
  /** @type {Arrival[]} */ arrivals = [];
  /** @type {Place[] | null} a lasso or box */ shape = null;
  /** @type {Place | null} where the pointer is, pixels of the canvas */ pointer = null;
  /** @type {Set<string> | null} layers to draw anew */ dirty = null;
  stats = { redraws: 0, first: 0, decodes: 0 };
  ratio = 1; // pixels of the canvas for one of CSS
  frame = 0; // that is asked for
  /** @type {number | undefined} timer of the ground */ rest;
  /** @type {ImageData | undefined} the points */ image;
  /** @type {Uint32Array} the same bytes */ pixels;

  /**
   * `draw`: a draw from the prior was chosen.
   *
   * @param {{ hover: (at: Pointed | null) => void, choose: (index: number | null) => void,
   *   select: (indices: Uint32Array | null) => void, draw: (index: number) => void }} on
   */
  constructor(on) {
    this.on = on;
    this.view = new View();
    this.tiles = new Tiles(() => this.wake("under"));
    this.shade = new Shade(() => this.wake("under"));
    this.draws = new Draws(() => this.wake("points"));
    this.layers = ["under", "points", "over"].map((name) =>
      element("canvas", { className: name, "aria-hidden": "true" }),
    );
    this.stage = element(
      "div",
      { className: "stage", tabindex: "0", role: "application", "aria-roledescription": "map" },
      ...this.layers,
    );
    Object.assign(this.stage, { stats: this.stats });
    this.input = new Input(this.stage, {
      hover: (px, py) => this._hover(px, py),
      pan: (dx, dy) => this._pan(dx * this.ratio, dy * this.ratio),
      zoom: (px, py, factor) => this._moved(() => this.view.zoomAt(px * this.ratio, py * this.ratio, factor)),
      choose: (px, py) => this._choose(px, py),
      shape: (points, done) => this._shape(points, done),
      showAll: () => this.showAll(),
      clear: () => this.on.select(null),
    });
    this.observer = new ResizeObserver(() => this._resize());
    this.observer.observe(this.stage);
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
  }

  // ---- what is shown

  /**
   * Places of all points under a layout. `glide`: from where they are; `all`: show them all.
   *
   * @param {Float32Array} xy
   * @param {Layout} layout
   */
  place(xy, layout, { glide = false, all = false } = {}) {
    const { view } = this;
    const before = this.xy;
    const [x, y, scale] = [view.x, view.y, view.scale];
    this.layout = layout;
    this.to = xy;
    this.index = this.labels = null;
    if (all) this.showAll();
    if (glide && before.length === xy.length && xy.length <= 2 * MANY) {
      // They set out from where they are on the screen, also when the new map has another scale.
      const share = scale / view.scale;
      const from = before.map((value, at) => (at % 2 ? view.y + (value - y) * share : view.x + (value - x) * share));
      this.from = from;
      this.xy = from.slice();
      this.since = performance.now();
    } else {
      this.from = null;
      this.xy = xy;
    }
    this.wake("all");
  }

  /** @param {Colouring} colouring  @param {Tone} tone */
  colour(colouring, tone) {
    this.kinds = colouring.kinds;
    this.classes = colouring.classes;
    this.palette = Uint32Array.from(colouring.palette, packed);
    this.tone = tone;
    this.inks = colours(this.stage);
    this.labels = null;
    this.wake("all");
  }

  /** Points that stand out, 1 for each; the others fade. null: all alike. */
  set focus(focus) {
    this._focus = focus;
    this.wake("points");
  }

  get focus() {
    return this._focus ?? null;
  }

  set chosen(index) {
    this._chosen = index;
    this.wake("over");
  }

  /** Of the chosen's q(z|x); null: there is none, or none yet.  @param {Spread | null} spread */
  set spread(spread) {
    this._spread = spread;
    this.wake("over");
  }

  showAll() {
    if (!this.to) return;
    const box = boundsOf(this.to, this.to.length > 400 ? 0.001 : 0);
    const centre = this.layout?.priorCentre;
    const prior = centre && {
      left: centre[0] - PRIOR,
      right: centre[0] + PRIOR,
      bottom: centre[1] - PRIOR,
      top: centre[1] + PRIOR,
    };
    this._moved(() => this.view.show(prior ? joined(box, prior) : box));
    this.touched = false; // it goes on to show all by itself
  }

  zoom(factor) {
    this._moved(() => this.view.zoomAt(this.view.width / 2, this.view.height / 2, factor));
  }

  /** Draw anew: "over" (marks), "points", "under" (ground) or "all". */
  wake(what = "all") {
    this.dirty ??= new Set();
    for (const layer of what === "all" ? ["under", "points", "over"] : [what]) this.dirty.add(layer);
    this.frame ||= requestAnimationFrame(() => this._draw());
  }

  // ---- the hand

  /** The pointer goes along with the map: what is under it stays, so that nothing needs to be decoded anew. */
  _pan(dx, dy) {
    if (this.pointer) this.pointer = [this.pointer[0] + dx, this.pointer[1] + dy];
    this._shift(() => this.view.pan(dx, dy));
  }

  _moved(change) {
    this._shift(change);
    if (this.pointer) this._report();
  }

  _shift(change) {
    change();
    this.touched = true;
    this.movedAt = performance.now();
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.wake("under"), REST);
    this.wake("all");
  }

  _hover(px, py) {
    this.pointer = px === null ? null : [px * this.ratio, py * this.ratio];
    this.wake("over");
    this._report();
  }

  /** Point at a place as the pointer would. */
  point(x, y) {
    this.pointer = [this.view.toX(x), this.view.toY(y)];
    this._report();
  }

  _report() {
    this.reporting = true;
    this.wake("over");
  }

  /**
   * The point under the pointer, if one is near enough.
   *
   * @param {Place} pointer
   * @returns {Near | undefined}
   */
  _near([px, py], reach = REACH) {
    if (!this.to?.length || this.from) return undefined;
    this.index ??= new PlaceIndex(this.to, boundsOf(this.to));
    const most = (reach * this.ratio) / this.view.scale;
    const found = this.index.nearest(this.view.fromX(px), this.view.fromY(py), this.focus ? 24 : 1, most);
    return found.find(({ index }) => !this.focus || this.focus[index]);
  }

  _choose(px, py) {
    const { view, ratio, draws } = this;
    const at = /** @type {Place} */ ([px * ratio, py * ratio]);
    const near = this._near(at);
    const most = Math.min(near?.distance ?? Infinity, (REACH * ratio) / view.scale);
    const draw = draws.nearest(view.fromX(at[0]), view.fromY(at[1]), most);
    draws.chosen = draw?.index ?? -1;
    if (draw || near) this.reporting = false; // what was under the pointer on its way here is overtaken
    this.on.choose(draw ? null : (near?.index ?? null));
    if (draw) this.on.draw(draw.index);
  }

  _shape(points, done) {
    const { view, ratio } = this;
    this.shape = points && points.map(([px, py]) => [view.fromX(px * ratio), view.fromY(py * ratio)]);
    this.wake("over");
    if (!done) return;
    this.on.select(this.shape && inside(this.to, this.shape));
  }

  // ---- drawing

  _resize() {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth || !clientHeight) return;
    this.ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(clientWidth * this.ratio), Math.round(clientHeight * this.ratio)];
    for (const layer of this.layers) Object.assign(layer, { width, height });
    const first = this.view.width === 1;
    this.view.resize(width, height);
    if (this.inks) this.inks.type = typeScale(); // which may have brought the size about
    this.image = new ImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    if (first || !this.touched) this.showAll();
    this.wake("all");
  }

  _draw() {
    this.frame = 0;
    const dirty = this.dirty;
    this.dirty = null;
    if (!dirty || !this.image || !this.layout || !this.inks) return;
    if (this.from) this._glide(this.from);
    if (this.reporting) {
      this.reporting = false;
      const { view, pointer } = this;
      this.on.hover(
        pointer && {
          x: view.fromX(pointer[0]),
          y: view.fromY(pointer[1]),
          digits: view.digits,
          near: this._near(pointer),
        },
      );
    }
    if (dirty.has("under")) this._drawUnder();
    if (dirty.has("points")) this._drawPoints();
    if (dirty.has("over") || dirty.has("points")) this._drawOver();
  }

  _glide(from) {
    const share = Math.min(1, (performance.now() - this.since) / GLIDE);
    if (share === 1) {
      this.xy = this.to;
      this.from = this.labels = null;
    } else {
      const { to, xy } = this;
      for (let i = 0; i < xy.length; i++) xy[i] = from[i] + (to[i] - from[i]) * share;
    }
    this.wake(share === 1 ? "all" : "points");
  }

  _drawUnder() {
    const context = this._clean(0);
    const { view, layout, inks, ratio } = this;
    const moving = performance.now() - (this.movedAt ?? -REST) < REST - 20 || Boolean(this.from);
    this.shade.draw(context, view, this.tone, moving);
    this.tiles.draw(context, view, layout, this.decoder, this.tone, ratio);
    if (layout.axes[0]) ink.axes(context, view, layout.axes, inks, ratio);
  }

  _drawPoints() {
    const { pixels, view, xy, kinds, palette, focus, ratio } = this;
    pixels.fill(0);
    const n = Math.min(kinds.length, xy.length / 2);
    if (n) {
      const radius = radiusFor(n / view.zoom ** 2, ratio);
      const draw = (colours, options) =>
        drawPoints(
          pixels,
          view.width,
          view.height,
          view,
          xy,
          n === kinds.length ? kinds : kinds.subarray(0, n),
          colours,
          { radius, ...options },
        );
      if (focus) {
        draw(new Uint32Array(256).fill(packed(FAINT[this.tone])), { focus, want: 0 });
        draw(palette, { focus, want: 1 });
      } else draw(palette, {});
    }
    const { draws } = this;
    if (draws.count) {
      const ring = { radius: 3 * ratio, rim: 1.4 * ratio };
      const some = draws.xy.subarray(0, 2 * draws.count);
      drawPoints(
        pixels,
        view.width,
        view.height,
        view,
        some,
        draws.kinds.subarray(0, draws.count),
        draws.palette,
        ring,
      );
    }
    if (this.image) contextOf(this.layers[1]).putImageData(this.image, 0, 0);
    this.stats.redraws += 1;
    if (n) this.stats.first ||= performance.now();
  }

  _drawOver() {
    const context = this._clean(2);
    const { view, inks, ratio, xy, _chosen: chosen } = this;
    const { priorCentre } = this.layout;
    if (priorCentre) ink.rings(context, view, priorCentre, inks, ratio);
    if (this.classes && this.classes.length <= 12 && !this.from && view.zoom < 6) {
      this.labels ??= ink.namePlaces(xy, this.kinds, this.classes);
      ink.names(context, view, this.labels, inks, ratio);
    }
    ink.outline(context, view, this.shape, inks.text, ratio);
    if (chosen >= 0 && 2 * chosen < xy.length) {
      /** @type {Place} */
      const place = [xy[2 * chosen], xy[2 * chosen + 1]];
      if (this._spread && this.layout.ellipse)
        ink.ellipse(context, view, place, this.layout.ellipse(this._spread), inks.posterior, ratio);
      else ink.mark(context, view, place, inks.posterior, inks.card, 7, ratio);
    }
    const { draws } = this;
    if (draws.chosen >= 0 && draws.chosen < draws.count) {
      const place = /** @type {Place} */ ([...draws.xy.subarray(2 * draws.chosen, 2 * draws.chosen + 2)]);
      ink.mark(context, view, place, inks.prior, inks.card, 7, ratio);
    }
    for (const { place, spread } of this.arrivals) {
      if (!place) continue;
      if (spread && this.layout.ellipse)
        ink.ellipse(context, view, place, this.layout.ellipse(spread), inks.sample, ratio);
      ink.dot(context, view, place, inks.sample, inks.card, ratio);
    }
    if (!this.pointer) return;
    const near = this._near(this.pointer);
    if (near)
      ink.mark(context, view, [this.to[2 * near.index], this.to[2 * near.index + 1]], inks.text, inks.card, 6, ratio);
    ink.crosshair(context, ...this.pointer, inks.text, inks.card, ratio);
  }

  _clean(layer) {
    const context = contextOf(this.layers[layer]);
    context.clearRect(0, 0, this.view.width, this.view.height);
    return context;
  }
}
