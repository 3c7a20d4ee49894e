import assert from "node:assert/strict";
import test from "node:test";

import { DecoderError, loadDecoder } from "../../../ui/static/decoder/decoder.js";
import { decoderFile, kernel, wave } from "./decoder_file.mjs";

const near = (actual, expected, limit) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(actual[i] - value) <= limit, `[${i}] ${actual[i]}, not ${value}`));
};

/** x (inputs) · matrix (inputs x outputs) + offsets. */
const dense = (x, matrix, offsets) =>
  offsets.map((offset, j) => x.reduce((sum, value, i) => sum + value * matrix[i * offsets.length + j], offset));

const mlp = (likelihood, k = 3) => ({
  k,
  height: 2,
  width: 3,
  channels: 1,
  likelihood,
  layers: [
    {
      kind: "dense",
      inputs: k,
      outputs: 11,
      matrix: wave(11 * k),
      offsets: wave(11, 1),
    },
    { kind: "relu" },
    {
      kind: "dense",
      inputs: 11,
      outputs: 6,
      matrix: wave(66, 2),
      offsets: wave(6, 3),
    },
    { kind: "tanh" },
  ],
});

function mlpByHand(z, { layers: [first, , second] }) {
  const h = dense(z, first.matrix, first.offsets).map((value) => Math.max(0, value));
  return dense(h, second.matrix, second.offsets).map(Math.tanh);
}

test("dense layers, ReLU and tanh, for widths that fill no panel", async () => {
  const file = mlp();
  const decoder = await loadDecoder(decoderFile(file), kernel);
  near([...decoder.mean([0.5, -1, 2])], mlpByHand([0.5, -1, 2], file), 1e-6);
  assert.equal(decoder.size, 6);
});

/** A transposed convolution by its definition, images as (height, width, channels). */
function convTranspose(x, layer) {
  const { height, width, inputs, outputs, stride, padding, out_height, out_width, matrix, offsets } = layer;
  const size = layer.kernel;
  const out = Array.from({ length: out_height * out_width * outputs }, (_, i) => offsets[i % outputs]);
  for (let y = 0; y < height; y++)
    for (let c = 0; c < width; c++)
      for (let i = 0; i < inputs; i++) {
        for (let ky = 0; ky < size; ky++)
          for (let kx = 0; kx < size; kx++)
            for (let o = 0; o < outputs; o++) {
              const [row, column] = [y * stride - padding + ky, c * stride - padding + kx];
              if (row < 0 || column < 0 || row >= out_height || column >= out_width) continue;
              const tap = matrix[((i * size + ky) * size + kx) * outputs + o];
              out[(row * out_width + column) * outputs + o] += x[(y * width + c) * inputs + i] * tap;
            }
      }
  return out;
}

const CONVOLUTIONS = [
  [4, 2, 1, 0],
  [3, 1, 1, 0],
  [5, 3, 2, 1],
  [1, 1, 0, 0],
  [2, 3, 0, 2],
  [6, 1, 5, 0],
];
for (const [size, stride, padding, extra] of CONVOLUTIONS) {
  for (const outputs of [1, 3]) {
    test(`transposed convolution ${size}x${size}, stride ${stride}, padding ${padding}, to ${outputs}`, async () => {
      const [height, width, inputs] = [6, 7, 5];
      const [out_height, out_width] = [height, width].map((n) => (n - 1) * stride - 2 * padding + size + extra);
      const layer = {
        kind: "conv_transpose",
        height,
        width,
        inputs,
        outputs,
        kernel: size,
        stride,
        padding,
        out_height,
        out_width,
        matrix: wave(inputs * size * size * outputs),
        offsets: wave(outputs, 1),
      };
      const k = height * width * inputs;
      const file = decoderFile({
        k,
        height: out_height,
        width: out_width,
        channels: outputs,
        layers: [layer],
      });
      const z = wave(k, 4);
      near([...(await loadDecoder(file, kernel)).mean(z)], convTranspose(z, layer), 1e-5);
    });
  }
}

test("several codes at once give what each gives alone, whatever the batch", async () => {
  const z = Float32Array.from(wave(7 * 3, 5));
  for (const batch of [1, 3, 4, 16]) {
    const decoder = await loadDecoder(decoderFile(mlp({ name: "bernoulli" })), kernel, { batch });
    const all = decoder.means(z);
    for (let i = 0; i < 7; i++) assert.deepEqual(all.slice(6 * i, 6 * i + 6), decoder.mean(z.slice(3 * i, 3 * i + 3)));
  }
});

test("mean and sample each keep an array of their own", async () => {
  const decoder = await loadDecoder(decoderFile(mlp()), kernel);
  const mean = decoder.mean([1, 2, 3]);
  const before = mean.slice();
  const sample = decoder.sample([1, 2, 3], 1);
  assert.notEqual(sample, mean);
  assert.deepEqual(mean, before);
  assert.equal(decoder.mean([0, 0, 0]), mean);
});

test("one seed is one sample, another seed another", async () => {
  for (const likelihood of [
    { name: "bernoulli" },
    { name: "gaussian", owns_C: true, C: 2 },
    { name: "continuous-bernoulli" },
  ]) {
    const decoder = await loadDecoder(decoderFile(mlp(likelihood)), kernel);
    const first = decoder.sample([1, 2, 3], 7).slice();
    assert.deepEqual(decoder.sample([1, 2, 3], 7), first);
    assert.notDeepEqual(decoder.samples([1, 2, 3, 1, 2, 3], 8).slice(0, 6), first);
  }
});

test("the mean of many samples is the mean", async () => {
  const n = 4000;
  const z = Float32Array.from({ length: 3 * n }, (_, i) => [0.5, -1, 2][i % 3]);
  for (const likelihood of [
    { name: "bernoulli" },
    { name: "gaussian", owns_C: true, C: 2 },
    { name: "continuous-bernoulli" },
  ]) {
    const decoder = await loadDecoder(decoderFile(mlp(likelihood)), kernel);
    const samples = decoder.samples(z, 3);
    const sums = new Array(6).fill(0);
    samples.forEach((value, i) => (sums[i % 6] += value));
    const averages = sums.map((sum) => sum / n);
    near(averages, [...decoder.mean([0.5, -1, 2])], (4 * 0.5) / Math.sqrt(n)); // four standard errors
  }
});

test("pixels are clamped, rounded, and keep their channels", async () => {
  const identity = wave(36).map((_, i) => (i % 7 === 0 ? 1 : 0));
  const layer = {
    kind: "dense",
    inputs: 6,
    outputs: 6,
    matrix: identity,
    offsets: [0, 0, 0, 0, 0, 0],
  };
  const colour = await loadDecoder(decoderFile({ k: 6, height: 1, width: 2, channels: 3, layers: [layer] }), kernel);
  const image = colour.mean([-0.5, 0, 0.5, 1, 1.5, 0.2]);
  assert.deepEqual([...colour.toPixels(image, new Uint8ClampedArray(8))], [0, 0, 128, 255, 255, 255, 51, 255]);
  const grey = await loadDecoder(decoderFile({ k: 6, height: 2, width: 3, channels: 1, layers: [layer] }), kernel);
  const pixels = grey.toPixels(image, new Uint8ClampedArray(24));
  assert.deepEqual([...pixels.slice(12, 24)], [255, 255, 255, 255, 255, 255, 255, 255, 51, 51, 51, 255]);
});

test("a Gaussian's mean is location + spread · output, its pixels are those between the display limits", async () => {
  const layer = {
    kind: "dense",
    inputs: 3,
    outputs: 3,
    matrix: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    offsets: [0, 0, 0],
  };
  const scale = { location: 100, spread: 50, low: 50, high: 250 };
  const likelihood = { name: "gaussian", owns_C: true, C: 1e-3 };
  const file = {
    k: 3,
    height: 1,
    width: 3,
    channels: 1,
    layers: [layer],
    likelihood,
    ...scale,
  };
  const decoder = await loadDecoder(decoderFile(file), kernel);
  assert.deepEqual([...decoder.mean([-1, 0, 4])], [50, 100, 300]);
  const red = [...decoder.toPixels(decoder.mean([-1, 0, 4]), new Uint8ClampedArray(12))].filter((_, i) => i % 4 === 0);
  assert.deepEqual(red, [0, 64, 255]);
  for (const broken of [{ spread: 0 }, { spread: -1 }, { location: null }, { low: 1, high: 1 }, { high: "x" }]) {
    await assert.rejects(loadDecoder(decoderFile({ ...file, ...broken }), kernel), /its scale is none/);
  }
});

test("codes and room that do not fit are refused in words", async () => {
  const decoder = await loadDecoder(decoderFile(mlp()), kernel);
  assert.throws(() => decoder.mean([1, 2]), /z: expected 3 numbers .*, got 2/);
  assert.throws(() => decoder.mean([1, 2, 3, 4, 5, 6]), RangeError);
  assert.throws(() => decoder.means([1, 2, 3, 4]), RangeError);
  assert.throws(() => decoder.means([1, 2, 3], new Float32Array(5)), /out: 6 numbers do not fit 5/);
});

test("a likelihood that the page does not know, or a kernel it cannot run", async () => {
  const load = (likelihood) => loadDecoder(decoderFile(mlp(likelihood)), kernel);
  await assert.rejects(load({ name: "poisson" }), /DecoderError: .*likelihood "poisson"/);
  await assert.rejects(load({ name: "toString" }), DecoderError);
  await assert.rejects(load({ name: "gaussian", owns_C: true, C: 0 }), /C should be positive, got 0/);
  await assert.rejects(loadDecoder(decoderFile(mlp()), kernel.subarray(0, 40)), /DecoderError: .*cannot run it/);
});

test("memory is planned once: pictures take no new arrays", async () => {
  const layer = {
    kind: "dense",
    inputs: 2,
    outputs: 784,
    matrix: wave(1568),
    offsets: wave(784),
  };
  const decoder = await loadDecoder(decoderFile({ k: 2, height: 28, width: 28, channels: 1, layers: [layer] }), kernel);
  const z = Float32Array.from([1, 2]);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 1000; i++) decoder.mean(z);
  assert.ok(process.memoryUsage().arrayBuffers <= before); // a new array each time would be 3 MB
});
