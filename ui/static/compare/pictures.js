// One held-out image under both runs: itself, what each makes of its own code, and what that lacks and adds.

import { paint, paintBytes } from "../explore/picture.js";
import { button } from "../modes/controls.js";
import { saveSheet } from "../modes/save.js";
import { SUPPORTS } from "../explore/supports.js";
import { nats } from "../shared/format.js";
import { element } from "../shared/mount.js";
import { colours } from "../shared/palette.js";
import { openSide } from "./kept_decoder.js";
import { named } from "./words.js";
import { paintResidual, reachOf, residualOf, rgbOf } from "./residual.js";

const NAMES = ["A", "B"];

/** @import { Comparison } from "./comparison.js" */
/** @import { Codes } from "../shared/codes.js" */
/** @import { Support } from "./types.js" */

export class Pictures {
  /** @type {import("../decoder/client.js").Handle[]} */ decoders = [];
  /** @type {Support[]} */ supports = [];
  /** @type {string[]} */ runs = [];
  index = 0; // of the image that is shown
  calls = 0;

  constructor() {
    const figure = (label) => {
      const canvas = element("canvas", { className: "small", role: "img", "aria-label": label });
      const caption = element("figcaption", { className: "er-note", text: label });
      return { canvas, caption, box: element("figure", {}, canvas, caption), label };
    };
    this.original = figure("The image");
    this.made = NAMES.map((name) => figure(`Reconstruction by ${name}`));
    this.lacks = NAMES.map((name) => figure(`Residual of ${name}`));
    this.scale = element("p", { className: "er-note scale-note" });
    this.saved = button("Save PNG", () => this._save());
    this.saved.title = "The image, both reconstructions and residuals, as one picture";
    this.figures = [this.original, this.made[0], this.lacks[0], this.made[1], this.lacks[1]];
    this.box = element(
      "section",
      { className: "pictures" },
      element("div", { className: "five" }, ...this.figures.map(({ box }) => box)),
      this.scale,
      this.saved,
    );
  }

  _save() {
    const canvases = this.figures.map(({ canvas }) => canvas);
    const [a, b] = this.runs;
    const lines = [`A: ${a}, B: ${b}`, `image ${this.index}`, ...this.made.map(({ caption }) => caption.textContent)];
    const columns = ["x", "A", "x − A", "B", "x − B"];
    const sheet = { lines, columns, rows: [{ pictures: canvases }], image: canvases[0] };
    saveSheet(sheet, `${a}-${b}-image-${this.index}`);
  }

  open(sides) {
    this.runs = sides.map(named);
    this.supports = sides.map(({ support }) => support);
    this.decoders = sides.map((side) => openSide(side)); // of its own: the sliders' requests overtake one another
  }

  close() {
    this.calls += 1;
    for (const decoder of this.decoders) decoder.close();
    this.decoders = [];
  }

  clear() {
    this.scale.textContent = "";
    for (const { canvas } of [this.original, ...this.made, ...this.lacks])
      Object.assign(canvas, { width: 1, height: 1 });
  }

  /** @param {Comparison} comparison  @param {Codes} codes  @param {number} index */
  async show(comparison, codes, index) {
    const call = ++this.calls;
    this.index = index;
    let bytes;
    try {
      bytes = await codes.image(index);
    } catch (error) {
      this.scale.textContent = error.message;
      return;
    }
    if (call !== this.calls) return;
    paintBytes(this.original.canvas, bytes, codes.header);
    const residuals = await Promise.all(
      NAMES.map(async (name, side) => {
        const code = SUPPORTS[this.supports[side]].codeOf(comparison.code(side, index));
        const image = await this.decoders[side]?.mean(code);
        if (!image || call !== this.calls) return null;
        paint(this.made[side].canvas, image);
        const terms = [comparison.distortion[side][index], comparison.rate[side][index]].map(nats);
        this.made[side].caption.textContent = `${name}: distortion ${terms[0]}, rate ${terms[1]} nats`;
        return residualOf(bytes, image, codes.header);
      }),
    );
    if (call === this.calls && residuals.every(Boolean)) this._residuals(residuals, codes.header);
  }

  _residuals(residuals, { width, height }) {
    const inks = colours(this.box);
    const [ground, lacking, added] = [inks.card, inks.distortion, inks.rate].map(rgbOf);
    const reach = reachOf(...residuals);
    residuals.forEach((residual, side) => {
      const pixels = paintResidual(residual, reach, { ground, lacking, added });
      paint(this.lacks[side].canvas, new ImageData(pixels, width, height));
    });
    this.scale.textContent =
      "Each from the mean of its own q(z|x) (bits: the likeliest code); distortion from one draw of z. Residual: " +
      `orange where the reconstruction is too dark, blue where too bright, at most ${Math.round(reach)} of 255.`;
  }
}
