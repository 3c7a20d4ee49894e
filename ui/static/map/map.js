// Map: where the model puts the images, and what it decodes at each place. What the hand drives happens in this page;
// Python hears of the view (it keeps the address) and starts and stops fits.

import { intoAddress } from "../shared/address.js";
import { imageName } from "../shared/codes.js";
import { openDecoder } from "../decoder/client.js";
import { brightOnDark } from "./arrive.js";
import { Beside } from "./beside.js";
import { MapCanvas } from "./canvas.js";
import { colouring } from "./colours.js";
import { fetchHoles, holeColouring } from "./holes.js";
import { Controls, FitLine } from "./controls.js";
import { Focus } from "./focus.js";
import { assemble } from "./frame.js";
import { Landing } from "./landing.js";
import { NewestCodes } from "./newest_codes.js";
import { placeNames } from "./selection.js";
import { PlaneSheet } from "./sheet.js";
import { LayoutSource, spreadOf } from "./source.js";
import { Side, describeImage } from "./side.js";
import { aboutLayout, sameView } from "./words.js";
import { renderer } from "../shared/mount.js";

const PREFETCH = 16e6; // bytes of images that are fetched without being asked for

/** @import { Codes } from "../shared/codes.js" */
/** @import { Handle } from "../decoder/client.js" */
/** @import { Colouring, Describe, Layout, MapData, MapView, Tone } from "./types.js" */

class LatentMap {
  /** @type {MapData} */ data;
  /** @type {import("../shared/types.js").Component<MapData>} */ component;
  /** @type {Handle} */ decoder;
  /** @type {boolean} whether codes are bits */ bits;
  /** @type {MapView} */ view;
  /** @type {MapView[]} those that Python was sent: it repeats them, late */ sent = [];
  /** @type {string | null} the newest weights */ sha;
  /** @type {Codes | null} */ codes;
  /** @type {string} their weights */ codesSha;
  /** @type {Describe} an image in words */ describe;
  /** @type {Colouring} */ colours;
  /** @type {Tone} */ tone;
  /** @type {Layout | null} */ layout;
  /** @type {string} whose places those are */ layoutOf;
  /** @type {"0" | "chosen"} where a pair of dimensions holds the others */ others;
  /** @type {number | null} the image in use */ chosen;
  // put on the page by frame.js
  /** @type {HTMLParagraphElement} */ note;
  /** @type {HTMLParagraphElement} */ problem;
  /** @type {HTMLParagraphElement} */ waiting;

  constructor(root) {
    this.root = root;
    this.controls = new Controls({
      method: (method) => this._change({ method }),
      colour: (colour) => this._change({ colour }),
      dims: (i, j) => this._change({ i, j }),
      part: (part) => this._change({ part }),
      others: (others) => this._others(others),
      beneath: (kind) => this._beneath(kind),
      shade: (on) => this._shade(on),
      draws: (on) => this._draws(on),
      mode: (mode) => this.canvas && (this.canvas.input.mode = this.canvas.stage.dataset.mode = mode),
      zoom: (factor) => this.canvas.zoom(factor),
      showAll: () => this.canvas.showAll(),
    });
    this.canvas = new MapCanvas({
      hover: (at) => this.beside.hover(at),
      choose: (index) => this._choose(index),
      select: (indices) => this.focus.select(indices),
      draw: (index) => this.beside.draw(index),
    });
    this.newest = new NewestCodes({
      loaded: (codes, sha) => this._loaded(codes, sha),
      failed: (sentence) => this._wait(sentence),
    });
    this.source = new LayoutSource({
      place: (layout, how) => this._place(layout, how),
      touched: () => this.canvas.touched,
      status: (status, outdated) => this._fitted(status, outdated),
      start: () => this._ask("start"),
      problem: (sentence) => (this.problem.textContent = sentence),
    });
    this.fitLine = new FitLine({ start: () => this._again(), stop: () => this._ask("stop") });
    this.side = new Side();
    this.side.stats = this.canvas.stats;
    this.beside = new Beside(this, this.side);
    this.focus = new Focus(this.canvas, { choose: (index) => this._choose(index) });
    this.landing = new Landing(this.canvas, { map: () => this._map(), landed: (z) => this.beside.landed(z) });
    this.sheet = new PlaneSheet({ point: (x, y) => this.canvas.point(x, y) });
    assemble(this, root);
  }

  destroy() {
    this.newest.close();
    this.source.close();
    this.decoder?.close();
    this.canvas.destroy();
  }

  update(data, component) {
    this.component = component;
    const moved =
      this.data && !sameView(data.view, this.data.view) && !this.sent.some((view) => sameView(view, data.view));
    const other = data.run !== this.data?.run || data.k !== this.data?.k;
    this.data = data;
    this.problem.textContent = data.problem ?? "";
    if (other) this._open();
    else if (moved) this._go({ ...data.view });
    else if (this.root.dataset.tone !== this.tone && this.codes) this._colour();
    if (data.problem) this.source.expect();
  }

  _open() {
    this.newest.close();
    this.source.close();
    this.decoder?.close();
    this.bits = this.data.support === "binary";
    this.codes = this.layout = this.beside.shown = this.chosen = this.sha = null;
    this.others = "0";
    this.focus.inside = this.focus.indices = null;
    this.view = { ...this.data.view };
    this.sent = [this.view];
    this._wait("Fetching the codes…");
    this.landing.open(this.data.run, this.bits);
    this.landing.arrive.box.hidden = Boolean(this.data.offline);
    this.sheet.box.hidden = this.view.method !== "plane";
    this.side.nearest();
    this.fitLine.hide();
    this._controls();
    this.decoder = this.canvas.decoder = openDecoder(this.data.run, { onModel: () => this._onModel() });
  }

  _controls() {
    const { methods, k } = this.data;
    const { bits, codes } = this;
    const parts = codes?.header.parts ?? [this.view.part];
    const holes = this.data.holes && this.view.part === "test";
    this.controls.show({ methods, parts, k, bits, codes, holes, view: { ...this.view, others: this.others } });
  }

  /** A decoder, a newer one, or a problem. */
  _onModel() {
    const { decoder } = this;
    this.side.problem.textContent = [decoder.reason, decoder.problem].filter(Boolean).join(" ");
    if (!decoder.sha || decoder.sha === this.sha) return;
    this.sha = decoder.sha;
    this.canvas.tiles.forget();
    this.canvas.wake("under");
    this.beside.again();
    if (this.layout && this.view.method === "plane") this.sheet.draw(this.layout, decoder);
    this.newest.soon(() => this._wanted());
  }

  /** Whose codes are wanted. */
  _wanted() {
    return { run: this.data.run, sha: this.sha, part: this.view.part };
  }

  /** Why there are no codes yet. */
  _wait(sentence) {
    this.waiting.hidden = false;
    this.waiting.textContent = sentence;
  }

  /** The user's change: shown at once, told to the address and to Python. */
  _change(change) {
    this._go({ ...this.view, ...change });
    intoAddress(this.view);
    this.sent = [...this.sent.slice(-20), this.view];
    this.component.setStateValue("view", { run: this.data.run, ...this.view });
  }

  _go(view) {
    const before = this.view;
    this.view = view;
    this._controls();
    if (view.part !== before.part) {
      intoAddress({ images: null }); // of the other part
      return void this.newest.load(this._wanted());
    }
    if (view.method !== before.method || view.i !== before.i || view.j !== before.j) this._layout(true);
    if (view.colour !== before.colour) this._colour();
  }

  _loaded(codes, sha) {
    const first = !this.codes || this.codes.header.n !== codes.header.n;
    this.codes = codes;
    this.codesSha = sha;
    this.describe = (index) => describeImage(codes, index);
    this.waiting.hidden = true;
    this._ready(first);
  }

  _ready(first) {
    const { codes, canvas } = this;
    this.side.start(codes, this.describe);
    this.landing.arrive.header = codes.header;
    if (first) {
      this.chosen = null;
      canvas.chosen = -1;
      canvas.stats.first = canvas.stats.decodes = 0;
      this.focus.start(this.data.run, codes, this.describe);
    } else this.focus.selection.renew(codes, this.describe);
    this._spread();
    this._controls();
    this._colour();
    this._layout(first);
    this._holes();
    setTimeout(() => this._images(codes), 400);
  }

  async _images(codes) {
    try {
      if (codes.header.n * codes.size <= PREFETCH) await codes.images();
      this.landing.arrive.start(codes.header, brightOnDark(await codes.image(0), codes.header));
    } catch {
      // the thumbnails say so themselves
    }
  }

  _colour() {
    if (!this.codes) return; // then with them
    this.tone = /** @type {Tone} */ (this.root.dataset.tone);
    const { draws } = this.canvas;
    const by = this.view.colour === "label" && !this.codes.labels ? "rate" : this.view.colour;
    this.colours =
      by === "hole" && draws.holes
        ? holeColouring(draws.holes, this.codes.header.n, this.tone)
        : colouring(this.codes, by, this.tone, this.bits);
    draws.colour(this.tone);
    this.canvas.colour(this.colours, this.tone);
    this.focus.colour(this.colours);
  }

  /** What the finding "holes" keeps of these codes, if anything. */
  async _holes() {
    const { codes, canvas, codesSha: sha } = this;
    canvas.draws.take(null);
    if (!this.data.holes || this.view.part !== "test") return;
    const holes = await fetchHoles(this.data.run, sha);
    if (codes !== this.codes) return;
    canvas.draws.take(holes);
    this._colour();
    this._placeDraws();
  }

  async _placeDraws() {
    const { layout, layoutOf: method, codesSha: sha } = this;
    if (!layout) return;
    await this.canvas.draws.place(layout, { run: this.data.run, sha, method });
    if (layout === this.layout) this._words();
  }

  // ---- layouts

  _layout(showAll) {
    if (showAll) this.beside.away();
    const { view, codes, codesSha: sha } = this;
    const { kind } = this._method();
    if (codes)
      this.source.show({ run: this.data.run, sha, codes, view, kind, base: this._base(), bits: this.bits }, showAll);
  }

  /** What Python tells of a kind of map, { name, title, kind, about }; undefined for one that is not offered. */
  _method(name = this.view.method) {
    return this.data.methods.find((method) => method.name === name);
  }

  _base() {
    const { loc, header } = this.codes;
    const { k } = header;
    return this.others === "chosen" && this.chosen !== null
      ? Float64Array.from(loc.subarray(this.chosen * k, this.chosen * k + k))
      : new Float64Array(k);
  }

  _place(layout, { showAll, glide = true, method = this.view.method }) {
    this.layout = layout;
    this.layoutOf = method;
    const { codes, canvas } = this;
    canvas.tiles.forget();
    canvas.shape = null; // it was drawn around places that are others now
    canvas.place(layout.places(codes.loc), layout, { glide, all: showAll });
    this.focus.selection.placed = { xy: canvas.to, method, names: placeNames(method, layout.axes) };
    if (layout.linear) canvas.shade.start(codes.loc, codes.header.k, (x, y) => layout.point(x, y));
    else if (layout.xy) canvas.shade.start(layout.xy, 2, (x, y) => [x, y]);
    else canvas.shade.clear(); // one dimension
    if (!layout.xy) this._placeDraws(); // on a fitted map when it is finished
    const decodes = this.decoder.decoder || !this.data.offline; // else the server
    this.sheet.box.hidden = this.view.method !== "plane" || !decodes;
    if (!this.sheet.box.hidden) this.sheet.draw(layout, this.decoder);
    this.landing.mark();
    this._words();
    if (!this.side.stats.decodes) this.beside.begin();
  }

  /** How far a fit is; null: this map needs none. */
  _fitted(status, outdated) {
    if (status && this.layout) this.landing.mark();
    if (["finished", "stopped"].includes(status?.state ?? "") && !outdated) this._placeDraws();
    this.outdated = Boolean(status && outdated);
    if (!status) this.fitLine.hide();
    else if (status.state !== "absent" || this.data.problem) this.fitLine.show(status, this._method().title, outdated);
  }

  /** Compute it once more: of the newest weights, where those of the map are older. */
  _again() {
    if (!this.outdated) return this._ask("start");
    this.source.close();
    return this._layout(true);
  }

  _ask(action) {
    const { method, part } = this.view;
    this.component.setTriggerValue("fit", { action, run: this.data.run, method, part });
    if (action === "start") this.fitLine.show({ state: "starting", iteration: 0, total: 0 }, this._method().title);
    this.source.expect();
  }

  // ---- the hand

  /** The spread of the chosen's posterior: it came with the codes, or the server tells it, or there is none. */
  async _spread() {
    const { codes, chosen, canvas } = this;
    canvas.spread = null;
    if (chosen === null || this.bits || !codes) return;
    const spread = await spreadOf(this.data.run, this.codesSha, this.view.part, codes, chosen);
    if (chosen === this.chosen && codes === this.codes) canvas.spread = spread;
  }

  _choose(index) {
    this.chosen = index;
    this.canvas.chosen = index ?? -1;
    this._spread();
    if (index === null || !this.codes) return;
    this.beside.choose(index);
    if (this.view.method === "dims" && this.others === "chosen") this._layout(false);
  }

  _others(others) {
    this.others = others;
    if (this.view.method === "dims") this._layout(false);
  }

  _beneath(kind) {
    this.canvas.tiles.kind = kind;
    this.canvas.wake("all");
    this._words();
  }

  _shade(on) {
    this.canvas.shade.on = on;
    this.canvas.wake("under");
    this._words();
  }

  _draws(on) {
    this.canvas.draws.shown = on;
    this.canvas.wake("all");
    if (this.layout) this._words();
  }

  // ---- an image from outside

  /** The map that is shown, as own.js takes it; null while there is none. */
  _map() {
    const { codes, layout, layoutOf, sha, source, view } = this;
    if (!codes || !layout) return null;
    if (this._method(layoutOf)?.kind !== "fitted") return { layout, sha, part: view.part, method: null };
    const { asked, status } = source;
    const finished = status?.state === "finished";
    return { layout, sha, part: asked.part, method: asked.method, finished, fitSha: asked.sha };
  }

  _words() {
    const { view, codes, chosen, others, bits } = this;
    const { plane } = this.source;
    const { draws, shade, tiles } = this.canvas;
    this.note.textContent = aboutLayout({
      view,
      method: this._method(),
      source: codes.header.source,
      k: codes.header.k,
      plane,
      bits,
      base: others === "chosen" && chosen !== null ? imageName(codes, chosen) : null,
      shaded: shade.on,
      draws: draws.count,
      beneath: tiles.kind,
    });
    this.canvas.stage.setAttribute(
      "aria-label",
      `Map of ${codes.header.source}: ${this._method().title}, coloured by ${view.colour}`,
    );
  }
}

export default renderer((root) => new LatentMap(root), ["map/map.css"]);
