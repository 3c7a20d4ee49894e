// The switches, one per latent bit: a click, Space or Enter flips it; arrows go from one to the next.

import { activeIn, element } from "../shared/mount.js";
import { Dimensions } from "../latent/dimensions.js";

const NEXT = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** @typedef {ReturnType<Switches["add"]>} SwitchRow */

export class Switches extends Dimensions {
  constructor(on) {
    super(on, "switches");
    this.list.addEventListener("keydown", (event) => this._key(event));
  }

  /** Bits have no ranges. */
  range(_, z) {
    this.show(z);
  }

  widen() {}

  add(dimension) {
    const bit = element("span", { className: "bit" });
    const fill = element("span", { className: "fill" });
    const chance = element("span", { className: "chance", hidden: "" }, fill);
    const chanceText = element("span", { className: "q" });
    const rateText = element("span", { className: "rate" });
    const control = element(
      "button",
      { className: "switch-bit", type: "button", role: "switch" },
      element("span", { className: "name", text: `z${dimension}` }),
      bit,
      chanceText,
      chance,
    );
    return { item: element("li", {}, control, rateText), control, bit, fill, chance, chanceText, rateText };
  }

  listen({ control }, dimension) {
    control.addEventListener("click", () => {
      this.on.touch(dimension);
      this.on.move(dimension, 1 - this.on.value(dimension));
      this.on.release();
    });
    control.addEventListener("focus", () => this.on.touch(dimension));
    control.addEventListener("keydown", (event) => {
      if (event.key !== "Backspace" && event.key !== "Delete") return;
      event.preventDefault();
      this.on.reset(dimension);
    });
  }

  _key(event) {
    const step = NEXT[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const controls = [...this.list.querySelectorAll("button")];
    const at = controls.findIndex((control) => control === activeIn(this.list));
    controls[Math.max(0, Math.min(controls.length - 1, at + step))].focus();
  }

  /** @param {SwitchRow} row  @param {number} dimension  @param {number} value */
  draw({ control, bit, fill, chance, chanceText }, dimension, value) {
    const on = value >= 0.5;
    bit.textContent = on ? "1" : "0";
    control.setAttribute("aria-checked", String(on));
    chance.hidden = chanceText.hidden = !this.posterior;
    if (!this.posterior) {
      control.removeAttribute("aria-description");
      return;
    }
    const probability = this.posterior.loc[dimension];
    chanceText.textContent = `q ${probability.toFixed(2)}`;
    control.setAttribute("aria-description", `q(z${dimension} = 1 given the image) is ${probability.toFixed(2)}`);
    fill.style.width = `${100 * probability}%`;
  }
}
