// The bytes of a packed decoder (written by vae/browser/decoder_export.py), read and checked:
//
//   "ELBD" | uint32 (little endian) L | L bytes of JSON | weights, float16 or float32, in the kernel's order

import { readFrame } from "../shared/framing.js";

const MAGIC = "ELBD";
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

const MOST_LAYERS = 4096;
const isCount = (value) => Number.isSafeInteger(value) && value > 0 && value < 2 ** 28;
const isOffset = (value) => value === 0 || isCount(value);
const isSize = (value) => isCount(value) && value <= 2 ** 24; // numbers of one picture after one layer

/** [along the height, along the width] of what may be given as one number for both. */
export const pair = (value) => (Array.isArray(value) ? value : [value, value]);
const isPair = (value, holds) => pair(value).length === 2 && pair(value).every(holds);

/** The window that a convolution takes from its padded image: [height, width]. */
export const windowOf = ({ kernel, stride, out_height, out_width }) =>
  [out_height, out_width].map((size, axis) => (size - 1) * pair(stride)[axis] + pair(kernel)[axis]);

const product = (values) => values.reduce((all, value) => all * value, 1);
const isWhole = (value) => Number.isSafeInteger(value) && Math.abs(value) < 2 ** 24;

/** Of a function of each number, with the settings that it needs. */
const pointwise =
  (...settings) =>
  (layer) => {
    for (const name of settings) check(Number.isFinite(layer[name]), `a ${layer.kind} layer lacks its ${name}`);
    return { blocks: [] };
  };

/** Of a convolution, to either side. */
function convolution(layer, columns, rows) {
  const { height, width, inputs, outputs, kernel, stride, padding, out_height, out_width, weights, bias } = layer;
  const counts = [height, width, inputs, outputs, out_height, out_width];
  const good = counts.every(isCount) && isPair(kernel, isCount) && isPair(stride, isCount) && isPair(padding, isOffset);
  check(good, "a convolution's sizes are not whole numbers");
  const [tall, wide] = [
    (height - 1) * pair(stride)[0] + pair(kernel)[0],
    (width - 1) * pair(stride)[1] + pair(kernel)[1],
  ];
  check([tall, wide, ...windowOf(layer)].every(isCount), "a convolution's window is too large");
  return {
    takes: height * width * inputs,
    gives: out_height * out_width * outputs,
    blocks: [
      [weights, rows(layer) * padded(columns(layer))],
      [bias, padded(outputs)],
    ],
  };
}
const taps = ({ kernel }) => product(pair(kernel));

/** Of what makes an image of another size with the same channels. */
function resized({ kind, height, width, channels, out_height, out_width }) {
  const counts = [height, width, channels, out_height, out_width];
  check(counts.every(isCount), `a ${kind} layer's sizes are not positive whole numbers`);
  return { takes: height * width * channels, gives: out_height * out_width * channels, blocks: [] };
}

/**
 * The numbers that a layer takes from each of its `inputs` and gives per picture, and its blocks of weights [offset,
 * length]; by its kind. Where `takes` is left out, any number; where `gives` is, as many as it takes.
 */
const LAYERS = {
  relu: pointwise(),
  tanh: pointwise(),
  sigmoid: pointwise(),
  silu: pointwise(),
  gelu: pointwise(),
  gelu_tanh: pointwise(),
  softplus: pointwise(),
  mish: pointwise(),
  selu: pointwise(),
  hard_swish: pointwise(),
  exp: pointwise(),
  log: pointwise(),
  abs: pointwise(),
  negative: pointwise(),
  sqrt: pointwise(),
  erf: pointwise(),
  elu: pointwise("alpha"),
  leaky_relu: pointwise("slope"),
  at_least: pointwise("bound"),
  at_most: pointwise("bound"),
  logit: pointwise("least"),
  add: () => ({ inputs: 2, blocks: [] }),
  multiply: () => ({ inputs: 2, blocks: [] }),
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
  conv(layer) {
    check(isCount(layer.bias), "a convolution's bias stands where only weights can");
    return convolution(
      layer,
      ({ outputs }) => outputs,
      (conv) => taps(conv) * conv.inputs,
    );
  },
  conv_transpose: (layer) =>
    convolution(
      layer,
      (conv) => taps(conv) * conv.outputs,
      ({ inputs }) => inputs,
    ),
  affine({ size, period, scale, shift }) {
    check(isCount(size) && isCount(period) && size % period === 0, "an affine layer's sizes do not fit");
    return {
      takes: size,
      blocks: [
        [scale, padded(period)],
        [shift, padded(period)],
      ],
    };
  },
  normalise({ positions, groups, width, eps, scale, shift }) {
    check([positions, groups, width].every(isCount) && eps >= 0, "a normalise layer's sizes do not fit");
    return {
      takes: positions * groups * width,
      blocks: [
        [scale, padded(groups * width)],
        [shift, padded(groups * width)],
      ],
    };
  },
  pad(layer) {
    check(isWhole(layer.top) && isWhole(layer.left), "a pad layer's corner is not given in whole numbers");
    return resized(layer);
  },
  nearest: resized,
  bilinear: resized,
  view({ inputs, shape, strides, offset }) {
    const lists = [shape, strides].every((list) => Array.isArray(list) && list.length > 0 && list.length <= 8);
    check(lists && shape.length === strides.length && shape.every(isCount), "a view's sizes are not whole numbers");
    check([offset, ...strides].every(isOffset) && isCount(inputs), "a view's strides are not whole numbers");
    const last = offset + strides.reduce((sum, stride, axis) => sum + stride * (shape[axis] - 1), 0);
    check(last < inputs, "a view reads beyond its input");
    return { takes: inputs, gives: product(shape), blocks: [] };
  },
};

/** What a layer is fed with: 0 is z, j + 1 what layer j gives; left out, what the layer before it gives. */
export const sources = (layer, index) => layer.from ?? [index];

/** How many numbers z and each layer give per picture. */
function checkLayers({ k, layers, height, width, channels }, count) {
  check(layers.length <= MOST_LAYERS, `${layers.length} layers, more than ${MOST_LAYERS}`);
  const sizes = [k];
  layers.forEach((layer, index) => {
    check(Object.hasOwn(LAYERS, layer?.kind), `unknown layer ${JSON.stringify(layer?.kind)}; reload the page`);
    const from = sources(layer, index);
    const earlier = (place) => Number.isSafeInteger(place) && place >= 0 && place <= index;
    check(Array.isArray(from) && from.every(earlier), `a ${layer.kind} layer is fed with what is not there before it`);
    const known = LAYERS[layer.kind](layer);
    const { inputs = 1, takes = sizes[from[0]], blocks } = known;
    check(from.length === inputs, `a ${layer.kind} layer is fed with ${from.length} inputs, it takes ${inputs}`);
    for (const place of from) {
      const before = place === index ? "the one before it" : "what feeds it";
      check(
        takes === sizes[place],
        `a ${layer.kind} layer takes ${takes} numbers, but ${before} gives ${sizes[place]}`,
      );
    }
    const gives = known.gives ?? takes;
    check(isSize(gives), `a ${layer.kind} layer is too large`);
    for (const [offset, length] of blocks) {
      check(isOffset(offset) && offset + length <= count, `a ${layer.kind} layer's weights lie outside the file`);
    }
    sizes.push(gives);
  });
  const size = sizes[sizes.length - 1];
  check(size === height * width * channels, `${size} numbers come out, an image has ${height * width * channels}`);
  return sizes;
}

function framed(bytes) {
  try {
    return readFrame(bytes, "decoder file", MAGIC);
  } catch (error) {
    throw new DecoderError(error.message);
  }
}

/** {header, sizes, weights}: how many numbers z and each layer give per picture; weights is a Uint16Array of halves or a Float32Array. Throws DecoderError. */
export function readDecoder(bytes) {
  const { header, body } = framed(bytes);
  check(header.format === FORMAT, `format ${header.format}, this page reads ${FORMAT}; reload the page`);
  const { precision, count, layers, k, height, width, channels } = header;
  check(Object.hasOwn(BYTES, precision), `unknown precision ${JSON.stringify(precision)}`);
  check([count, k, height, width, channels].every(isCount), "its sizes are not positive whole numbers");
  const { location = 0, spread = 1, low = 0, high = 1 } = header;
  check([location, spread, low, high].every(Number.isFinite) && spread > 0 && low < high, "its scale is none");
  check(channels === 1 || channels === 3, `${channels} channels; one or three can be shown`);
  check(Array.isArray(layers) && layers.length > 0, "it lists no layers");
  check(body.length === count * BYTES[precision], "it does not hold the weights that its header says");
  const sizes = checkLayers(header, count);
  const Kind = precision === "float16" ? Uint16Array : Float32Array;
  return { header, sizes, weights: new Kind(body.buffer, body.byteOffset, count) };
}
