// What the file made smaller, as the app's routes send it: codes as float32, images one behind the other, covariances.

import { expandHalves } from "../decoder/half.js";
import { readFrame } from "../shared/framing.js";

const LEVELS = 65535; // of a 16-bit number

/** A frame of packed codes, as GET /runs/{name}/codes/{sha} sends it, from the same with 16 bit a number. */
export function unpackCodes(bytes) {
  const { header, body } = readFrame(bytes, "codes");
  const { n, k, ranges } = header;
  const arrays = ["loc", "log_variance", "rate", "distortion"].filter((name) => name in ranges);
  const widths = arrays.map((name) =>
    ranges[name][0].length === k && name !== "rate" && name !== "distortion" ? k : 1,
  );
  const total = n * widths.reduce((sum, width) => sum + width, 0);
  const levels = new Uint16Array(body.buffer, body.byteOffset, total);
  const numbers = new Float32Array(total);
  let at = 0;
  arrays.forEach((name, a) => {
    const [low, high] = ranges[name];
    for (const end = at + n * widths[a]; at < end;) {
      for (let d = 0; d < widths[a]; d++, at++) numbers[at] = low[d] + (high[d] - low[d]) * (levels[at] / LEVELS);
    }
  });
  const rest = body.subarray(Math.ceil((2 * total) / 4) * 4);
  return framed(header, new Uint8Array(numbers.buffer), rest);
}

/** A header before bytes, as framing.js reads it. */
function framed(header, ...parts) {
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil((4 + text.length) / 8) * 8 - 4).fill(32);
  padded.set(text);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, padded.length, true);
  return joined([length, padded, ...parts]);
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * n images (height, width, channels) one behind the other, from the RGBA bytes of a picture of tiles with `columns` in
 * a row.
 *
 * @param {Uint8ClampedArray} rgba
 * @param {{ n: number, columns: number, height: number, width: number, channels: number }} tiles
 */
export function untile(rgba, { n, columns, height, width, channels }) {
  const images = new Uint8Array(n * height * width * channels);
  let to = 0;
  for (let i = 0; i < n; i++) {
    const [top, left] = [Math.floor(i / columns) * height, (i % columns) * width];
    for (let y = 0; y < height; y++) {
      let from = 4 * ((top + y) * columns * width + left);
      for (let x = 0; x < width; x++, from += 4) {
        for (let c = 0; c < channels; c++) images[to++] = rgba[from + c];
      }
    }
  }
  return images;
}

/** L Lᵀ of image `index`, k·k numbers row by row, from the lower triangles L of all images as float16. */
export function covarianceOf(bytes, k, index) {
  const size = (k * (k + 1)) / 2;
  const L = expandHalves(
    new Uint16Array(bytes.buffer, bytes.byteOffset + 2 * index * size, size),
    new Float32Array(size),
  );
  const at = (row, column) => L[(row * (row + 1)) / 2 + column];
  return Array.from({ length: k * k }, (_, place) => {
    const [i, j] = [Math.floor(place / k), place % k];
    let sum = 0;
    for (let d = 0; d <= Math.min(i, j); d++) sum += at(i, d) * at(j, d);
    return sum;
  });
}
