// What the charts use of a canvas's context, written down as SVG: one drawing code for the screen and for the file.

const escape = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
const short = (number) => String(Math.round(number * 100) / 100);
const ANCHORS = { left: "start", center: "middle", right: "end" };
const BASELINES = { top: "0.8em", middle: "0.35em", alphabetic: "0" };
const STATE = [
  "fillStyle",
  "strokeStyle",
  "lineWidth",
  "globalAlpha",
  "font",
  "textAlign",
  "textBaseline",
  "dash",
  "open",
];

/** A colour as every program reads it: browsers compute mixed colours as color(srgb …). */
export function plain(colour) {
  const found = /^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ ([\d.e-]+))?\)$/.exec(colour);
  if (!found) return colour;
  const [r, g, b] = found.slice(1, 4).map((part) => Math.round(255 * Number(part)));
  return found[4] === undefined ? `rgb(${r}, ${g}, ${b})` : `rgba(${r}, ${g}, ${b}, ${found[4]})`;
}

export class SvgContext {
  /** `measure(text, font)` gives a text's width in pixels. */
  constructor(width, height, measure) {
    this.width = width;
    this.height = height;
    this.measure = measure;
    this.parts = [];
    this.path = [];
    this.stack = [];
    this.clips = 0;
    this.open = 0; // groups since the last save
    this.fillStyle = "#000";
    this.strokeStyle = "#000";
    this.lineWidth = 1;
    this.globalAlpha = 1;
    this.font = "11px sans-serif";
    this.textAlign = "left";
    this.textBaseline = "alphabetic";
    this.dash = [];
  }

  beginPath() {
    this.path = [];
  }

  moveTo(x, y) {
    this.path.push(`M${short(x)} ${short(y)}`);
  }

  lineTo(x, y) {
    this.path.push(`${this.path.length ? "L" : "M"}${short(x)} ${short(y)}`);
  }

  /** A whole circle, whatever the angles. */
  arc(x, y, radius) {
    const r = short(radius);
    this.path.push(
      `M${short(x - radius)} ${short(y)}a${r} ${r} 0 1 0 ${short(2 * radius)} 0a${r} ${r} 0 1 0 ${short(-2 * radius)} 0`,
    );
  }

  rect(x, y, width, height) {
    this.path.push(`M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}z`);
  }

  roundRect(x, y, width, height) {
    this.rect(x, y, width, height);
  }

  setLineDash(dash) {
    this.dash = dash;
  }

  stroke() {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    this._put(
      `<path d="${this.path.join("")}" fill="none" stroke="${plain(this.strokeStyle)}" stroke-width="${this.lineWidth}" stroke-linejoin="round"${dash}`,
    );
  }

  fill() {
    this._put(`<path d="${this.path.join("")}" fill="${plain(this.fillStyle)}"`);
  }

  fillRect(x, y, width, height) {
    this._put(
      `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${plain(this.fillStyle)}"`,
    );
  }

  _put(start) {
    this.parts.push(`${start}${this.globalAlpha < 1 ? ` opacity="${this.globalAlpha}"` : ""}/>`);
  }

  measureText(text) {
    return { width: this.measure(text, this.font) };
  }

  fillText(text, x, y, widest = Infinity) {
    const [, weight = "400", size, family] = /^(?:(\d+) )?([\d.]+)px (.*)$/.exec(this.font) ?? [];
    const narrow =
      this.measureText(text).width > widest ? ` textLength="${widest}" lengthAdjust="spacingAndGlyphs"` : "";
    this.parts.push(
      `<text x="${short(x)}" y="${short(y)}" dy="${BASELINES[this.textBaseline]}" text-anchor="${ANCHORS[this.textAlign]}" ` +
        `fill="${plain(this.fillStyle)}" font-weight="${weight}" font-size="${size}" font-family="${escape(family)}"${narrow}>${escape(text)}</text>`,
    );
  }

  save() {
    this.stack.push(Object.fromEntries(STATE.map((name) => [name, this[name]])));
    this.open = 0;
  }

  translate(x, y) {
    this._group(`transform="translate(${short(x)} ${short(y)})"`);
  }

  clip() {
    const id = `clip${++this.clips}`;
    this.parts.push(`<clipPath id="${id}"><path d="${this.path.join("")}"/></clipPath>`);
    this._group(`clip-path="url(#${id})"`);
  }

  _group(attribute) {
    this.parts.push(`<g ${attribute}>`);
    this.open += 1;
  }

  restore() {
    this.parts.push("</g>".repeat(this.open));
    Object.assign(this, this.stack.pop());
  }

  text() {
    const size = `width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}"`;
    return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${this.parts.join("")}${"</g>".repeat(this.open)}</svg>\n`;
  }
}
