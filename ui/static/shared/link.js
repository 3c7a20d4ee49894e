// A link to the view that is open now, as text to copy and as a code for the phones of a class.

import { CONTROLS, forClass } from "../show/manner.js";
import { element, renderer } from "./mount.js";
import { qrCode } from "./qr.js";

const QUIET = 4; // modules of white around a code
const SMALLEST = 3; // pixels of a module

/** The address of the view at `here` as others reach it: under `origin`, "" for the one that it has. */
export function shared(here, origin) {
  const address = new URL(here);
  return origin ? new URL(address.pathname + address.search, origin).href : address.href;
}

/** Dark on white in both themes: not every reader takes light on dark. */
export function paintCode(canvas, code) {
  const side = code.length + 2 * QUIET;
  const module = Math.max(SMALLEST, Math.floor(480 / side));
  canvas.width = canvas.height = side * module;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  code.forEach((row, y) =>
    row.forEach((dark, x) => dark && context.fillRect((x + QUIET) * module, (y + QUIET) * module, module, module)),
  );
}

class Link {
  constructor(root) {
    this.text = element("code", { className: "address" });
    this.copy = element("button", { className: "button", type: "button", text: "Copy" });
    this.canvas = element("canvas", { className: "qr", role: "img" });
    this.note = element("p", { className: "note" });
    this.controls = element("select", { className: "button", "aria-label": "Controls that others see" });
    for (const [value, about] of Object.entries(CONTROLS))
      this.controls.append(element("option", { value, text: about }));
    this.present = element("button", { className: "button", type: "button", text: "Present" });
    this.present.title = "Large type, no menus, by keyboard alone: ? lists the keys, Escape ends it";
    root.append(
      this.note,
      element("label", { className: "choice" }, "Others see it ", this.controls),
      element("div", { className: "row" }, this.text, this.copy),
      this.canvas,
      element("div", { className: "row" }, this.present),
    );
    this.controls.addEventListener("change", () => this.draw());
    this.present.addEventListener("click", () => this._present());
    this.copy.addEventListener("click", () => this._copy());
    this.seen = new IntersectionObserver(() => this.draw()); // opened again, the view may be another
    this.seen.observe(root);
  }

  update({ origin, note }) {
    this.origin = origin;
    this.note.textContent = note;
    this.draw();
  }

  draw() {
    const address = forClass(shared(location.href, this.origin), this.controls.value);
    if (address === this.text.textContent) return;
    this.text.textContent = address;
    this.copy.textContent = "Copy";
    const code = qrCode(address);
    this.canvas.hidden = !code;
    this.canvas.setAttribute("aria-label", `QR code of ${address}`);
    if (code) paintCode(this.canvas, code);
  }

  /** The panel closes with it: a view for a room has no menus. */
  _present() {
    window.dispatchEvent(new Event("er-present"));
    this.present.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, composed: true }));
  }

  async _copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.copy.textContent = "Copied";
    } catch {
      // no clipboard over plain http: select it for the hand
      getSelection()?.selectAllChildren(this.text);
      this.copy.textContent = "Selected";
    }
  }

  destroy() {
    this.seen.disconnect();
  }
}

export default renderer((root) => new Link(root), ["shared/link.css"]);
