// The decoded image, large and not smoothed; beside it a sample of p(x|z) and the nearest real image.

import { element } from "./mount.js";
import { coordinate } from "./explore_sliders.js";

/** An image on its canvas, one pixel of the canvas for one of the image; the style sheet enlarges it. */
export function paint(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    Object.assign(canvas, { width: image.width, height: image.height });
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** Bytes (height, width, channels) on a canvas. */
export function paintBytes(canvas, bytes, { height, width, channels }) {
  const image = new ImageData(width, height);
  const [green, blue] = channels === 3 ? [1, 2] : [0, 0];
  for (let from = 0, to = 0; to < image.data.length; from += channels, to += 4) {
    image.data.set([bytes[from], bytes[from + green], bytes[from + blue], 255], to);
  }
  paint(canvas, image);
}

/** ‖z‖ beside what a draw from the prior has. `0 … 2√d` is drawn; the band holds 95 % of draws, ‖z‖ ≈ √d ± 2·√½. */
export function normPlaces(length, k) {
  const end = 2 * Math.max(Math.sqrt(k), length / 1.9, 1.6);
  const clamp = (value) => Math.min(1, Math.max(0, value / end));
  return { at: clamp(length), low: clamp(Math.sqrt(k) - Math.SQRT2), high: clamp(Math.sqrt(k) + Math.SQRT2) };
}

export class Picture {
  /** `on`: another() for another sample, take(index) for a nearest image that was chosen. */
  constructor(on) {
    this.mean = element("canvas", { className: "mean", role: "img", "aria-label": "No image yet" });
    this.absent = element("p", { className: "er-note absent", role: "status" });
    this.place = element("p", { className: "er-note place" });
    this.problem = element("p", { className: "er-note problem", role: "status" });
    this.sample = element("canvas", { className: "small", role: "img", "aria-label": "No sample yet" });
    this.another = element("button", { className: "plain", type: "button", text: "another" });
    this.real = element("canvas", { className: "small", "aria-hidden": "true" });
    this.realButton = element("button", { className: "tile", type: "button", disabled: "" }, this.real);
    this.realText = element("p", { className: "er-note" });
    this.normText = element("p", { className: "norm" });
    this.normMark = element("span", { className: "mark" });
    this.normBand = element("span", { className: "typical" });
    this.another.addEventListener("click", () => on.another());
    this.realButton.addEventListener("click", () => on.take(this.index));
    this._arrange();
  }

  _arrange() {
    const title = (text, formula = "") => element("h3", { className: "er-title" }, text, element("i", { text: formula }));
    const gauge = element("div", { className: "gauge", "aria-hidden": "true" }, this.normBand, this.normMark);
    this.large = element("section", { className: "large" }, title("Decoded as you drag"),
      element("div", { className: "stage" }, this.mean, this.absent), this.place, this.problem);
    this.side = element("section", { className: "side" },
      element("div", { className: "beside" }, title("A sample of ", "p(x|z)"), this.sample,
        element("p", { className: "er-note" }, (this.seedText = element("span")), " · ", this.another)),
      element("div", { className: "beside" }, title("Nearest real image"), this.realButton, this.realText),
      element("div", { className: "beside length" }, title("Length of z"), this.normText, gauge));
  }

  /** Nothing to show, and why. */
  clear(sentence) {
    for (const canvas of [this.mean, this.sample]) canvas.hidden = true;
    this.absent.textContent = sentence;
    this.absent.hidden = false;
  }

  showMean(image) {
    paint(this.mean, image);
    if (!this.mean.hidden) return;
    this.mean.hidden = false;
    this.absent.hidden = true;
  }

  showSample(image, seed) {
    paint(this.sample, image);
    this.sample.hidden = false;
    this.seedText.textContent = `seed ${seed}`;
    this.sample.setAttribute("aria-label", `A sample of p(x|z), seed ${seed}`);
  }

  showReal(index, bytes, shape) {
    this.index = index;
    paintBytes(this.real, bytes, shape);
    this.realButton.disabled = false;
  }

  sayReal(text, action = "") {
    this.realText.textContent = text;
    if (action) this.realButton.setAttribute("aria-label", action);
  }

  clearReal() {
    this.realButton.disabled = true;
    this.real.getContext("2d").clearRect(0, 0, this.real.width, this.real.height);
  }

  /** What the large image shows, for those who cannot see it; called at rest, not with every picture. */
  describe(z) {
    const shown = Array.from(z.slice(0, 12), (value, i) => `z${i} ${coordinate(value)}`).join(", ");
    this.mean.setAttribute("aria-label", `Mean of p(x|z) at ${shown}${z.length > 12 ? " and so on" : ""}`);
  }

  showNorm(length, k) {
    const { at, low, high } = normPlaces(length, k);
    this.normText.textContent = `‖z‖ = ${length.toFixed(2)}\ntypical √${k} = ${Math.sqrt(k).toFixed(2)}`;
    this.normMark.style.left = `${100 * at}%`;
    this.normBand.style.left = `${100 * low}%`;
    this.normBand.style.width = `${100 * (high - low)}%`;
  }
}
