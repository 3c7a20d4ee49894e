// What the modes of the Explore page beside its sliders have in common: a view that stands in the address, the run's
// model, pictures in a grid, a word on what is shown, and ways to keep it: as an image, or by opening it in the sliders.

import { weightsWord } from "../latent/words.js";
import { packZ } from "../latent/space.js";
import { element } from "../shared/mount.js";
import { button } from "./controls.js";
import { Grid } from "./grid.js";
import { Painter, SheetModel } from "./model.js";
import { sender, View } from "./view.js";

/** Where the body of a mode is narrow, pixels. */
export const NARROW = 520;

/**
 * @import { Component, Vector } from "../shared/types.js"
 *
 * @typedef {object} ModeData  What Python says of a mode (ui/components/explore_modes.py).
 * @property {string} run
 * @property {Record<string, string> | null} start  what the address holds
 * @property {"real" | "binary"} support  of z
 * @property {number[] | null} [rate_per_dim]  nats
 * @property {boolean} [factorises]  whether q does
 */

/** A mode draws itself in `draw()`, says in `sheet()` what is saved, and keeps in `this.z` the code that is opened. */
export class Mode {
  /** @type {ModeData} */
  data;
  /** @type {Component<ModeData>} */
  component;
  /** @type {Vector} the code that is opened in the sliders */
  z;
  /** @type {ResizeObserver} */
  observer;
  /** @type {number} pictures in a row, as drawn */
  drawn;

  /** `fields`: what stands in the address, see View. `pictures`: the grid's name; pick(row, column) answers a click. */
  constructor({ fields, pictures }) {
    this.view = new View(fields, sender(this));
    this.model = new SheetModel(() => this.draw());
    this.painter = new Painter(this.model);
    this.grid = new Grid({ label: pictures, onPick: (row, column) => this.pick(row, column) });
    this.save = button("Save PNG", () => this.sheet());
    this.toSliders = button("", () => this.view.change({}, { z: packZ(this.z), open: true }), {
      title: "Make this the z of the page, and go there",
    });
    this.refusal = element("p", { className: "er-note refusal", role: "status" });
    this.words = element("p", { className: "er-note words", role: "status" });
  }

  /** Everything below the mode's title; drawn anew whenever the width of `watched` makes `count()` another. */
  assemble(root, title, watched, ...parts) {
    root.append(
      element(
        "section",
        { className: "mode" },
        element("h3", { className: "er-title", text: title }),
        this.refusal,
        ...parts,
        this.words,
      ),
    );
    this.observer = new ResizeObserver(() => this.drawn && this.drawn !== this.count() && this.draw());
    this.observer.observe(watched);
  }

  update(data, component) {
    this.data = data;
    this.component = component;
    this.toSliders.textContent = `Open in ${data.support === "binary" ? "switches" : "sliders"}`;
    this.model.open(data.run, { codes: this.wantsCodes(data) });
    if (this.view.adopt(data.start)) this.moved();
    this.draw();
  }

  /** @abstract */
  draw() {}

  /** @abstract  A picture of the grid was chosen.  @param {number} _row  @param {number} _column */
  pick(_row, _column) {}

  /** @abstract  Save what is shown. */
  sheet() {}

  /** Whether the held-out codes are needed.  @param {ModeData} _data */
  wantsCodes(_data) {
    return true;
  }

  /** The address has gone its own way. */
  moved() {}

  /** Pictures in a row: other widths, other numbers. */
  count() {
    return 1;
  }

  change(values) {
    this.view.change(values);
    this.draw();
  }

  /** Say what there is to say; true where there is something to draw. */
  ready(...needed) {
    this.words.textContent = this.model.words;
    this.sayRefused();
    return needed.every(Boolean);
  }

  sayRefused() {
    this.refusal.textContent = this.view.refusal;
  }

  /** What a saved picture says about the weights behind it. */
  get atStep() {
    const words = weightsWord(this.model.handle?.step);
    return words && `, ${words}`;
  }

  destroy() {
    this.view.stop();
    this.painter.stop();
    this.model.close();
    this.grid.destroy();
    this.observer.disconnect();
  }
}
