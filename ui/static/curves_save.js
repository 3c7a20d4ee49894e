// The curves as files: PNG and SVG as they are on screen, CSV with every record.

import { download } from "./download.js";
import { nearest } from "./scale.js";
import { SvgContext } from "./svg_context.js";

const [MARGIN, HEAD, GAP] = [16, 24, 10]; // pixels around the picture, above each panel and between two
const ENLARGED = 2; // pixels of the PNG for one of the screen
const TERMS = ["squared_error", "distortion", "rate", "elbo", "loss"];

/** Every record as a line: step, C, then the means of training and, where they were measured, of held-out images. */
export function curvesCsv({ train, test, C }) {
  const columns = (of) => [of.error, of.distortion, of.rate, of.sum, of.loss].map((column) => column.values);
  const lines = [["step", "C", ...TERMS.map((name) => `train_${name}`), ...TERMS.map((name) => `heldout_${name}`)]];
  const [trained, held] = [columns(train), columns(test)];
  const cells = (of, i) => of.map((values, j) => (i < 0 || !Number.isFinite(values[i]) ? "" : TERMS[j] === "elbo" ? -values[i] : values[i]));
  for (let i = 0; i < train.length; i++) {
    const near = nearest(test.step.values, test.length, train.step.values[i]);
    const same = near >= 0 && test.step.values[near] === train.step.values[i];
    lines.push([train.step.values[i], C.values[i], ...cells(trained, i), ...cells(held, same ? near : -1)]);
  }
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

/** Draw the panels below each other: `panels` are { panel, title }. Returns nothing; the context holds the picture. */
export function drawCurves(context, { run, panels, palette, note }, width, height) {
  const text = (words, y, font, colour, widest = width - 2 * MARGIN) => {
    Object.assign(context, { font: `${font} ${palette.font}`, fillStyle: colour, textAlign: "left", textBaseline: "middle" });
    context.fillText(words, MARGIN, y, widest);
  };
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, width, height);
  text(run, MARGIN + 6, "600 14px", palette.text);
  let y = MARGIN + HEAD;
  for (const { panel, title } of panels) {
    text(title, y + HEAD / 2, "600 12px", palette.text);
    context.save();
    context.translate(MARGIN, y + HEAD);
    panel.drawOn(context);
    context.restore();
    y += HEAD + panel.height + GAP;
  }
  text(note, y + 4, "10px", palette.faint);
}

/** The size of the picture, in pixels of the screen. */
export function size(panels) {
  const height = panels.reduce((sum, { panel }) => sum + HEAD + panel.height + GAP, 2 * MARGIN + HEAD);
  return { width: Math.max(...panels.map(({ panel }) => panel.width)) + 2 * MARGIN, height };
}

/** Let the browser download the curves; kind: PNG, SVG or CSV. */
export async function saveCurves(kind, view) {
  const { width, height } = size(view.panels);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  let blob;
  if (kind === "CSV") blob = new Blob([curvesCsv(view.history)], { type: "text/csv" });
  else if (kind === "SVG") {
    const svg = new SvgContext(width, height, (words, font) => Object.assign(context, { font }).measureText(words).width);
    drawCurves(svg, view, width, height);
    blob = new Blob([svg.text()], { type: "image/svg+xml" });
  } else {
    Object.assign(canvas, { width: width * ENLARGED, height: height * ENLARGED });
    context.scale(ENLARGED, ENLARGED);
    drawCurves(context, view, width, height);
    blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }
  download(blob, `${view.run}-curves.${kind.toLowerCase()}`);
}
