// A small picture of every stop in a row; the one that is shown stands out, a click goes there.

import { element } from "../shared/mount.js";
import { put } from "../modes/model.js";

const BUDGET = 7; // milliseconds of decoding a frame, so that the hand keeps its own

export class Strip {
  /** @param {(i: number) => void} onPick */
  constructor(onPick) {
    this.onPick = onPick;
    this.root = element("div", { className: "strip" });
    this.cells = [];
    this.frame = 0;
    this.at = -1;
  }

  /** Cells for these stops; those that stay keep their pictures. */
  layout(list, { height, width }) {
    const before = new Map(this.cells.map((cell) => [cell.id, cell]));
    this.cells = list.map((stop, i) => {
      const id = `${stop.run}/${stop.sha}`;
      const cell = before.get(id) ?? this._cell(id);
      cell.caption.textContent = stop.short ?? stop.label;
      cell.root.title = stop.label;
      cell.root.setAttribute("aria-label", `Go to ${stop.label}`);
      cell.root.onclick = () => this.onPick(i);
      if (cell.canvas.width !== width && !cell.shown) Object.assign(cell.canvas, { width, height });
      return cell;
    });
    const roots = this.cells.map((cell) => cell.root);
    if (roots.some((root, i) => this.root.children[i] !== root) || this.root.children.length !== roots.length)
      this.root.replaceChildren(...roots);
    this.at = -1;
  }

  _cell(id) {
    const canvas = element("canvas", { "aria-hidden": "true" });
    const caption = element("span");
    const root = element("button", { type: "button", className: "stop", tabindex: -1 }, canvas, caption);
    return { id, canvas, caption, root, shown: "" };
  }

  /** Mark stop `at`; draw `subject` (its name) at every stop by and by: `decode(i)` gives an image, a promise or null. */
  draw(at, subject, decode) {
    if (at !== this.at) {
      this.cells[this.at]?.root.removeAttribute("aria-current");
      this.cells[at].root.setAttribute("aria-current", "true");
      this.at = at;
      this._reveal(this.cells[at].root);
    }
    this.subject = subject;
    this.decode = decode;
    this.frame ||= requestAnimationFrame(() => this._paint());
  }

  _reveal(cell) {
    const { scrollLeft, clientWidth } = this.root;
    const left = cell.offsetLeft - this.root.offsetLeft;
    if (left < scrollLeft || left + cell.offsetWidth > scrollLeft + clientWidth)
      this.root.scrollLeft = left - (clientWidth - cell.offsetWidth) / 2;
  }

  _paint() {
    this.frame = 0;
    const began = performance.now();
    const order = this.cells.map((_, i) => i).sort((a, b) => Math.abs(a - this.at) - Math.abs(b - this.at));
    for (const i of order) {
      const cell = this.cells[i];
      if (cell.shown === this.subject || cell.asked === this.subject) continue;
      const image = this.decode(i);
      if (!image) continue;
      if (image instanceof Promise) {
        this._await(cell, image);
        return;
      }
      put(cell.canvas, image);
      cell.shown = this.subject;
      if (performance.now() - began > BUDGET) {
        this.frame = requestAnimationFrame(() => this._paint());
        return;
      }
    }
  }

  /** From the server: one after the other. */
  async _await(cell, promise) {
    const { subject } = this;
    cell.asked = subject;
    const image = await promise;
    cell.asked = "";
    if (image) {
      put(cell.canvas, image);
      cell.shown = subject;
    }
    if (image || subject !== this.subject) this.frame ||= requestAnimationFrame(() => this._paint());
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }
}
