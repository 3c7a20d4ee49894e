// One of the two sets: what it is, how many images, and the first of them.

import { element } from "../shared/mount.js";
import { button, choice } from "../modes/controls.js";
import { put } from "../modes/model.js";
import { classesOf } from "../modes/picker.js";

const SHOWN = 12;
const [REST, PICKED] = ["rest", "picked"];

/** @import { ImageSet } from "./sets.js" */

export class SetCard {
  /** @type {ImageSet} */
  set;
  /** @type {number[]} of the set, ascending */
  rows;

  /** `onSet(set)` when another kind is chosen, `onPicking()` to show the images to pick from. */
  constructor(name, model, { onSet, onPicking }) {
    this.model = model;
    this.onSet = onSet;
    this.choice = choice(`Set ${name.toUpperCase()}`, [], (value) => this._choose(value), { hideLabel: true });
    this.pick = button("Pick images", onPicking, { quiet: true });
    this.clear = button("Clear", () => onSet({ kind: PICKED, rows: [] }), { quiet: true });
    this.size = element("span", { className: "er-note" });
    this.images = element("div", { className: "members", role: "img" });
    this.root = element(
      "div",
      { className: `set set-${name}` },
      element(
        "div",
        { className: "bar" },
        element("b", { className: "letter", text: name.toUpperCase() }),
        this.choice.root,
        this.size,
        element("span", { className: "push" }),
        this.pick,
        this.clear,
      ),
      this.images,
    );
    this.name = name;
  }

  /** The set in a word or two. */
  get words() {
    const { set } = this;
    if (set.kind === REST) return "every other image";
    if (set.kind === PICKED) return `${this.rows.length} picked`;
    return `label ${this.model.codes.header.classes?.[set.label] ?? set.label}`;
  }

  _choose(value) {
    if (value === REST) this.onSet({ kind: REST });
    else if (value === PICKED) this.onSet({ kind: PICKED, rows: [] });
    else this.onSet({ kind: "class", label: Number(value) });
  }

  draw(set, rows, open) {
    const { codes } = this.model;
    this.set = set;
    this.rows = rows;
    const labels = classesOf(codes).map(([value, text]) => [value, `label ${text}`]);
    this.choice.options([...labels, [PICKED, "picked by hand"], [REST, "every other image"]]);
    this.choice.set(set.kind === "class" ? set.label : set.kind);
    this.size.textContent = `${rows.length.toLocaleString("en-US")} ${rows.length === 1 ? "image" : "images"}`;
    this.pick.hidden = set.kind !== PICKED;
    this.pick.setAttribute("aria-expanded", String(open));
    this.clear.hidden = set.kind !== PICKED || !rows.length;
    const part = rows.length > SHOWN ? `, the first ${SHOWN}` : "";
    this.images.setAttribute("aria-label", `Set ${this.name.toUpperCase()}: ${this.words}${part}`);
    this._drawMembers();
  }

  async _drawMembers() {
    const key = JSON.stringify([this.rows.slice(0, SHOWN), this.model.run]);
    if (key === this.drawn) return;
    this.drawn = key;
    const { rows } = this;
    const canvases = rows.slice(0, SHOWN).map(() => element("canvas", { className: "member" }));
    this.images.replaceChildren(...canvases);
    canvases.forEach((canvas, i) =>
      this.model
        .image(rows[i])
        .then((image) => put(canvas, image))
        .catch(() => (this.drawn = "")),
    );
  }
}
