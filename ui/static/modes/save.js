// A sheet as a PNG that explains itself: title, headings, pictures enlarged by whole pixels.

import { downloadPng } from "../shared/download.js";
import { contextOf } from "../shared/mount.js";

const INK = "#20242c";
const QUIET = "#6b6a66";
const GROUND = "#fbfaf6";
const FONT = "system-ui, 'Segoe UI', 'Liberation Sans', sans-serif";
const [MARGIN, GAP, LINE] = [24, 4, 20];

/** Where everything goes; measure(text) is its width in the font of headings. */
export function plan({ lines, columns, rows, image }, measure) {
  const scale = Math.max(1, Math.round(64 / Math.max(image.width, image.height)));
  const [width, height] = [image.width * scale, image.height * scale];
  const count = Math.max(...rows.map((row) => row.pictures.length));
  const side =
    Math.ceil(Math.max(0, ...rows.map((row) => measure(row.head ?? "")))) + (rows.some((row) => row.head) ? 12 : 0);
  const top = MARGIN + lines.length * LINE + 10 + (columns ? LINE : 0);
  return {
    scale,
    width,
    height,
    left: MARGIN + side,
    top,
    total: {
      width:
        Math.max(MARGIN + side + count * (width + GAP) - GAP, ...lines.map((line) => MARGIN + measure(line))) + MARGIN,
      height: top + rows.length * (height + GAP) - GAP + MARGIN,
    },
  };
}

/** A canvas with the sheet: { lines: [text], columns: [text] or null, rows: [{ head, pictures: [canvas] }], image }. */
export function drawSheet(sheet) {
  const canvas = document.createElement("canvas");
  const context = contextOf(canvas);
  context.font = `13px ${FONT}`;
  const place = plan(sheet, (text) => context.measureText(text).width);
  Object.assign(canvas, { width: Math.ceil(place.total.width), height: Math.ceil(place.total.height) });
  Object.assign(context, { fillStyle: GROUND, imageSmoothingEnabled: false, textBaseline: "middle" });
  context.fillRect(0, 0, canvas.width, canvas.height);
  sheet.lines.forEach((line, i) => {
    context.font = `${i ? "" : "600 "}13px ${FONT}`;
    context.fillStyle = i ? QUIET : INK;
    context.fillText(line, MARGIN, MARGIN + (i + 0.5) * LINE);
  });
  context.font = `13px ${FONT}`;
  context.fillStyle = QUIET;
  const x = (j) => place.left + j * (place.width + GAP);
  context.textAlign = "center";
  sheet.columns?.forEach((text, j) => context.fillText(text, x(j) + place.width / 2, place.top - LINE / 2));
  context.textAlign = "left";
  sheet.rows.forEach(({ head, pictures }, i) => {
    const y = place.top + i * (place.height + GAP);
    if (head) context.fillText(head, MARGIN, y + place.height / 2);
    pictures.forEach((picture, j) => context.drawImage(picture, x(j), y, place.width, place.height));
  });
  return canvas;
}

/** Let the browser download the sheet as `name`.png. */
export async function saveSheet(sheet, name) {
  await downloadPng(drawSheet(sheet), name);
}
