// Explore: sliders over the latent dimensions and the image that they decode to. Everything the hand drives happens in
// this page; Python hears of z when it is released.

import { intoAddress } from "../shared/address.js";
import { openDecoder } from "../decoder/client.js";
import { HeldOut } from "./held_out.js";
import { Controls } from "./controls.js";
import { Images } from "./images.js";
import { awayWord, weightsWord } from "../latent/words.js";
import { Pace, easing } from "./motion.js";
import { NearestImage } from "./nearest.js";
import { Picture } from "./picture.js";
import { ImagePosterior } from "./posterior.js";
import { Trail, packZ, rangeOf, readZ, rounded } from "../latent/space.js";
import { SUPPORTS } from "./supports.js";
import { element, renderer } from "../shared/mount.js";
import { follow } from "../shared/store.js";

const KEY_PAUSE = 350; // milliseconds after the last key until z counts as released
const REST = 90; // milliseconds without a new picture after which sample and neighbour follow
const QUICK = 5; // milliseconds: a picture that takes longer is not drawn twice while the hand moves

/** @import { Handle } from "../decoder/client.js" */
/** @import { Component } from "../shared/types.js" */
/** @import { ExploreData, Motion } from "./types.js" */

class Explore {
  /** @type {ExploreData} */ data;
  /** @type {Component<ExploreData>} */ component;
  /** @type {number} dimensions */ k;
  /** @type {Handle} */ decoder;
  /** @type {string | null} the weights that decode */ sha;
  /** @type {Float64Array} */ z;
  /** @type {Float64Array} what "reset" goes back to */ base;
  /** @type {string | null} the z that Python was sent last */ sent;
  /** @type {number} the dimension in hand */ dimension;
  /** @type {"prior" | "posterior"} */ rangeKind;
  /** @type {boolean} whether a slider is in hand */ held;
  /** @type {Motion | null} */ motion = null;
  /** @type {boolean} whether a picture is decoded within QUICK */ quick;
  /** @type {string | null} pictures per second, in words */ speed;

  constructor(root, { data }) {
    this.kind = SUPPORTS[data.support];
    this.sampleSeed = 1;
    this.draws = 0; // posterior samples so far; the next one's seed
    this.trail = new Trail();
    this.pace = new Pace();
    this._build(root);
    root.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "z" && !event.target.matches("input")) {
        event.preventDefault();
        this._undo();
      }
    });
  }

  _build(root) {
    this.sliders = new this.kind.Controls({
      move: (dimension, value, by) => this._move(dimension, value, by),
      release: () => this._release(),
      reset: (dimension) => this._resetOne(dimension),
      play: (dimension) => this._play(dimension),
      touch: (dimension) => this._touch(dimension),
      value: (dimension) => this.z[dimension],
    });
    this.controls = new Controls(
      {
        priorMean: () => this._start(new Float64Array(this.k)),
        priorDraw: (seed) => this._start(this.kind.priorDraw(this.k, seed)),
        classMean: (place) => this._start(this.means[place].z),
        postMean: () => this._start(this.posterior.known.code),
        postSample: () => this._start(this.kind.posteriorDraw(this.posterior.known, ++this.draws)),
        range: (kind) => this._range(kind),
        play: () => this._play(this.dimension),
        choose: (dimension) => this._touch(dimension),
        undo: () => this._undo(),
        reset: () => this._start(this.base),
      },
      this.kind.words,
    );
    this.place = new this.kind.Place();
    this.picture = new Picture(
      { another: () => this._another(), take: (index) => this._take(index), run: () => this.data.run },
      this.place,
    );
    this.heldOut = new HeldOut({
      codes: (codes) => this._useCodes(codes),
      failed: (sentence) => this.images.clear(sentence),
    });
    this.posterior = new ImagePosterior(this.heldOut, () => this._usePosterior());
    this.images = new Images({ take: (index) => this._take(index) }, this.controls.imageRow);
    this.nearest = new NearestImage(this.kind, this.heldOut, this.images, this.picture);
    this.title = element("h3", { className: "er-title" });
    const left = element(
      "section",
      { className: "left" },
      element("header", {}, this.title, this.controls.head),
      this.sliders.box,
      this.controls.box,
    );
    root.append(element("div", { className: "explore" }, this.picture.large, left, this.picture.side, this.images.box));
  }

  // ---- data from Python and the decoder

  update(data, component) {
    this.component = component;
    if (data.run !== this.data?.run || data.k !== this.k) this._open(data);
    else if (!data.echo && data.z !== this.data.z) this._start(readZ(data.z, this.k) ?? new Float64Array(this.k), true);
    this.data = data;
  }

  _open(data) {
    this._stop();
    this.decoder?.close();
    this.data = data;
    this.k = data.k;
    this.posterior.clear();
    this.held = false;
    this.heldOut.open(data.run);
    this.z = readZ(data.z, this.k) ?? new Float64Array(this.k);
    this.base = Float64Array.from(this.z);
    this.trail.clear(this.z);
    this.sha = this.sent = this.speed = null;
    this.rangeKind = "prior";
    this.sliders.start(this.k, data.rates, this.z, data.factorises);
    this._entitle();
    this.sliders.range(
      Array.from(this.z, () => rangeOf()),
      this.z,
    );
    this.controls.image(null);
    this.controls.ranged("prior");
    this.controls.labels([]);
    this._touch(this.sliders.order[0]);
    this.picture.clear("Fetching the decoder…");
    this.nearest.clear();
    this.images.clear("Fetching the images…");
    this._words();
    this.live?.close();
    this.live = follow(data.run, () => this.decoder && this._troubles());
    this.decoder = openDecoder(data.run, { onModel: () => this._onModel() });
  }

  /** A decoder, a newer one, or a problem. The sliders stay where they are. */
  _onModel() {
    const { decoder } = this;
    this._troubles();
    if (!decoder.sha) {
      this.picture.clear(decoder.problem);
      this.images.clear("");
      return;
    }
    this._where();
    const rates = decoder.store?.history.ratePerDim;
    if (rates?.length === this.k && this.sha) this._rate(rates);
    if (decoder.sha === this.sha) return;
    this.sha = decoder.sha;
    this._soon();
    this.heldOut.want(this.sha);
  }

  /** What is not as it should be, beneath the picture. */
  _troubles() {
    const { decoder, live } = this;
    const away = awayWord(live.store.linked, decoder.place);
    this.picture.problem.textContent = decoder.sha
      ? [decoder.reason, away || decoder.problem].filter(Boolean).join(" ")
      : "";
  }

  _useCodes(codes) {
    const { k, rate_per_dim: rates } = codes.header;
    this.images.start(codes).then(() => this.heldOut.fetchAhead());
    this.means = codes.labels ? this.kind.classCodes(codes.loc, k, codes.labels) : [];
    this.controls.labels(this.means.map(({ label }) => this.images.nameOf(label)));
    if (rates && !this.data.rates) this._rate(rates);
    const { index } = this.posterior;
    if (index !== null) this.posterior.read(index, this.kind, this.data.factorises);
    this._rest();
  }

  _rate(rates) {
    this.sliders.rate(rates);
    this._entitle();
  }

  _entitle() {
    const order = this.data.factorises ? ", by rate in nats" : ", by KL of the marginals in nats";
    this.title.textContent = this.kind.dimensions + (this.sliders.rates ? order : "");
  }

  destroy() {
    this._stop();
    this.decoder?.close();
    this.live?.close();
    this.heldOut.open(null);
    cancelAnimationFrame(this.frame);
    for (const timer of [this.keyTimer, this.restTimer]) clearTimeout(timer);
  }

  // ---- what the hand asks for

  _touch(dimension) {
    this.dimension = dimension;
    this.controls.dimensions(this.sliders.order, dimension);
  }

  _move(dimension, value, by = "hand") {
    this._stop();
    this.held = true;
    this.z[dimension] = value;
    this._soon();
    clearTimeout(this.keyTimer);
    if (by === "key") this.keyTimer = setTimeout(() => this._release(), KEY_PAUSE);
  }

  _resetOne(dimension) {
    const z = Float64Array.from(this.z);
    z[dimension] = this.base[dimension];
    this._ease(z);
  }

  /** Begin anew from z: what "reset" goes back to from now on. `quiet`: Python knows it already. */
  _start(z, quiet = false) {
    this.base = rounded(z);
    this._ease(this.base, quiet);
  }

  _ease(to, quiet = false) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.sliders.widen(to);
    this._stop();
    this.motion = { ...easing(this.z, to, performance.now(), still ? 0 : this.kind.duration), quiet };
    this._soon();
  }

  _play(dimension) {
    const again = this.motion?.dimension !== dimension;
    this._halt();
    if (!again) return;
    this._touch(dimension);
    this.motion = this.kind.cycle(dimension, this.z, this.sliders.ranges?.[dimension], performance.now());
    this.controls.playing(true);
    this.sliders.playing(dimension);
    this._soon();
  }

  _undo() {
    this._release();
    const z = this.trail.undo();
    if (!z) return;
    this._ease(z);
  }

  _another() {
    this.sampleSeed += 1;
    this._rest();
  }

  _range(kind) {
    this.rangeKind = kind;
    this.controls.ranged(kind);
    const { known } = this.posterior;
    const own = kind === "posterior" && known?.scale;
    this.sliders.range(
      Array.from(this.z, (_, i) => (own ? rangeOf(known.loc[i], known.scale[i]) : rangeOf())),
      this.z,
    );
    this._soon();
  }

  /** Start from held-out image `index`: its posterior mean, or its most probable code. */
  _take(index) {
    this.posterior.read(index, this.kind, this.data.factorises);
    this._start(this.posterior.known.code);
  }

  /** Mark it, and offer what it has: bits are drawn by their probabilities, real numbers take a spread. */
  _usePosterior() {
    const { index, known } = this.posterior;
    const { scale } = known;
    const binary = this.data.support === "binary";
    this.images.press(index);
    this.controls.image(this.images.title(index), { draws: binary || Boolean(scale), ranges: Boolean(scale) });
    this.sliders.mark(binary || scale ? known : null);
    if (scale || this.data.factorises) this._range(scale ? this.rangeKind : "prior");
    this._soon();
  }

  // ---- moving and coming to rest

  _stop() {
    if (!this.motion) return;
    this.motion = null;
    this.controls.playing(false);
    this.sliders.playing(null);
  }

  /** Stop, and count where z is now as released. */
  _halt() {
    if (!this.motion) return;
    this._stop();
    this._release();
  }

  /** z stays where it is: round it, remember it, tell Python. */
  _release(quiet = false) {
    clearTimeout(this.keyTimer);
    this.held = false;
    this.z = rounded(this.z);
    this._soon();
    if (this.trail.push(this.z) || this.sent !== packZ(this.z)) this._send(quiet);
  }

  _send(quiet) {
    this.controls.undo.disabled = !this.trail.canUndo;
    this.picture.describe(this.kind.describe(this.z));
    this.sent = packZ(this.z);
    if (quiet) return;
    intoAddress({ z: this.sent });
    this.component.setStateValue("z", { run: this.data.run, z: this.sent, moment: Date.now() });
  }

  _soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this._draw();
    });
  }

  _draw() {
    if (this.motion) {
      const { z, done } = this.motion.at(performance.now(), this.z);
      this.z = z;
      if (done) {
        const { quiet } = this.motion;
        this._stop();
        this._release(quiet);
      } else this._soon();
    }
    this.sliders.show(this.z);
    this.place.show(this.z, this.base);
    this._decode();
  }

  _decode() {
    const begin = performance.now();
    const image = this.decoder.mean(this.z);
    if (image instanceof Promise) {
      image.then((late) => late && this._show(late));
      this.quick = false;
    } else if (image) {
      this._show(image);
      this.quick = performance.now() - begin < QUICK;
    }
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => this._rest(), REST);
    if (this.quick && begin - (this.followed ?? 0) > REST) this._rest();
  }

  _show(image) {
    this.picture.showMean(image);
    this.pace.tick(performance.now());
    this._where();
  }

  /** Where the image was decoded, how fast, of which snapshot. */
  _where() {
    const { decoder, pace } = this;
    if (Number.isFinite(pace.perSecond)) this.speed = `${Math.round(pace.perSecond)} pictures/s`; // stays at rest
    const words = [decoder.word, this.speed, weightsWord(decoder.step)];
    this.picture.place.textContent = words.filter(Boolean).join(" · ");
  }

  _words() {
    this.controls.undo.disabled = !this.trail.canUndo;
    this.picture.describe(this.kind.describe(this.z));
    this.place.show(this.z, this.base);
  }

  /** What need not keep up with the hand: the sample of p(x|z), and the nearest real image. */
  _rest() {
    this.followed = performance.now();
    const seed = this.sampleSeed;
    Promise.resolve(this.decoder.sample(this.z, seed)).then((image) => image && this.picture.showSample(image, seed));
    this.nearest.show(this.z, this.sha, this.held || Boolean(this.motion));
  }
}

export default renderer((root, component) => new Explore(root, component), ["explore/explore.css"]);
