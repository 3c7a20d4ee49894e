// Fixed held-out images over their reconstructions, always with the same noise, so that motion means learning.

import { whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { rgba } from "./preview_data.js";
import { InView } from "../shared/redraws.js";
import { follow } from "../shared/store.js";

const GAP = 4; // pixels between images, at least
const WIDEST = 18; // and at most
const SMALLEST = 44; // pixels: below that the images stand in two rows

/** How many images stand beside each other, and how large, on a width of `wide` pixels. */
export function arrange(count, wide) {
  const size = (columns) => (wide - (columns - 1) * GAP) / columns;
  const columns = size(count) >= SMALLEST || count < 4 ? count : Math.ceil(count / 2);
  return { columns, size: Math.max(1, Math.min(96, Math.floor(size(columns)))) };
}

/** Pixels of the screen for one of the image: a whole number, so that all are equally large, unless much room is lost. */
export function enlargement(size, side, ratio) {
  const scale = (size * ratio) / side;
  return Math.floor(scale) >= 0.7 * scale ? Math.floor(scale) : scale;
}

function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

class Preview {
  constructor(root) {
    this.canvas = element("canvas", { role: "img", "aria-label": "No reconstructions yet" });
    this.note = element("p", { className: "er-note caption" });
    const title = element("h3", { className: "er-title", text: "Held-out images and their reconstructions" });
    this.frame = element("div", { className: "frame" }, this.canvas);
    root.append(element("section", { className: "er-card" }, title, this.frame, this.note));
    this.tile = document.createElement("canvas");
    this.observer = new ResizeObserver(() => {
      this.wide = this.frame.clientWidth;
      this._redraw();
    });
    this.observer.observe(this.frame);
    this.wide = this.frame.clientWidth;
    this.inView = new InView([this.frame], () => this.source?.soon());
  }

  update(data) {
    this.yours = data.yours;
    if (data.run !== this.run) {
      this.source?.close();
      this.run = data.run;
      this.source = follow(data.run, () => this._draw());
    }
    this._redraw();
  }

  destroy() {
    this.source?.close();
    this.observer.disconnect();
    this.inView.close();
  }

  _redraw() {
    this.drawn = undefined;
    this.originals = null;
    this.source?.soon();
  }

  _draw() {
    const { preview, ended, error } = this.source.store;
    if (preview === this.drawn) return;
    this.canvas.hidden = !preview;
    if (!preview) {
      const first = this.yours ? "once your loop calls log.model or log.pictures" : "with the first steps";
      this.note.textContent = error ? "Nothing to show." : ended ? "This run has no preview." : `They appear ${first}.`;
      this.drawn = undefined;
      return;
    }
    if (!this.drawn || ended || this.inView.has(this.frame)) {
      this._paint(preview);
      this.drawn = preview;
    }
    const noise = this.yours ? "" : ", fixed noise";
    this.note.textContent = `Below each image its reconstruction${noise} · step ${whole(preview.step)}`;
    this.canvas.setAttribute(
      "aria-label",
      `${preview.count} held-out images, below each its reconstruction${noise}, at step ${whole(preview.step)}`,
    );
  }

  _paint(preview) {
    const { count, height, width } = preview;
    const ratio = devicePixelRatio || 1;
    const { columns, size } = arrange(count, this.wide);
    const scale = enlargement(size, Math.max(height, width), ratio);
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    const spare = (this.wide * ratio - columns * w) / Math.max(1, columns - 1);
    const gap = Math.floor(Math.min(WIDEST * ratio, Math.max(GAP * ratio, spare)));
    const rows = Math.ceil(count / columns);
    const pair = 2 * h + Math.round(3 * ratio);
    const whole = {
      width: columns * w + (columns - 1) * gap,
      height: rows * pair + (rows - 1) * Math.round(1.5 * gap),
    };
    if (this.canvas.width !== whole.width || this.canvas.height !== whole.height) {
      Object.assign(this.canvas, whole);
      this.canvas.style.width = `${whole.width / ratio}px`;
      this.canvas.style.height = `${whole.height / ratio}px`;
      this.originals = null;
    }
    const still = this.originals && sameBytes(this.originals, preview.originals); // they are as a rule: drawn once
    this.originals = preview.originals;
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = scale < 1;
    if (this.tile.width !== width || this.tile.height !== height) Object.assign(this.tile, { width, height });
    const tile = this.tile.getContext("2d", { willReadFrequently: true });
    for (let i = 0; i < count; i++) {
      const x = (i % columns) * (w + gap);
      const y = Math.floor(i / columns) * (pair + Math.round(1.5 * gap));
      for (const [images, top] of still
        ? [[preview.reconstructions, y + pair - h]]
        : [
            [preview.originals, y],
            [preview.reconstructions, y + pair - h],
          ]) {
        tile.putImageData(new ImageData(rgba(images, i, preview), width, height), 0, 0);
        context.drawImage(this.tile, x, top, w, h);
      }
    }
  }
}

export default renderer((root) => new Preview(root), ["train/preview.css"]);
