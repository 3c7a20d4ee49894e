// The curves as files: PNG and SVG as they are on screen, CSV with every record.

import { download } from "../shared/download.js";
import { nearest } from "../shared/scale.js";
import { SvgContext } from "../shared/svg_context.js";

const [MARGIN, HEAD, GAP, LINE] = [16, 24, 10, 14]; // pixels around the picture, above each panel, between two, a line of the note
const NOTE = 4; // lines
const ENLARGED = 2; // pixels of the PNG for one of the screen
const TERMS = ["squared_error", "distortion", "rate", "elbo", "loss"];

/** Every record as a line: step, C, then the means of training and, where they were measured, of held-out images. */
export function curvesCsv({ train, test, C }) {
  const columns = (of) => [of.error, of.distortion, of.rate, of.sum, of.loss].map((column) => column.values);
  const lines = [["step", "C", ...TERMS.map((name) => `train_${name}`), ...TERMS.map((name) => `heldout_${name}`)]];
  const [trained, held] = [columns(train), columns(test)];
  const cells = (of, i) =>
    of.map((values, j) => (i < 0 || !Number.isFinite(values[i]) ? "" : TERMS[j] === "elbo" ? -values[i] : values[i]));
  for (let i = 0; i < train.length; i++) {
    const near = nearest(test.step.values, test.length, train.step.values[i]);
    const same = near >= 0 && test.step.values[near] === train.step.values[i];
    lines.push([
      train.step.values[i],
      Number(C.values[i].toPrecision(6)),
      ...cells(trained, i),
      ...cells(held, same ? near : -1),
    ]);
  }
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

/** Words in lines of at most `widest` pixels. */
function wrapped(context, words, widest) {
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (context.measureText(longer).width > widest && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Draw the panels below each other: `panels` are { panel, title }. Returns nothing; the context holds the picture. */
export function drawCurves(context, { title: head, panels, palette, note }, width, height) {
  const text = (words, y, font, colour, widest = width - 2 * MARGIN) => {
    Object.assign(context, {
      font: `${font} ${palette.font}`,
      fillStyle: colour,
      textAlign: "left",
      textBaseline: "middle",
    });
    context.fillText(words, MARGIN, y, widest);
  };
  context.fillStyle = palette.ground;
  context.fillRect(0, 0, width, height);
  text(head, MARGIN + 6, "600 14px", palette.text);
  let y = MARGIN + HEAD;
  for (const { panel, title } of panels) {
    text(title, y + HEAD / 2, "600 12px", palette.text);
    context.save();
    context.translate(MARGIN, y + HEAD);
    panel.drawOn(context);
    context.restore();
    y += HEAD + panel.height + GAP;
  }
  context.font = `10px ${palette.font}`;
  for (const line of wrapped(context, note, width - 2 * MARGIN)) {
    text(line, y + 4, "10px", palette.faint);
    y += LINE;
  }
}

/** The size of the picture, in pixels of the screen. */
export function size(panels) {
  const height = panels.reduce(
    (sum, { panel }) => sum + HEAD + panel.height + GAP,
    2 * MARGIN + HEAD + (NOTE - 1) * LINE,
  );
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
    const svg = new SvgContext(
      width,
      height,
      (words, font) => Object.assign(context, { font }).measureText(words).width,
    );
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
