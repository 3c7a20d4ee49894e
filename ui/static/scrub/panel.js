// What stands where in the scrubber: the stop and its cost, the slider, the thumbnails, the pictures and the map.

import { element } from "../shared/mount.js";
import { button, segmented } from "../modes/controls.js";

const NAMES = {
  z: ["Decoded z", "z held, decoded"],
  original: ["Image", "image held"],
  image: ["Reconstruction", "its reconstruction"],
};

export class Panel {
  /** `parts`: elements that others draw into; `on`: go(i), rest(), play(), show(what), fromImage(), random(), other(). */
  constructor(root, parts, on) {
    this.title = element("h3", { className: "er-title" });
    this.now = element("p", { className: "now" });
    this.cost = element("p", { className: "cost" });
    this.called = element("p", { className: "er-note called" });
    this.refusal = element("p", { className: "er-note refusal", role: "status" });
    this.words = element("p", { className: "er-note words", role: "status" });
    this.shown = segmented("Thumbnails show", { z: "z held", image: "the image" }, on.show);
    this.range = element("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "Stop" });
    this.range.addEventListener("input", () => on.go(Number(this.range.value)));
    this.range.addEventListener("change", on.rest);
    const all = "Go through all stops, from the first where the last is shown";
    this.play = button("Play", on.play, { title: all });
    root.append(
      element(
        "section",
        { className: "er-card mode scrubber" },
        element("div", { className: "bar" }, this.title, element("span", { className: "push" }), this.shown.root),
        this.refusal,
        element("div", { className: "bar told" }, this.now, this.cost),
        element("div", { className: "drive" }, this.play, this.range),
        parts.strip,
        element("div", { className: "panes" }, this._left(parts.sliders, on), parts.plane),
        this.words,
      ),
    );
  }

  _left(sliders, on) {
    this.canvases = Object.fromEntries(
      Object.entries(NAMES).map(([name, [label]]) => [
        name,
        element("canvas", { className: "large", role: "img", "aria-label": label }),
      ]),
    );
    const pictures = Object.entries(NAMES).map(([name, [, words]]) =>
      element("figure", {}, this.canvases[name], element("figcaption", { className: "er-note", text: words })),
    );
    const held = [
      button("z of the image", on.fromImage, { title: "Hold the image's code at the last stop" }),
      button("Random z", on.random, { title: "Hold a draw from the prior" }),
      button("Other image", on.other),
    ];
    return element(
      "div",
      { className: "left" },
      element("div", { className: "trio" }, ...pictures),
      this.called,
      element("div", { className: "bar" }, ...held),
      sliders,
    );
  }
}
