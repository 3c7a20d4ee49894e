// What the colours mean: names of classes that isolate themselves at a click, or a ramp with its range.

import { nats, whole } from "../shared/format.js";
import { element } from "../shared/mount.js";

/** @import { Colouring } from "./types.js" */

export class Legend {
  /** @type {Colouring["classes"]} */ classes;
  /** @type {string[]} */ palette;
  /** @type {Set<number>} indices of classes */ isolated = new Set();
  /** @type {HTMLButtonElement[]} of the classes */ buttons = [];

  /** `isolate`: none for all; `pick`: select the isolated.  @param {{ isolate: (classes: Set<number>) => void, pick: () => void }} on */
  constructor(on) {
    this.on = on;
    this.box = element("div", { className: "legend" });
    this.all = this._act("show all", () => this._toggle(null));
    this.pick = this._act("select these", () => this.on.pick());
  }

  /** @param {Colouring} colouring */
  show(colouring) {
    const { classes, range, palette } = colouring;
    this.classes = classes;
    this.palette = palette;
    this.isolated = new Set();
    this.all.hidden = this.pick.hidden = true;
    this.box.classList.remove("some");
    this.box.replaceChildren();
    if (classes) this._classes(classes, palette);
    else if (range) this._ramp(colouring);
  }

  /** Names of the classes that are isolated. */
  names() {
    return (this.classes ?? []).filter(({ index }) => this.isolated.has(index)).map(({ name }) => name);
  }

  /** The colour of a label's name on the map. */
  colourOf(name) {
    const found = this.classes?.find((one) => one.name === name);
    return found ? this.palette[found.index] : "var(--er-faint)";
  }

  _classes(classes, palette) {
    this.box.setAttribute("role", "group");
    this.box.setAttribute(
      "aria-label",
      "Labels; a press shows one alone, with others pressed too they are shown together",
    );
    this.buttons = classes.map(({ index, name, count }) => {
      const dot = element("span", { className: "dot" });
      dot.style.background = palette[index];
      const made = element(
        "button",
        { type: "button", className: "class", "aria-pressed": "false", title: `${whole(count)} images` },
        dot,
        name,
      );
      made.addEventListener("click", () => this._toggle(index));
      return made;
    });
    this.box.append(...this.buttons, this.pick, this.all);
  }

  _act(text, act) {
    const made = element("button", { type: "button", className: "plain", text, hidden: "" });
    made.addEventListener("click", act);
    return made;
  }

  _toggle(index) {
    if (index === null) this.isolated.clear();
    else if (!this.isolated.delete(index)) this.isolated.add(index);
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(this.isolated.has(i))));
    this.all.hidden = this.pick.hidden = !this.isolated.size;
    this.box.classList.toggle("some", this.isolated.size > 0);
    this.on.isolate(this.isolated);
  }

  /** @param {Colouring} colouring */
  _ramp({ range, palette, title, unit, ends = ["", ""] }) {
    const { low, high } = /** @type {{ low: number, high: number }} */ (range);
    const bar = element("span", { className: "ramp" });
    const stops = Array.from({ length: 9 }, (_, i) => palette[Math.round((i / 8) * (palette.length - 1))]);
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    this.box.setAttribute("role", "img");
    this.box.setAttribute("aria-label", `Colour: ${title} from ${nats(low)} to ${nats(high)} ${unit}`);
    this.box.append(
      element("span", { text: `≤ ${nats(low)}${ends[0] && `, ${ends[0]}`}` }),
      bar,
      element("span", { text: `≥ ${nats(high)} ${unit}${ends[1] && `, ${ends[1]}`}` }),
    );
  }
}
