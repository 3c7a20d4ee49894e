// The layers, run by the kernel in a memory that is planned once: the weights, the codes, room for one picture that a
// convolution pads or unfolds, and what the layers give, each in place of what is no longer needed. Images lie as
// (height, width, channels).

import { DecoderError, padded, pair, sources, windowOf } from "./format.js";
import { expandHalves } from "./half.js";
import { HERE, IN_KERNEL } from "./pointwise.js";

const PAGE = 65536; // bytes of WebAssembly memory come in pages
const MOST_NUMBERS = 2 ** 28; // 1 GiB

const columnsOf = ({ kernel, outputs }) => padded(pair(kernel)[0] * pair(kernel)[1] * outputs);

/** Whether a convolution finds all that it takes inside of the image. */
function isInside(layer) {
  const [tall, wide] = windowOf(layer);
  return pair(layer.padding).every((margin) => margin === 0) && tall <= layer.height && wide <= layer.width;
}

/** Numbers that a layer needs besides, for one picture. */
function roomFor(layer) {
  if (layer.kind === "conv_transpose") return layer.height * layer.width * columnsOf(layer);
  if (layer.kind !== "conv" || isInside(layer)) return 0;
  const [tall, wide] = windowOf(layer);
  return tall * wide * layer.inputs;
}

const IN_PLACE = new Set([...Object.keys(IN_KERNEL), ...Object.keys(HERE), "affine", "normalise", "add", "multiply"]);

/** Where each part begins, in numbers (4 bytes), and how large all is; `at`: of z and of what each layer gives. */
function plan({ count, layers }, sizes, batch) {
  const until = sizes.map((_, value) => value - 1); // the last layer that is fed with it
  layers.forEach((layer, index) => {
    for (const value of sources(layer, index)) until[value] = index;
  });
  until[layers.length] = layers.length;
  const z = padded(count);
  const room = z + batch * padded(sizes[0]);
  const begin = room + padded(Math.max(...layers.map(roomFor)));
  const at = [z];
  let end = begin;
  let live = [];
  layers.forEach((layer, index) => {
    const length = batch * padded(sizes[index + 1]);
    const [first] = sources(layer, index);
    live = live.filter((value) => until[value] >= index).sort((a, b) => at[a] - at[b]);
    if (IN_PLACE.has(layer.kind) && first > 0 && until[first] === index) {
      at.push(at[first]);
      live = live.filter((value) => value !== first);
    } else {
      let free = begin;
      for (const value of live) {
        if (at[value] - free >= length) break;
        free = at[value] + batch * padded(sizes[value]);
      }
      at.push(free);
    }
    end = Math.max(end, at[index + 1] + length);
    live.push(index + 1);
  });
  return { z, room, at, end };
}

/** Lets a function of one picture (addresses in and out, in numbers) run for each. */
const each =
  ({ from: [from], strides: [step], at, stride }, act) =>
  (pictures) => {
    for (let i = 0; i < pictures; i++) act(from + i * step, at + i * stride);
  };

const onPair =
  (name) =>
  (_, { kernel, from, at, stride }) =>
  (pictures) =>
    kernel[name](4 * from[0], 4 * from[1], 4 * at, pictures * stride);

/** One function of the number of pictures per layer; they close over addresses alone. */
const STEPS = {
  dense({ inputs, outputs, weights, bias }, { kernel, from: [from], strides: [step], at, stride }) {
    const [x, w, b, y, M] = [4 * from, 4 * weights, 4 * bias, 4 * at, padded(outputs)];
    return (pictures) => kernel.matmul(x, step, 1, 0, w, b, y, stride, pictures, inputs, M);
  },

  conv(layer, place) {
    const { height, width, inputs, outputs, weights, bias, out_height, out_width } = layer;
    const { kernel, room } = place;
    const [[sizeY, sizeX], [strideY, strideX]] = [pair(layer.kernel), pair(layer.stride)];
    const [top, left] = pair(layer.padding);
    if (sizeY * sizeX * strideY * strideX === 1 && isInside(layer) && height === out_height && width === out_width) {
      return each(place, (x, out) => {
        const positions = height * width;
        kernel.matmul(4 * x, inputs, 1, 0, 4 * weights, 4 * bias, 4 * out, outputs, positions, inputs, outputs);
      });
    }
    const inside = isInside(layer);
    const [tall, wide] = inside ? [height, width] : windowOf(layer);
    const [w, b, step, row, K] = [4 * weights, 4 * bias, strideX * inputs, wide * inputs, sizeX * inputs];
    return each(place, (x, out) => {
      if (!inside) kernel.pad(4 * x, 4 * room, height, width, inputs, top, left, tall, wide);
      const window = 4 * (inside ? x : room);
      for (let y = 0; y < out_height; y++) {
        const [from, to] = [window + 4 * y * strideY * row, 4 * (out + y * out_width * outputs)];
        kernel.matmul(from, step, sizeY, row, w, b, to, outputs, out_width, K, outputs);
      }
    });
  },

  conv_transpose(layer, place) {
    const { height, width, inputs, outputs, weights, bias, out_height, out_width } = layer;
    const { kernel, room } = place;
    const M = columnsOf(layer);
    const [sizeY, sizeX, strideY, strideX, top, left] = [layer.kernel, layer.stride, layer.padding].flatMap(pair);
    return each(place, (x, out) => {
      // one picture at a time: the taps stay in the cache
      kernel.matmul(4 * x, inputs, 1, 0, 4 * weights, 0, 4 * room, M, height * width, inputs, M);
      kernel.fold(
        4 * room,
        4 * bias,
        4 * out,
        height,
        width,
        outputs,
        sizeY,
        sizeX,
        strideY,
        strideX,
        top,
        left,
        M,
        out_height,
        out_width,
      );
    });
  },

  add: onPair("add"),
  multiply: onPair("multiply"),

  affine: ({ size, period, scale, shift }, place) =>
    each(place, (x, out) => place.kernel.affine(4 * x, 4 * scale, 4 * shift, 4 * out, size / period, period)),

  normalise: ({ positions, groups, width, eps, scale, shift }, place) =>
    each(place, (x, out) =>
      place.kernel.normalise(4 * x, 4 * scale, 4 * shift, 4 * out, positions, groups, width, eps),
    ),

  pad: ({ height, width, channels, top, left, out_height, out_width }, place) =>
    each(place, (x, out) =>
      place.kernel.pad(4 * x, 4 * out, height, width, channels, top, left, out_height, out_width),
    ),

  nearest: ({ height, width, channels, out_height, out_width }, place) =>
    each(place, (x, out) => place.kernel.nearest(4 * x, 4 * out, height, width, channels, out_height, out_width)),

  bilinear({ height, width, channels, out_height, out_width, corners }, place) {
    const along = (size, out) => {
      if (corners) return out > 1 ? [(size - 1) / (out - 1), 0] : [0, 0];
      return [size / out, 0.5 * (size / out) - 0.5];
    };
    const steps = [...along(height, out_height), ...along(width, out_width)];
    return each(place, (x, out) =>
      place.kernel.bilinear(4 * x, 4 * out, height, width, channels, out_height, out_width, ...steps),
    );
  },

  view({ shape, strides, offset }, place) {
    let from = Uint32Array.of(offset);
    shape.forEach((size, axis) => {
      const steps = Array.from({ length: size }, (_, i) => i * strides[axis]);
      from = Uint32Array.from({ length: from.length * size }, (_, i) => from[Math.floor(i / size)] + steps[i % size]);
    });
    const { numbers } = place;
    return each(place, (x, out) => {
      for (let i = 0; i < from.length; i++) numbers[out + i] = numbers[x + from[i]];
    });
  },
};

/** A function of each number, also of what fills a picture up to a whole panel. */
function pointwise(layer, { kernel, numbers, from: [from], strides: [step], at, stride }) {
  const inKernel = IN_KERNEL[layer.kind]?.(kernel, layer);
  const here = HERE[layer.kind]?.(layer);
  return (pictures) => {
    if (from !== at) numbers.copyWithin(at, from, from + pictures * step);
    if (inKernel) return void inKernel(4 * at, pictures * stride);
    for (let i = at, end = at + pictures * stride; i < end; i++) numbers[i] = here(numbers[i]);
  };
}

/**
 * The network in its own memory: {numbers, batch, z, zStride, output, stride, run}. Write codes, k numbers each and
 * `zStride` apart, at `z`; after run(pictures) the outputs begin at `output`, `stride` apart. Places count numbers.
 */
export async function buildNetwork({ header, sizes, weights }, kernelBytes, batch) {
  const { z, room, at, end } = plan(header, sizes, batch);
  if (end > MOST_NUMBERS)
    throw new DecoderError(`decoder file: it needs ${Math.ceil(end / 2 ** 18)} MiB, more than 1024`);
  let memory;
  let instance;
  try {
    memory = new WebAssembly.Memory({ initial: Math.ceil((4 * end) / PAGE) });
    ({ instance } = await WebAssembly.instantiate(kernelBytes, { env: { memory } }));
  } catch (error) {
    throw new DecoderError(`decoder: this browser cannot run it (${error.message})`);
  }
  const numbers = new Float32Array(memory.buffer);
  const place = numbers.subarray(0, weights.length);
  if (weights instanceof Uint16Array) expandHalves(weights, place);
  else place.set(weights);

  const strides = sizes.map(padded);
  const steps = header.layers.map((layer, index) => {
    const fed = sources(layer, index);
    return (STEPS[layer.kind] ?? pointwise)(layer, {
      kernel: instance.exports,
      numbers,
      room,
      from: fed.map((value) => at[value]),
      strides: fed.map((value) => strides[value]),
      at: at[index + 1],
      stride: strides[index + 1],
    });
  });
  const run = (pictures) => steps.forEach((step) => step(pictures));
  const last = sizes.length - 1;
  return { numbers, batch, z, zStride: strides[0], output: at[last], stride: strides[last], run };
}
