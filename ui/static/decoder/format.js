// The bytes of a packed decoder (written by vae/browser/decoder_export.py), read and checked:
//
//   "ELBD" | uint32 (little endian) L | L bytes of JSON | weights, float16 or float32, in the kernel's order

const MAGIC = 0x44424c45; // "ELBD", little endian
const FORMAT = 1;
const BYTES = { float16: 2, float32: 4 };

/** The panels' width: rows of weights and biases are padded to a multiple of it. */
export const PANEL = 8;
export const padded = (count) => Math.ceil(count / PANEL) * PANEL;

/** The bytes are no decoder that this page can run; the message says what is wrong. */
export class DecoderError extends Error {
  name = "DecoderError";
}

function check(condition, message) {
  if (!condition) throw new DecoderError(`decoder file: ${message}`);
}

const isCount = (value) => Number.isSafeInteger(value) && value > 0 && value < 2 ** 28;
const isOffset = (value) => value === 0 || isCount(value);

/**
 * The numbers that a layer takes and gives per picture, and its blocks of weights [offset, length]; by its kind.
 * The inputs of an activation are its outputs.
 */
const LAYERS = {
  relu: () => ({ blocks: [] }),
  tanh: () => ({ blocks: [] }),
  dense({ inputs, outputs, weights, bias }) {
    check([inputs, outputs].every(isCount), "a dense layer's widths are not positive whole numbers");
    check(isCount(bias), "a dense layer's bias stands where only weights can"); // address 0 is the kernel's "no bias"
    const M = padded(outputs);
    return {
      takes: inputs,
      gives: outputs,
      blocks: [
        [weights, inputs * M],
        [bias, M],
      ],
    };
  },
  conv_transpose(layer) {
    const { height, width, inputs, outputs, kernel, stride, padding, out_height, out_width, weights, bias } = layer;
    const counts = [height, width, inputs, outputs, kernel, stride, out_height, out_width];
    check(counts.every(isCount) && isOffset(padding), "a transposed convolution's sizes are not whole numbers");
    return {
      takes: height * width * inputs,
      gives: out_height * out_width * outputs,
      blocks: [
        [weights, inputs * padded(kernel * kernel * outputs)],
        [bias, padded(outputs)],
      ],
    };
  },
};

function checkLayers({ k, layers, height, width, channels }, count) {
  let size = k;
  for (const layer of layers) {
    check(Object.hasOwn(LAYERS, layer?.kind), `unknown layer ${JSON.stringify(layer?.kind)}; reload the page`);
    const { takes = size, gives = size, blocks } = LAYERS[layer.kind](layer);
    check(takes === size, `a ${layer.kind} layer takes ${takes} numbers, but the one before it gives ${size}`);
    check(isCount(gives), `a ${layer.kind} layer is too large`);
    for (const [offset, length] of blocks) {
      check(isOffset(offset) && offset + length <= count, `a ${layer.kind} layer's weights lie outside the file`);
    }
    size = gives;
  }
  check(size === height * width * channels, `${size} numbers come out, an image has ${height * width * channels}`);
}

/** {header, weights}: weights is a Uint16Array of halves or a Float32Array. Throws DecoderError. */
export function readDecoder(bytes) {
  const data = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  check(data.byteLength >= 8 && view.getUint32(0, true) === MAGIC, "it does not begin as one");
  const start = 8 + view.getUint32(4, true);
  check(start <= data.byteLength, "it is cut off in its header");
  let header = null;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(8, start)));
  } catch {
    check(false, "its header is no JSON");
  }
  check(header?.format === FORMAT, `format ${header?.format}, this page reads ${FORMAT}; reload the page`);
  const { precision, count, layers, k, height, width, channels } = header;
  check(Object.hasOwn(BYTES, precision), `unknown precision ${JSON.stringify(precision)}`);
  check([count, k, height, width, channels].every(isCount), "its sizes are not positive whole numbers");
  const { location = 0, spread = 1, low = 0, high = 1 } = header;
  check([location, spread, low, high].every(Number.isFinite) && spread > 0 && low < high, "its scale is none");
  check(channels === 1 || channels === 3, `${channels} channels; one or three can be shown`);
  check(Array.isArray(layers) && layers.length > 0, "it lists no layers");
  check(data.byteLength === start + count * BYTES[precision], "it does not hold the weights that its header says");
  checkLayers(header, count);
  const body = data.buffer.slice(data.byteOffset + start, data.byteOffset + data.byteLength); // aligned
  return { header, weights: precision === "float16" ? new Uint16Array(body) : new Float32Array(body) };
}
