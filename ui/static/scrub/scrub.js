// One scrubber over an ordered list of weights (a run at its moments, or the runs of a sweep) under a fixed z, image and
// map: what each decodes, what it makes of the image, where it puts 2,000 images, and what they cost it in nats.

import { whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { rgba } from "../train/preview_data.js";
import { follow } from "../shared/store.js";
import { imageName } from "../shared/codes.js";
import { packZ, priorDraw, readZ } from "../latent/space.js";
import { put } from "../modes/model.js";
import { codeField, oneOf, sender, text, View, wholeIn } from "../modes/view.js";
import { codeOf, meanOf, measured, Stops } from "./stops.js";
import { Panel } from "./panel.js";
import { axesOf, Plane, placesOf } from "./plane.js";
import { Strip } from "./strip.js";
import { ZSliders } from "./z_sliders.js";

const PLAY = 220; // milliseconds a stop while playing
const POLL = 700; // milliseconds at least between two looks for new moments
const FIELDS = {
  at: { read: text(/^[^\0]{1,80}$/, "a stop"), fallback: "", usual: "the last stop" },
  image: { read: wholeIn(0, 1999), fallback: 0 },
  z: { ...codeField, usual: "the code of the image" },
  show: { read: oneOf("z", "image"), fallback: "z" },
};

/**
 * @typedef {object} ScrubData  What Python says (ui/components/scrubber.py).
 * @property {string} run  by whose name the answers are known
 * @property {import("./stops.js").Stop[]} stops
 * @property {string | null} follow  the run whose new moments become stops
 * @property {import("../shared/types.js").ModelShape} shape
 * @property {"real" | "binary"} support
 * @property {string} title
 * @property {{ image: number, z: string }} held  to begin with
 * @property {Record<string, string> | null} start
 */

/** Fields of one scrubber's own: what it begins with is one page's. */
const ownFields = (fields) => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, { ...field }]));

class Scrubber {
  constructor(root) {
    this.root = root;
    this.fields = ownFields(FIELDS);
    this.view = new View(this.fields, sender(this));
    this.stops = new Stops(() => this.arrived());
    this.places = new Map(); // id of stop and plane -> (n, 2)
    this.terms = new Map();
    this.plane = new Plane((image) => this.change({ image }));
    this.strip = new Strip((i) => this.go(i, true));
    this.sliders = new ZSliders(
      (z) => this.hold(z),
      (z) => this.change({ z: packZ(z) }),
    );
    this.panel = new Panel(
      root,
      { plane: this.plane.root, strip: this.strip.root, sliders: this.sliders.root },
      {
        go: (i) => {
          this.pause();
          this.go(i);
        },
        rest: () => this.rest(),
        play: () => this.toggle(),
        show: (show) => this.change({ show }),
        fromImage: () => this.change({ z: "" }),
        random: () => this.change({ z: packZ(this._drawn()) }),
        other: () => this.change({ image: this._otherImage() }),
      },
    );
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.plane.root);
  }

  /** @param {ScrubData} data */
  update(data, component) {
    const other = this.data?.run !== data.run || this.data?.follow !== data.follow;
    this.data = data;
    this.component = component;
    this.panel.title.textContent = data.title;
    this.fields.image.fallback = data.held.image;
    this.fields.z.fallback = data.held.z;
    const moved = this.view.adopt(data.start) || other;
    if (other) {
      this.source?.close();
      this.source = data.follow ? follow(data.follow, () => this._news()) : null;
      this.listed = this.free = this.planeAsked = this.planeReady = this.imageShown = this.seen = null;
      this.planeProblem = "";
    }
    this._list(this.listed ?? data.stops, moved);
  }

  destroy() {
    this.pause();
    this.view.stop();
    this.source?.close();
    this.stops.close();
    this.strip.stop();
    this.observer.disconnect();
  }

  // ---- the stops

  _list(list, moved = false) {
    const before = this.stops.list[this.at];
    const wasLast = this.at === this.stops.list.length - 1;
    const last = list.length - 1;
    this.stops.set(list, this.data.shape);
    this.panel.range.max = String(Math.max(0, last));
    this.reference = Math.max(
      0,
      list.findLastIndex((stop) => stop.why !== "newest"),
    );
    this.strip.layout(list, this.data.shape);
    if (moved || !before) this.at = this._addressed(list);
    else if (wasLast && !this.timer) this.at = last;
    else this.at = list.findIndex((stop) => stop.key === before.key);
    if (this.at < 0) this.at = last;
    if (!list.length) return;
    this.stops.go(this.at);
    this.draw();
  }

  /** The place of the stop that the address names, the last one where it names none; −1 where there is none such. */
  _addressed(list) {
    const { at } = this.view.values;
    if (!at) return list.length - 1;
    const found = list.findIndex((stop) => stop.key === at);
    if (found < 0) {
      this.view.values = { ...this.view.values, at: "" };
      this.view.refuse("at", at, "the key of a stop, such as the step of a moment", "the last stop");
    }
    return found;
  }

  /** New weights of a run that trains: are there more moments? */
  async _news() {
    const { weights } = this.source?.store ?? {};
    if (!weights || weights === this.seen || this.asking) return;
    this.asking = true;
    try {
      const run = this.data.follow;
      const answer = await fetch(new URL(`runs/${encodeURIComponent(run)}/stops`, document.baseURI));
      if (answer.ok && run === this.data.follow) {
        this.listed = (await answer.json()).stops;
        this.seen = weights;
        this._list(this.listed);
      }
    } catch {
      // the next news asks again
    }
    setTimeout(() => {
      this.asking = false;
      this.source?.soon();
    }, POLL);
  }

  /** Show stop `i`; `rest`: for good. */
  go(i, rest = false) {
    this.at = Math.min(Math.max(0, i), this.stops.list.length - 1);
    this.stops.go(this.at);
    this.draw();
    if (rest) this.rest();
  }

  /** What is shown now stands in the address; the last stop needs no name: a run that trains moves on. */
  rest() {
    const last = this.at === this.stops.list.length - 1;
    this.view.change({ at: last ? "" : this.stops.list[this.at].key });
    this.draw();
  }

  toggle() {
    if (this.timer) return void this.pause();
    if (this.at === this.stops.list.length - 1) this.go(0);
    this.panel.play.textContent = "Pause";
    this.timer = setInterval(() => {
      if (this.at < this.stops.list.length - 1) return void this.go(this.at + 1);
      this.pause();
      this.rest();
    }, PLAY);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.panel.play.textContent = "Play";
  }

  // ---- what is held

  change(values) {
    this.view.change(values);
    this.free = null;
    this.draw();
  }

  /** A z that is still being dragged. */
  hold(z) {
    this.free = z;
    this.draw();
  }

  get z() {
    const { k } = this.data.shape;
    const { image, z } = this.view.values;
    if (this.free) return this.free;
    const given = readZ(z, k);
    if (given) return Float32Array.from(given);
    const codes = this.codes;
    return codes ? codeOf(codes, Math.min(image, codes.header.n - 1), this.data.support) : new Float32Array(k);
  }

  /** Those in whose plane the map is drawn, and whose code of the image is held. */
  get codes() {
    return this.stops.list.length ? this.stops.entry(this.reference).codes : null;
  }

  _drawn() {
    const { shape, support } = this.data;
    const seed = Math.floor(1e6 * Math.random());
    const z = priorDraw(shape.k, seed);
    return support === "binary" ? z.map((value) => Number(value > 0)) : z;
  }

  _otherImage() {
    return Math.floor(Math.random() * (this.codes?.header.n ?? 1));
  }

  // ---- drawing

  arrived() {
    const id = this._planeOf();
    if (this.codes && this.planeAsked !== id) this._framePlane(id);
    this.draw();
  }

  _planeOf() {
    const { run, sha } = this.stops.list[this.reference];
    return `${run}/at/${sha}`;
  }

  async _framePlane(id) {
    const { k } = this.data.shape;
    const { codes } = this;
    this.planeAsked = id;
    let plane = null;
    if (k > 2) {
      const [run, , sha] = id.split("/");
      const answer = await fetch(new URL(`runs/${encodeURIComponent(run)}/at/${sha}/plane`, document.baseURI)).catch(
        () => null,
      );
      if (!answer) return void (this.planeAsked = null);
      if (!answer.ok) this.planeProblem = await answer.text();
      else plane = await answer.json();
      if (this.planeAsked !== id) return;
    }
    const axes = axesOf(k, plane);
    this.planeReady = axes && codes ? id : null;
    if (!this.planeReady) return void this.draw();
    this.planeProblem = "";
    this.places.clear();
    this.plane.frame(axes, codes, this.data.support);
    this.draw();
  }

  draw() {
    const { list } = this.stops;
    if (!list.length || !this.data) return;
    const stop = list[this.at];
    this.panel.range.value = String(this.at);
    this.panel.range.setAttribute("aria-valuetext", stop.label);
    this.panel.now.textContent = stop.label;
    const entry = this.stops.entry(this.at);
    const z = this.z;
    this._picture("z", z);
    this._image(entry);
    this._terms(stop, entry);
    this._map(stop, entry, z);
    this.panel.shown.set(this.view.values.show);
    this.sliders.show(z, this.data, this.codes);
    this.strip.draw(this.at, `${this.view.values.show} ${this._subject}`, (i) => this._thumbnail(i));
    this._say(entry);
  }

  get _subject() {
    return this.view.values.show === "z" ? packZ(this.z) : this.view.values.image;
  }

  _thumbnail(i) {
    if (this.view.values.show === "z") return this.stops.mean(i, this.z, "z");
    const { codes } = this.stops.entry(i);
    return codes && this.stops.mean(i, codeOf(codes, this._row(codes), this.data.support), "image");
  }

  _row({ header }) {
    return Math.min(this.view.values.image, header.n - 1);
  }

  async _picture(name, z) {
    const canvas = this.panel.canvases[name];
    const answer = this.stops.mean(this.at, z, name);
    if (answer instanceof Promise) {
      const image = await answer;
      if (image) put(canvas, image);
    } else if (answer) put(canvas, answer);
  }

  _image({ codes }) {
    if (!codes) return;
    const row = this._row(codes);
    this._picture("image", codeOf(codes, row, this.data.support));
    const id = `${this._planeOf()} ${row}`;
    if (this.imageShown === id || !this.codes) return;
    this.imageShown = id;
    this.codes
      .image(row)
      .then((bytes) => {
        const { header } = codes;
        if (this.imageShown === id)
          put(this.panel.canvases.original, new ImageData(rgba(bytes, 0, header), header.width, header.height));
      })
      .catch(() => (this.imageShown = null));
    const label = codes.labels ? `, label ${codes.header.classes?.[codes.labels[row]] ?? codes.labels[row]}` : "";
    this.panel.called.textContent = `Held image: ${imageName(codes, row)}${label}.`;
  }

  _terms({ run, sha }, { codes, codesProblem }) {
    if (!codes) {
      this.panel.cost.textContent = codesProblem || "Encoding the held-out images …";
      return;
    }
    const id = `${run}/${sha}`;
    if (!this.terms.has(id)) this.terms.set(id, [meanOf(codes.distortion), meanOf(codes.rate)]);
    const [distortion, rate] = this.terms.get(id);
    const part = (name, value) => element("span", { className: name, text: `${name} ${measured(value)}` });
    this.panel.cost.replaceChildren(
      part("distortion", distortion),
      " · ",
      part("rate", rate),
      ` nats, ${whole(codes.header.n)} held-out images`,
    );
  }

  _map({ run, sha }, { codes }, z) {
    const id = this._planeOf();
    this.plane.root.hidden = Boolean(this.planeProblem);
    if (!codes || this.planeReady !== id) return;
    const key = `${run}/${sha}`;
    if (!this.places.has(key)) this.places.set(key, placesOf(codes, this.plane.axes));
    this.plane.draw(this.places.get(key), this._row(codes), z);
    const reference = this.stops.list[this.reference];
    const where =
      this.data.shape.k === 2
        ? "the latent plane"
        : this.data.shape.k === 1
          ? "z0; heights mean nothing"
          : `the PCA plane of ${reference.label}`;
    this.plane.caption.textContent = `Codes of ${whole(codes.header.n)} held-out images in ${where}. Ring: the image; cross: z. Click a point to hold its image.`;
    this.plane.canvas.setAttribute(
      "aria-label",
      `Map at ${this.stops.list[this.at].label}: codes of ${codes.header.n} held-out images`,
    );
  }

  _say({ problem, place }) {
    this.panel.refusal.textContent = this.view.refusal;
    const where =
      { page: "Decoded in this page.", server: "Decoded by the server." }[place] ?? "Fetching the decoder …";
    const trains = this.source && this.source.store.status && !this.source.store.ended;
    this.panel.words.textContent = [
      problem || where,
      this.planeProblem,
      trains ? "It trains: new moments appear as they are kept." : "",
    ]
      .filter(Boolean)
      .join(" ");
  }
}

export default renderer((root) => new Scrubber(root), ["modes/mode.css", "scrub/scrub.css"]);
