// The layers, run by the kernel in a memory that is planned once: the weights, the codes, two buffers that the layers
// write in turn, and the taps of one transposed convolution. Images lie as (height, width, channels).

import { DecoderError, padded } from "./format.js";
import { expandHalves } from "./half.js";

const PAGE = 65536; // bytes of WebAssembly memory come in pages

/** Numbers that a layer gives per picture, where the next picture begins; nothing for an activation (in place). */
const sizes = {
  relu: () => null,
  tanh: () => null,
  dense: ({ outputs }) => padded(outputs),
  conv_transpose: ({ out_height, out_width, outputs }) => padded(out_height * out_width * outputs),
};
const taps = ({ kind, height, width, kernel, outputs }) =>
  kind === "conv_transpose" ? height * width * padded(kernel * kernel * outputs) : 0;

/** Where each part begins, in numbers (4 bytes), and how large all is. */
function plan({ k, count, layers }, batch) {
  const largest = Math.max(...layers.map((layer) => sizes[layer.kind](layer) ?? 0));
  const lengths = [count, batch * padded(k), batch * largest, batch * largest, Math.max(...layers.map(taps))];
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + padded(length));
  const [weights, z, first, second, folded, total] = starts;
  return { weights, z, buffers: [first, second], folded, total };
}

/** One function of the number of pictures per layer; they close over addresses alone. */
const STEPS = {
  relu:
    (_, { kernel, at, size }) =>
    (pictures) =>
      kernel.relu(4 * at, pictures * size),

  tanh:
    (_, { numbers, at, size }) =>
    (pictures) => {
      for (let i = at, end = at + pictures * size; i < end; i++) numbers[i] = Math.tanh(numbers[i]);
    },

  dense:
    ({ inputs, outputs, weights, bias }, { kernel, from, at, stride }) =>
    (pictures) =>
      kernel.matmul(4 * from, stride, 4 * weights, 4 * bias, 4 * at, pictures, inputs, padded(outputs)),

  conv_transpose(layer, { kernel, from, at, stride, size, folded }) {
    const { height, width, inputs, outputs, weights, bias, padding, out_height, out_width } = layer;
    const M = padded(layer.kernel ** 2 * outputs);
    return (pictures) => {
      for (let i = 0; i < pictures; i++) {
        // one at a time: the taps stay in the cache
        kernel.matmul(4 * (from + i * stride), inputs, 4 * weights, 0, 4 * folded, height * width, inputs, M);
        kernel.fold(
          4 * folded,
          4 * bias,
          4 * (at + i * size),
          height,
          width,
          outputs,
          layer.kernel,
          layer.stride,
          padding,
          M,
          out_height,
          out_width,
        );
      }
    };
  },
};

/**
 * The network in its own memory: {numbers, batch, z, zStride, output, stride, run}. Write codes, k numbers each and
 * `zStride` apart, at `z`; after run(pictures) the outputs begin at `output`, `stride` apart. Places count numbers.
 */
export async function buildNetwork({ header, weights }, kernelBytes, batch) {
  const places = plan(header, batch);
  const pages = Math.ceil((4 * places.total) / PAGE);
  let memory;
  let instance;
  try {
    memory = new WebAssembly.Memory({ initial: pages });
    ({ instance } = await WebAssembly.instantiate(kernelBytes, { env: { memory } }));
  } catch (error) {
    throw new DecoderError(`decoder: this browser cannot run it (${error.message})`);
  }
  const numbers = new Float32Array(memory.buffer);
  const room = numbers.subarray(places.weights, places.weights + weights.length);
  if (weights instanceof Uint16Array) expandHalves(weights, room);
  else room.set(weights);

  const zStride = padded(header.k);
  let [at, stride] = [places.z, zStride];
  const steps = header.layers.map((layer) => {
    const from = at;
    const size = sizes[layer.kind](layer) ?? stride;
    if (sizes[layer.kind](layer) !== null) at = places.buffers[at === places.buffers[0] ? 1 : 0];
    const place = { kernel: instance.exports, numbers, from, at, stride, size, folded: places.folded };
    stride = size;
    return STEPS[layer.kind](layer, place);
  });
  const run = (pictures) => steps.forEach((step) => step(pictures));
  return { numbers, batch, z: places.z, zStride, output: at, stride, run };
}
