// The buttons around the sliders: where to start, what the ranges are, play, undo.

import { element } from "../shared/mount.js";
import { wholeField } from "../modes/controls.js";

const button = (text, className = "button") => element("button", { className, type: "button", text });

export class Controls {
  /** @type {HTMLButtonElement} */ priorMean;
  /** @type {HTMLButtonElement} */ priorDraw;
  /** @type {ReturnType<typeof wholeField>} */ seedField;
  /** @type {HTMLSelectElement} */ classes;
  /** @type {HTMLElement} the image in use */ chosen;
  /** @type {HTMLButtonElement} */ postMean;
  /** @type {HTMLButtonElement} */ postSample;
  /** @type {HTMLButtonElement[]} what the sliders reach over */ ranges;
  /** @type {HTMLElement} */ range;
  /** @type {HTMLElement} */ imageRow;
  /** @type {HTMLButtonElement} */ play;
  /** @type {HTMLSelectElement} */ dimension;
  /** @type {number[]} of the dimensions, as listed */ order;

  /** `on`: priorMean(), priorDraw(seed), classMean(place), postMean(), postSample(), range(kind), play(), undo(), reset() */
  constructor(on, words) {
    this.on = on;
    this.words = words; // what the starts are called
    this.seed = 0; // of the last draw from the prior
    this._starts();
    this._image();
    this._play();
    this.undo = button("Undo", "plain");
    this.reset = button("Reset all", "plain");
    this.undo.title = "Ctrl+Z";
    this.undo.addEventListener("click", () => on.undo());
    this.reset.addEventListener("click", () => on.reset());
    this.head = element("span", { className: "head" }, this.undo, this.reset);
    this.box = element(
      "div",
      { className: "controls" },
      element("div", { className: "row" }, this.priorMean, this.priorDraw, this.seedField.root, this.classes),
      this.seedField.problem,
      element("div", { className: "row" }, this.play, this.dimension),
    );
  }

  _starts() {
    this.priorMean = button(this.words.origin);
    this.priorDraw = button("Prior draw");
    this.seedField = wholeField("seed", (seed) => this._draw(seed), { most: 999_999_999, name: "Seed of the draw" });
    this.classes = element("select", { "aria-label": `Start from the ${this.words.label} of a label` });
    this.priorMean.addEventListener("click", () => this.on.priorMean());
    this.priorDraw.addEventListener("click", () => this._draw(this.seed + 1));
    this.classes.addEventListener("change", () => {
      if (this.classes.value !== "") this.on.classMean(Number(this.classes.value));
      this.classes.value = "";
    });
    this.labels([]);
  }

  _draw(seed) {
    this.seed = seed;
    this.seedField.set(seed);
    this.on.priorDraw(seed);
  }

  _image() {
    this.chosen = element("span", { className: "chosen" });
    this.postMean = button(this.words.mean);
    this.postSample = button("Posterior sample");
    this.ranges = [
      ["prior", "Range: prior"],
      ["posterior", "posterior"],
    ].map(([kind, text]) => {
      const choice = element("button", { type: "button", text, "aria-pressed": String(kind === "prior") });
      choice.dataset.kind = kind;
      choice.addEventListener("click", () => this.on.range(kind));
      return choice;
    });
    this.range = element(
      "div",
      { className: "switch", role: "group", "aria-label": "Range of the sliders" },
      ...this.ranges,
    );
    this.postMean.addEventListener("click", () => this.on.postMean());
    this.postSample.addEventListener("click", () => this.on.postSample());
    this.imageRow = element(
      "div",
      { className: "row", hidden: "" },
      this.chosen,
      this.postMean,
      this.postSample,
      this.range,
    );
  }

  _play() {
    this.play = button("▶ Cycle");
    this.dimension = element("select", { "aria-label": "Dimension to cycle through" });
    this.play.addEventListener("click", () => this.on.play());
    this.dimension.addEventListener("change", () => this.on.choose(Number(this.dimension.value)));
  }

  /** The dimensions that can be played, in the sliders' order. */
  dimensions(order, chosen) {
    if (order !== this.order)
      this.dimension.replaceChildren(...order.map((d) => element("option", { value: d, text: `z${d}` })));
    this.order = order;
    this.dimension.value = String(chosen);
  }

  playing(yes) {
    this.play.textContent = yes ? "■ Stop" : "▶ Cycle";
    this.play.setAttribute("aria-pressed", String(yes));
  }

  /** Labels whose mean code can be started from, by name. */
  labels(names) {
    const options = names.map((text, place) =>
      element("option", { value: place, text: `${this.words.label} of ${text}` }),
    );
    this.classes.replaceChildren(element("option", { value: "", text: `${this.words.label} of a label…` }), ...options);
    this.classes.hidden = !names.length;
  }

  /** The image in use: its title, whether its posterior can be drawn from, whether it has ranges; null takes the row away. */
  image(title, { draws = false, ranges = false } = {}) {
    this.imageRow.hidden = title === null;
    this.chosen.textContent = title ?? "";
    this.postSample.hidden = !draws;
    this.range.hidden = !ranges;
  }

  ranged(kind) {
    for (const choice of this.ranges) choice.setAttribute("aria-pressed", String(choice.dataset.kind === kind));
  }
}
