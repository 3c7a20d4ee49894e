// Both maps as one PNG, as they are on screen, twice as large.

import { downloadPng } from "../shared/download.js";
import { contextOf } from "../shared/mount.js";

const [SCALE, MARGIN, GAP, LINE] = [2, 24, 22, 20];

/** Where all goes, in pixels of the screen: maps side by side, their names above them, lines of words on top. */
export function plan(maps, lines) {
  const top = MARGIN + lines.length * LINE + 10;
  let x = MARGIN;
  const places = maps.map(({ width, height }) => {
    const place = { x, y: top + LINE, width, height };
    x += width + GAP;
    return place;
  });
  return {
    top,
    places,
    width: x - GAP + MARGIN,
    height: top + LINE + Math.max(...maps.map((map) => map.height)) + MARGIN,
  };
}

/** Lets the browser keep the maps [{ name, width, height, layers }] as `name`.png, below `lines` of words. */
export async function saveMaps(maps, lines, palette, name) {
  const place = plan(maps, lines);
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.round(place.width * SCALE),
    height: Math.round(place.height * SCALE),
  });
  const context = contextOf(canvas);
  context.scale(SCALE, SCALE);
  Object.assign(context, { fillStyle: palette.ground, textBaseline: "middle" });
  context.fillRect(0, 0, place.width, place.height);
  lines.forEach((line, i) => {
    context.font = `${i ? "" : "600 "}13px ${palette.font}`;
    context.fillStyle = i ? palette.faint : palette.text;
    context.fillText(line, MARGIN, MARGIN + (i + 0.5) * LINE, place.width - 2 * MARGIN);
  });
  maps.forEach((map, i) => {
    const { x, y, width, height } = place.places[i];
    context.font = `600 13px ${palette.font}`;
    context.fillStyle = palette.text;
    context.fillText(map.name, x, y - LINE / 2, width);
    context.fillStyle = palette.card;
    context.fillRect(x, y, width, height);
    for (const layer of map.layers) context.drawImage(layer, x, y, width, height);
  });
  await downloadPng(canvas, name);
}
