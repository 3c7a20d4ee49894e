// The bytes of a preview: what the live connection wraps around it, and live.bin itself.

const text = new TextDecoder();

/** A JSON header that begins at `start`, behind its length (uint32, little endian), and where it ends. */
function header(buffer, start) {
  const length = new DataView(buffer).getUint32(start, true);
  const end = start + 4 + length;
  if (end > buffer.byteLength) throw new RangeError("the header is longer than the message");
  return { values: JSON.parse(text.decode(new Uint8Array(buffer, start + 4, length))), end };
}

/** A binary message of the live connection: the run's name, and its preview. Throws if it is no such message. */
export function readMessage(buffer) {
  const { values, end } = header(buffer, 0);
  return { run: values.run, preview: readPreview(buffer, end) };
}

/**
 * live.bin, from byte `start` on: step, count, height, width, channels, and two views (originals, reconstructions)
 * of count x height x width x channels bytes. Throws if it holds less than it says.
 */
export function readPreview(buffer, start = 0) {
  const { values, end } = header(buffer, start);
  const { step, count, height, width, channels } = values;
  const size = count * height * width * channels;
  if (!(size > 0) || ![1, 3].includes(channels) || end + 2 * size > buffer.byteLength) {
    throw new RangeError("the preview does not hold what its header says");
  }
  return {
    step,
    count,
    height,
    width,
    channels,
    originals: new Uint8Array(buffer, end, size),
    reconstructions: new Uint8Array(buffer, end + size, size),
  };
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
