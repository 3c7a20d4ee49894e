// A figure that Python drew as a file of its own: its colours, which a page gives by style sheets, written into it.

import { plain } from "../shared/svg_context.js";
import { download, downloadPng } from "../shared/download.js";
import { contextOf } from "../shared/mount.js";

const ENLARGED = 3; // pixels of the PNG for one of the figure
const LOOKS = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "font-family",
  "font-size",
  "font-weight",
];

/** The figure as text that every program draws as the page does, on `ground`. */
export function standalone(/** @type {SVGSVGElement} */ figure, ground) {
  const copy = /** @type {SVGSVGElement} */ (figure.cloneNode(true));
  const { x, y, width, height } = figure.viewBox.baseVal;
  const shapes = "path, rect, circle, line, text";
  const seen = figure.querySelectorAll(shapes);
  copy.querySelectorAll(shapes).forEach((shape, i) => {
    const style = getComputedStyle(seen[i]);
    for (const name of LOOKS) shape.setAttribute(name, plain(style.getPropertyValue(name)));
    shape.removeAttribute("class");
  });
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const back = document.createElementNS(copy.namespaceURI, "rect");
  for (const [name, value] of Object.entries({ x, y, width, height, fill: plain(ground) }))
    back.setAttribute(name, String(value));
  copy.prepend(back);
  return `${new XMLSerializer().serializeToString(copy)}\n`;
}

/** Let the browser download the figure; kind: PNG or SVG. */
export async function saveFigure(kind, /** @type {SVGSVGElement} */ figure, ground, name) {
  const svg = standalone(figure, ground);
  if (kind === "SVG") {
    download(new Blob([svg], { type: "image/svg+xml" }), `${name}.svg`);
    return;
  }
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: ENLARGED * picture.width, height: ENLARGED * picture.height });
  contextOf(canvas).drawImage(picture, 0, 0, canvas.width, canvas.height);
  await downloadPng(canvas, name);
}
