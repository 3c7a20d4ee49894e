// The buttons around the sliders: where to start, what the ranges are, play, undo.

import { element } from "./mount.js";

const button = (text, className = "button") => element("button", { className, type: "button", text });

/** A seed that somebody typed, a whole number; null if it is none. */
export function parseSeed(text) {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text) : null;
}

export class Controls {
  /** `on`: priorMean(), priorDraw(seed), classMean(place), postMean(), postSample(), range(kind), play(), undo(), reset() */
  constructor(on) {
    this.on = on;
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
    this.box = element("div", { className: "controls" },
      element("div", { className: "row" }, this.priorMean, this.priorDraw, this.seedLabel, this.classes),
      element("div", { className: "row" }, this.play, this.dimension));
  }

  _starts() {
    this.priorMean = button("Prior mean");
    this.priorDraw = button("Prior draw");
    this.seedField = element("input", { className: "seed", inputmode: "numeric", autocomplete: "off", "aria-label": "Seed of the draw", placeholder: "–" });
    this.seedLabel = element("label", { className: "seeded" }, "seed ", this.seedField);
    this.classes = element("select", { "aria-label": "Start from the mean code of a label" });
    this.priorMean.addEventListener("click", () => this.on.priorMean());
    this.priorDraw.addEventListener("click", () => this._draw(this.seed + 1));
    const take = (again) => {
      const seed = parseSeed(this.seedField.value);
      if (seed === null) this.seedField.value = this.seed ? String(this.seed) : "";
      else if (again || seed !== this.seed) this._draw(seed);
    };
    this.seedField.addEventListener("keydown", (event) => event.key === "Enter" && take(true));
    this.seedField.addEventListener("change", () => take(false));
    this.classes.addEventListener("change", () => {
      if (this.classes.value !== "") this.on.classMean(Number(this.classes.value));
      this.classes.value = "";
    });
    this.labels([]);
  }

  _draw(seed) {
    this.seed = seed;
    this.seedField.value = String(seed);
    this.on.priorDraw(seed);
  }

  _image() {
    this.chosen = element("span", { className: "chosen" });
    this.postMean = button("Posterior mean");
    this.postSample = button("Posterior sample");
    this.range = element("div", { className: "switch", role: "group", "aria-label": "Range of the sliders" });
    for (const [kind, text] of [["prior", "Range: prior"], ["posterior", "posterior"]]) {
      const choice = element("button", { type: "button", text, "aria-pressed": String(kind === "prior") });
      choice.dataset.kind = kind;
      choice.addEventListener("click", () => this.on.range(kind));
      this.range.append(choice);
    }
    this.postMean.addEventListener("click", () => this.on.postMean());
    this.postSample.addEventListener("click", () => this.on.postSample());
    this.imageRow = element("div", { className: "row", hidden: "" }, this.chosen, this.postMean, this.postSample, this.range);
  }

  _play() {
    this.play = button("▶ Cycle");
    this.dimension = element("select", { "aria-label": "Dimension to cycle through" });
    this.play.addEventListener("click", () => this.on.play());
    this.dimension.addEventListener("change", () => this.on.choose(Number(this.dimension.value)));
  }

  /** The dimensions that can be played, in the sliders' order. */
  dimensions(order, chosen) {
    if (order !== this.order) this.dimension.replaceChildren(...order.map((d) => element("option", { value: d, text: `z${d}` })));
    this.order = order;
    this.dimension.value = String(chosen);
  }

  playing(yes) {
    this.play.textContent = yes ? "■ Stop" : "▶ Cycle";
    this.play.setAttribute("aria-pressed", String(yes));
  }

  /** Labels whose mean code can be started from, by name. */
  labels(names) {
    const options = names.map((text, place) => element("option", { value: place, text: `mean of ${text}` }));
    this.classes.replaceChildren(element("option", { value: "", text: "mean of a label…" }), ...options);
    this.classes.hidden = !names.length;
  }

  /** The image in use: its title, whether its posterior has variances; null takes the row away. */
  image(title, spread = false) {
    this.imageRow.hidden = title === null;
    this.chosen.textContent = title ?? "";
    this.postSample.hidden = this.range.hidden = !spread;
  }

  ranged(kind) {
    for (const choice of this.range.children) choice.setAttribute("aria-pressed", String(choice.dataset.kind === kind));
  }
}
