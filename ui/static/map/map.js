// Map: where the model puts the images, and what it decodes at each place. What the hand drives happens in this page;
// Python hears of the view (it keeps the address) and starts and stops fits.

import { intoAddress } from "../shared/address.js";
import { imageName, loadCodes } from "../shared/codes.js";
import { openDecoder } from "../decoder/client.js";
import { Arrive, brightOnDark, encode } from "./arrive.js";
import { MapCanvas } from "./canvas.js";
import { colouring } from "./colours.js";
import { Controls, FitLine } from "./controls.js";
import { assemble } from "./frame.js";
import { latentNearest } from "./index.js";
import { toBits } from "./layouts.js";
import { Legend } from "./legend.js";
import { OwnPicture, encodeAddress } from "./own.js";
import { Selection, allowedOf, placeNames } from "./selection.js";
import { PlaneSheet } from "./sheet.js";
import { LayoutSource, spreadOf } from "./source.js";
import { NEIGHBOURS, Side, describeImage, writeBits, writeCode } from "./side.js";
import { aboutIsolated, aboutLayout, aboutPicture, sameView } from "./words.js";
import { renderer } from "../shared/mount.js";

const CODES_EVERY = 15_000; // milliseconds between two looks at the codes of a model that trains
const OWN = new Set(["plane", "line", "dims"]); // their coordinates are those of the codes
const PREFETCH = 16e6; // bytes of images that are fetched without being asked for

class LatentMap {
  constructor(root) {
    this.root = root;
    this.view = {};
    this.told = []; // views that Python was told: it repeats them, late
    this.controls = new Controls({
      method: (method) => this._change({ method }),
      colour: (colour) => this._change({ colour }),
      dims: (i, j) => this._change({ i, j }),
      part: (part) => this._change({ part }),
      others: (others) => this._others(others),
      beneath: (kind) => this._beneath(kind),
      shade: (on) => this._shade(on),
      mode: (mode) => this.canvas && (this.canvas.input.mode = this.canvas.stage.dataset.mode = mode),
      zoom: (factor) => this.canvas.zoom(factor),
      fit: () => this.canvas.fit(),
    });
    this.canvas = new MapCanvas({
      hover: (at) => this._hover(at),
      choose: (index) => this._choose(index),
      select: (indices) => this._select(indices),
    });
    this.source = new LayoutSource({
      place: (layout, how) => this._place(layout, how),
      touched: () => this.canvas.touched,
      status: (status, outdated) => this._fitted(status, outdated),
      start: () => this._ask("start"),
      problem: (sentence) => (this.problem.textContent = sentence),
    });
    this.fitLine = new FitLine({ start: () => this._again(), stop: () => this._ask("stop") });
    this.legend = new Legend({
      isolate: (classes) => this._isolate(classes),
      pick: () => this._select(allowedOf(Uint32Array.from(this.isolated.keys()), this.isolated)),
    });
    this.side = new Side();
    this.side.stats = this.canvas.stats;
    this.canvas.stats.decodes = 0;
    this.selection = new Selection({ clear: () => this._select(null), choose: (index) => this._choose(index) });
    this.own = new OwnPicture({ encode: (blob, drawn) => this._send(blob, drawn), changed: () => this._rearrive() });
    this.arrive = new Arrive({
      send: (blob, drawn) => this._send(blob, drawn),
      landed: (answer) => this._landed(answer),
    });
    this.sheet = new PlaneSheet({ point: (x, y) => this.canvas.point(x, y) });
    assemble(this, root);
  }

  destroy() {
    clearTimeout(this.later);
    this.source.close();
    this.decoder?.close();
    this.canvas.destroy();
  }

  update(data, component) {
    this.component = component;
    const moved =
      this.data && !sameView(data.view, this.data.view) && !this.told.some((view) => sameView(view, data.view));
    const other = data.run !== this.data?.run || data.k !== this.data?.k;
    this.data = data;
    this.problem.textContent = data.problem ?? "";
    if (other) this._open();
    else if (moved) this._go({ ...data.view });
    else if (this.root.dataset.tone !== this.tone && this.codes) this._colour();
    if (data.problem) this.source.expect();
  }

  _open() {
    clearTimeout(this.later);
    this.source.close();
    this.decoder?.close();
    this.bits = this.data.support === "binary";
    Object.assign(this, {
      codes: null,
      layout: null,
      shown: null,
      chosen: null,
      inside: null,
      indices: null,
      sha: null,
      others: "0",
    });
    this.view = { ...this.data.view };
    this.told = [this.view];
    this.waiting.hidden = false;
    this.waiting.textContent = "Fetching the codes…";
    this.arrive.reset();
    this.sheet.box.hidden = this.view.method !== "plane";
    this.side.nearest();
    this.fitLine.hide();
    this._controls();
    this.decoder = this.canvas.decoder = openDecoder(this.data.run, { onModel: () => this._onModel() });
  }

  _controls() {
    const { methods, k } = this.data;
    const parts = this.codes?.header.parts ?? [this.view.part];
    this.controls.show({
      methods,
      parts,
      k,
      bits: this.bits,
      view: { ...this.view, others: this.others },
      codes: this.codes,
    });
  }

  /** A decoder, a newer one, or a problem. */
  _onModel() {
    const { decoder } = this;
    this.side.problem.textContent = [decoder.reason, decoder.problem].filter(Boolean).join(" ");
    if (!decoder.sha || decoder.sha === this.sha) return;
    this.sha = decoder.sha;
    this.canvas.tiles.forget();
    this.canvas.wake("under");
    if (this.shown) this._decode(...this.shown);
    if (this.layout && this.view.method === "plane") this.sheet.draw(this.layout, decoder);
    clearTimeout(this.later);
    const wait = this.codes ? Math.max(0, this.loadedAt + CODES_EVERY - Date.now()) : 0;
    this.later = setTimeout(() => this._load(), wait);
  }

  /** The user's change: shown at once, told to the address and to Python. */
  _change(change) {
    this._go({ ...this.view, ...change });
    intoAddress(this.view);
    this.told = [...this.told.slice(-20), this.view];
    this.component.setStateValue("view", { run: this.data.run, ...this.view });
  }

  _go(view) {
    const before = this.view;
    this.view = view;
    this._controls();
    if (view.part !== before.part) return void this._load();
    if (view.method !== before.method || view.i !== before.i || view.j !== before.j) this._layout(true);
    if (view.colour !== before.colour) this._colour();
  }

  async _load() {
    const {
      sha,
      view: { part },
    } = this;
    const call = (this.call = (this.call ?? 0) + 1);
    try {
      const codes = await loadCodes(this.data.run, sha, part);
      if (call !== this.call) return;
      const first = !this.codes || this.codes.header.n !== codes.header.n;
      Object.assign(this, { codes, codesSha: sha, loadedAt: Date.now() });
      this.describe = (index) => describeImage(codes, index);
      this.waiting.hidden = true;
      this._ready(first);
    } catch (error) {
      if (call !== this.call) return;
      this.waiting.hidden = false;
      this.waiting.textContent = error.message;
    }
  }

  _ready(first) {
    const { codes, canvas } = this;
    this.side.start(codes, this.describe);
    this.arrive.header = codes.header;
    if (first) {
      this.chosen = this.inside = this.indices = null;
      canvas.chosen = -1;
      canvas.shape = null;
      canvas.stats.first = canvas.stats.decodes = 0;
      this.selection.start(this.data.run, codes, this.describe);
    } else Object.assign(this.selection, { codes, describe: this.describe });
    this._spread();
    this._controls();
    this._colour();
    this._layout(first);
    setTimeout(() => this._images(codes), 400);
  }

  async _images(codes) {
    try {
      if (codes.header.n * codes.size <= PREFETCH) await codes.images();
      this.arrive.start(codes.header, brightOnDark(await codes.image(0), codes.header));
    } catch {
      // the thumbnails say so themselves
    }
  }

  _colour() {
    if (!this.codes) return; // then with them
    this.tone = this.root.dataset.tone;
    const by = this.view.colour === "label" && !this.codes.labels ? "rate" : this.view.colour;
    this.colours = colouring(this.codes, by, this.tone, this.bits);
    this.canvas.colour(this.colours, this.tone);
    this.legend.show(this.colours, this.tone);
    this._isolate(new Set());
  }

  // ---- layouts

  _layout(fit) {
    if (fit) this._away();
    const { view, codes, codesSha: sha } = this;
    const { kind } = this._method();
    if (codes)
      this.source.show({ run: this.data.run, sha, codes, view, kind, base: this._base(), bits: this.bits }, fit);
  }

  /** What Python tells of a kind of map, { name, title, kind, about }; undefined for one that is not offered. */
  _method(name = this.view.method) {
    return this.data.methods.find((method) => method.name === name);
  }

  _base() {
    const {
      loc,
      header: { k },
    } = this.codes;
    return this.others === "chosen" && this.chosen !== null
      ? Float64Array.from(loc.subarray(this.chosen * k, this.chosen * k + k))
      : new Float64Array(k);
  }

  _place(layout, { fit, glide = true, method = this.view.method }) {
    Object.assign(this, { layout, layoutOf: method });
    const { codes, canvas } = this;
    canvas.tiles.forget();
    canvas.shape = null; // it was drawn around places that are others now
    canvas.place(layout.places(codes.loc), layout, { glide, fit });
    this.selection.placed = { xy: canvas.to, method, names: placeNames(method, layout.axes) };
    if (layout.linear) canvas.shade.start(codes.loc, codes.header.k, (x, y) => layout.point(x, y));
    else if (layout.xy) canvas.shade.start(layout.xy, 2, (x, y) => [x, y]);
    else canvas.shade.clear(); // one dimension
    this.sheet.box.hidden = this.view.method !== "plane";
    if (this.view.method === "plane") this.sheet.draw(layout, this.decoder);
    this._rearrive();
    this._words();
    if (!this.side.stats.decodes) this._begin();
  }

  /** Another map: what was pointed at on the one before is not under the pointer any more. */
  _away() {
    if (!this.pointed || !this.codes) return;
    this.canvas.pointer = null;
    this.side.nearest(undefined);
    this._begin();
  }

  /** Before the pointer has been anywhere: what the prior's mean decodes to. */
  _begin() {
    const z = new Float64Array(this.codes.header.k);
    this._decode(
      z,
      this.bits ? `The code ${writeBits(z)}. Move over the map.` : "z = 0, the prior’s mean. Move over the map.",
    );
  }

  /** How far a fit is; null: this map needs none. */
  _fitted(status, outdated) {
    if (status && this.layout) this._rearrive();
    this.outdated = Boolean(status && outdated);
    if (!status) this.fitLine.hide();
    else if (status.state !== "absent" || this.data.problem)
      this.fitLine.show(status, this._method().title, outdated);
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

  _hover(at) {
    if (!at || !this.layout || !this.codes) return;
    this.side.nearest(at.near?.index);
    const z = this.layout.code(at.x, at.y);
    if (!z) return;
    const place =
      this.layout.exact && OWN.has(this.view.method)
        ? ""
        : ` · map ${writeCode([at.x, at.y], Math.max(1, at.digits))}`;
    this._decode(z, `z = ${this.bits ? writeBits(z) : writeCode(z, Math.max(2, at.digits))}${place}`);
    this.pointed = true;
  }

  /** What a code decodes to, of probabilities their nearest code, with words; `asked`: look for its neighbours. */
  _decode(z, words, asked = true) {
    this.shown = [Float64Array.from(z), words, asked];
    this.pointed = false;
    this.side.decoded(this.decoder.mean(this.bits ? toBits(Float64Array.from(z)) : z), asked ? z : null, words);
  }

  /** The spread of the chosen's posterior: it came with the codes, or the server tells it, or there is none. */
  async _spread() {
    const {
      codes,
      codesSha,
      chosen,
      canvas,
      view: { part },
    } = this;
    canvas.spread = null;
    if (chosen === null || this.bits || !codes) return;
    const spread = await spreadOf(this.data.run, codesSha, part, codes, chosen);
    if (chosen === this.chosen && codes === this.codes) canvas.spread = spread;
  }

  _choose(index) {
    this.chosen = index;
    this.canvas.chosen = index ?? -1;
    this._spread();
    if (index === null || !this.codes) return;
    const {
      loc,
      header: { k },
    } = this.codes;
    const z = loc.subarray(index * k, index * k + k);
    this.side.nearest(index);
    this._decode(
      z,
      `z = ${this.bits ? `${writeBits(z)}, the likeliest code` : `${writeCode(z)}, the posterior mean`} of ${imageName(this.codes, index)}`,
      false,
    );
    this.side.neighbours(
      latentNearest(loc, k, z, NEIGHBOURS, index),
      `Nearest to ${imageName(this.codes, index)} in latent space`,
    );
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

  _isolate(classes) {
    const { kinds } = this.colours;
    this.isolated = classes.size ? Uint8Array.from(kinds, (kind) => (classes.has(kind) ? 1 : 0)) : null;
    this._count();
  }

  /** What is inside a lasso or box; null: there is none. */
  _select(inside) {
    this.inside = inside;
    if (!inside) this.canvas.shape = null;
    this._count();
  }

  /** Of those inside only the isolated classes count, whichever came first. */
  _count() {
    const { inside, legend } = this;
    this.indices = allowedOf(inside, this.isolated);
    if (!inside) this.selection.clear();
    else
      this.selection.show(
        this.indices,
        (name) => legend.colourOf(name),
        aboutIsolated(legend.names(), this.indices.length, inside.length),
      );
    this._focus();
  }

  _focus() {
    const { indices, isolated } = this;
    if (!indices?.length) this.canvas.focus = isolated;
    else {
      const focus = new Uint8Array(this.codes.header.n);
      for (const index of indices) focus[index] = isolated ? isolated[index] : 1;
      this.canvas.focus = focus;
    }
  }

  // ---- an image from outside

  async _send(blob, drawn) {
    if (!this.codes || !this.layout) throw new Error("The codes are not there yet.");
    const of = this._map();
    return { ...(await encode(encodeAddress(this.data.run, of, drawn), blob)), of, blob, drawn };
  }

  /** The map that is shown, as map_own.js takes it. */
  _map() {
    const {
      layout,
      layoutOf,
      sha,
      source: { asked, status },
      view: { part },
    } = this;
    if (this._method(layoutOf)?.kind !== "fitted") return { layout, sha, part, method: null };
    return {
      layout,
      sha,
      part: asked.part,
      method: asked.method,
      finished: status?.state === "finished",
      fitSha: asked.sha,
    };
  }

  _landed(answer) {
    this.own.take(answer);
    this._rearrive();
    if (!answer) return "";
    const z = Float64Array.from(answer.z);
    this.side.nearest(undefined);
    this._decode(z, `z = ${this.bits ? writeBits(z) : writeCode(z)}, your picture’s code`);
    return this.arrive.note.textContent;
  }

  /** The mark of the user's picture on the map of now, or none, and the sentence about it. */
  _rearrive() {
    const { own, canvas } = this;
    canvas.arrivals = [];
    const found = own?.picture && this.layout && own.locate(this._map());
    if (found) {
      const { picture } = own;
      canvas.arrivals = [{ place: found.place, spread: picture.log_variance || picture.covariance ? picture : null }];
      this.arrive.note.textContent = aboutPicture(picture, found, this.bits);
    }
    canvas.wake("over");
  }

  _words() {
    const {
      view,
      codes,
      chosen,
      others,
      source: { plane },
    } = this;
    const { shade, tiles } = this.canvas;
    this.note.textContent = aboutLayout({
      view,
      method: this._method(),
      source: codes.header.source,
      k: codes.header.k,
      plane,
      bits: this.bits,
      base: others === "chosen" && chosen !== null ? imageName(codes, chosen) : null,
      shaded: shade.on,
      beneath: tiles.kind,
    });
    this.canvas.stage.setAttribute(
      "aria-label",
      `Map of ${codes.header.source}: ${this._method().title}, coloured by ${view.colour}`,
    );
  }
}

export default renderer((root) => new LatentMap(root), ["map/map.css"]);
