// The bytes of a preview: what the live connection wraps around it, and live.bin itself.

import { readFrame } from "../shared/framing.js";

/** A binary message of the live connection: the run's name, and its preview. Throws RangeError if it is no such message. */
export function readMessage(bytes) {
  const { header, body } = readFrame(bytes, "message");
  return { run: header.run, preview: readPreview(body) };
}

/**
 * live.bin: step, count, height, width, channels, and two views (originals, reconstructions) of count x height x width
 * x channels bytes. Throws RangeError if it holds less than it says.
 */
export function readPreview(bytes) {
  const { header, body } = readFrame(bytes, "preview");
  const { step, count, height, width, channels } = header;
  const size = count * height * width * channels;
  if (!(size > 0) || ![1, 3].includes(channels) || 2 * size > body.length) {
    throw new RangeError("the preview does not hold what its header says");
  }
  const [originals, reconstructions] = [body.subarray(0, size), body.subarray(size, 2 * size)];
  return { step, count, height, width, channels, originals, reconstructions };
}

/** One image of a preview as RGBA, for a canvas. */
export function rgba(images, index, { height, width, channels }) {
  const pixels = height * width;
  const out = new Uint8ClampedArray(4 * pixels);
  const start = index * pixels * channels;
  for (let p = 0; p < pixels; p++) {
    const from = start + p * channels;
    out[4 * p] = images[from];
    out[4 * p + 1] = images[from + (channels === 3 ? 1 : 0)];
    out[4 * p + 2] = images[from + (channels === 3 ? 2 : 0)];
    out[4 * p + 3] = 255;
  }
  return out;
}
