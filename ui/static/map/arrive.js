// An image of one's own: drawn here, dropped or chosen; the server encodes it and it lands on the map.

import { contextOf, element } from "../shared/mount.js";
import { ask } from "../shared/server.js";
import { paint } from "./side.js";

const SIDE = 168; // pixels of the drawing
const PEN = 0.085; // of the side
const MOST = 4_000_000; // bytes of a file

/** Why a file is not taken, a sentence; "" if it may be sent. */
export function refusal({ size, type, name = "" }) {
  if (!["image/png", "image/jpeg"].includes(type)) return `“${name.slice(0, 40)}” is not a PNG or a JPEG.`;
  if (size > MOST) return `“${name.slice(0, 40)}” has ${(size / 1e6).toFixed(1)} MB; at most ${MOST / 1e6} MB.`;
  return size ? "" : `“${name.slice(0, 40)}” is empty.`;
}

/** Whether an image's first and last rows are rather dark: the ground of handwritten digits as they are stored. */
export function brightOnDark(bytes, { height, width, channels }) {
  const row = width * channels;
  let bright = 0;
  for (let x = 0; x < row; x++) bright += bytes[x] + bytes[(height - 1) * row + x];
  return bright < 255 * row;
}

/** Post a picture: the server's answer, or an Error with its sentence. */
export async function encode(address, blob) {
  let answer;
  try {
    answer = await ask(address, { method: "POST", body: blob });
  } catch {
    throw new Error("The server does not answer; it is needed to encode a picture.");
  }
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
  return answer.json();
}

/** @import { Picture } from "./types.js" */

export class Arrive {
  /** @type {import("../shared/types.js").ImageShape} */ header;
  /** @type {[number, number] | null} where the pen was last, while it is down */ last = null;

  /**
   * `landed`: a sentence on where; null takes the picture away.
   *
   * @param {{ send: (blob: Blob, drawn: boolean) => Promise<Picture>, landed: (answer: Picture | null) => string }} on
   */
  constructor(on) {
    this.on = on;
    this.dark = true; // most data are bright on dark
    this.canvas = element("canvas", {
      className: "pad",
      width: 2 * SIDE,
      height: 2 * SIDE,
      tabindex: "0",
      role: "img",
      "aria-label": "Drawing: draw with the pointer, or choose a file beside",
    });
    this.file = element("input", {
      type: "file",
      accept: "image/png,image/jpeg",
      "aria-label": "A PNG or JPEG from your computer",
    });
    this.note = element("p", { className: "er-note", role: "status" });
    this.seen = element("canvas", {
      className: "thumb",
      role: "img",
      "aria-label": "As the model sees it",
      width: 1,
      height: 1,
    });
    this.seenBox = element(
      "figure",
      { hidden: "" },
      this.seen,
      element("figcaption", { text: "as the model sees it" }),
    );
    this.clear = element("button", { className: "button", type: "button", text: "Clear" });
    const choose = element("label", { className: "button file" }, "Choose a file", this.file);
    this.box = element(
      "section",
      { className: "arrive" },
      element("h3", { className: "er-title", text: "An image of your own" }),
      element(
        "div",
        { className: "pair" },
        this.canvas,
        element(
          "div",
          { className: "words" },
          this.note,
          this.seenBox,
          element("div", { className: "row" }, choose, this.clear),
        ),
      ),
    );
    this.clear.addEventListener("click", () => this.reset());
    this.file.addEventListener("change", () => this.take(this.file.files?.[0]));
    this._listen();
    this.reset();
  }

  /** Whether the data are bright on dark: so is the drawing. */
  start(header, dark = true) {
    this.header = header;
    if (dark === this.dark) return;
    this.dark = dark;
    this.reset();
  }

  reset() {
    this.call = (this.call ?? 0) + 1; // what is still being encoded does not land any more
    const context = contextOf(this.canvas);
    context.fillStyle = this.dark ? "#000" : "#fff";
    context.fillRect(0, 0, 2 * SIDE, 2 * SIDE);
    this.note.textContent =
      "Draw here, or drop a picture on the map: the model encodes it, and it lands where its code is.";
    this.seenBox.hidden = true;
    this.file.value = "";
    this.on.landed(null);
  }

  _listen() {
    /** @returns {[number, number]} */
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * 2 * SIDE, ((event.clientY - box.top) / box.height) * 2 * SIDE];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.last = at(event);
      this._line(this.last, this.last);
      clearTimeout(this.timer);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      const to = at(event);
      this._line(this.last, to);
      this.last = to;
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, () => {
        if (!this.last) return;
        this.last = null;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this._send(this._png(), true), 250);
      });
    }
  }

  _line(from, to) {
    const context = contextOf(this.canvas);
    Object.assign(context, { strokeStyle: this.dark ? "#fff" : "#000", lineWidth: PEN * 2 * SIDE, lineCap: "round" });
    context.beginPath();
    context.moveTo(from[0], from[1]);
    context.lineTo(to[0], to[1]);
    context.stroke();
  }

  /** The drawing as a file. Not by toBlob, which waits a second for the page to be idle. */
  _png() {
    const text = atob(this.canvas.toDataURL("image/png").split(",")[1]);
    return new Blob([Uint8Array.from(text, (sign) => sign.charCodeAt(0))], { type: "image/png" });
  }

  /** A file that was chosen or dropped. */
  take(file) {
    if (!file) return;
    const sentence = refusal(file);
    if (sentence) this._refused(sentence);
    else this._send(file, false);
  }

  /** The picture before it does not stay with its caption and its mark. */
  _refused(sentence) {
    this.call = (this.call ?? 0) + 1;
    this.seenBox.hidden = true;
    this.on.landed(null);
    this.note.textContent = sentence;
  }

  async _send(blob, drawn) {
    const call = (this.call = (this.call ?? 0) + 1);
    this.note.textContent = "Encoding…";
    try {
      const answer = await this.on.send(blob, drawn);
      if (call !== this.call) return;
      paint(this.seen, Uint8Array.from(answer.image), this.header);
      this.seenBox.hidden = false;
      this.note.textContent = [this.on.landed(answer), answer.note].filter(Boolean).join(" ");
    } catch (error) {
      if (call === this.call) this._refused(error.message);
    }
  }
}
