// The decoded image, large and not smoothed; beside it a sample of p(x|z) and the nearest real image.

import { contextOf, element } from "../shared/mount.js";
import { saveSheet } from "../modes/save.js";

/** An image on its canvas, one pixel of the canvas for one of the image; the style sheet enlarges it. */
export function paint(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    Object.assign(canvas, { width: image.width, height: image.height });
  }
  contextOf(canvas).putImageData(image, 0, 0);
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

export class Picture {
  /** `on`: another() for another sample, take(index) for a nearest image that was chosen, run() is its name. `place`: where z is, in words. */
  constructor(on, place) {
    this.mean = element("canvas", { className: "mean", role: "img", "aria-label": "No image yet" });
    this.absent = element("p", { className: "er-note absent", role: "status" });
    this.place = element("p", { className: "er-note place" });
    this.problem = element("p", { className: "er-note problem", role: "status" });
    this.sample = element("canvas", { className: "small", role: "img", "aria-label": "No sample yet" });
    this.seedText = element("span");
    this.another = element("button", { className: "plain", type: "button", text: "another" });
    this.real = element("canvas", { className: "small", "aria-hidden": "true" });
    this.realButton = element("button", { className: "tile", type: "button", disabled: "" }, this.real);
    this.realText = element("p", { className: "er-note" });
    this.another.addEventListener("click", () => on.another());
    this.save = element("button", { className: "plain save", type: "button", text: "Save PNG", disabled: "" });
    this.save.addEventListener("click", () => this._save(on.run()));
    this.realButton.addEventListener("click", () => on.take(this.index));
    this._arrange(place);
  }

  _arrange(place) {
    const title = (text, formula = "") =>
      element("h3", { className: "er-title" }, text, element("i", { text: formula }));
    this.large = element(
      "section",
      { className: "large" },
      element("header", {}, title(place.caption), this.save),
      element("div", { className: "stage" }, this.mean, this.absent),
      this.place,
      this.problem,
    );
    this.side = element(
      "section",
      { className: "side" },
      element(
        "div",
        { className: "beside" },
        title("A sample of ", "p(x|z)"),
        this.sample,
        element("p", { className: "er-note" }, this.seedText, " · ", this.another),
      ),
      element("div", { className: "beside" }, title("Nearest real image"), this.realButton, this.realText),
      element("div", { className: "beside length" }, title(place.title), ...place.parts),
    );
  }

  /** As on screen, enlarged, with its z beneath the run's name. */
  _save(run) {
    const { width, height } = this.mean;
    const rows = [{ pictures: [this.mean] }];
    saveSheet(
      { lines: [run, this.mean.getAttribute("aria-label")], columns: null, rows, image: { width, height } },
      `${run}-z`,
    );
  }

  /** Nothing to show, and why. */
  clear(sentence) {
    for (const canvas of [this.mean, this.sample]) canvas.hidden = true;
    this.save.disabled = true;
    this.absent.textContent = sentence;
    this.absent.hidden = false;
  }

  showMean(image) {
    paint(this.mean, image);
    if (!this.mean.hidden) return;
    this.mean.hidden = this.save.disabled = false;
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
    contextOf(this.real).clearRect(0, 0, this.real.width, this.real.height);
  }

  /** What the large image shows, for those who cannot see it; called at rest, not with every picture. */
  describe(words) {
    this.mean.setAttribute("aria-label", `Mean of p(x|z) at ${words}`);
  }
}
