import assert from "node:assert/strict";
import test from "node:test";

import { DecoderError, readDecoder } from "../../../ui/static/decoder/format.js";
import { expandHalves } from "../../../ui/static/decoder/half.js";
import { loadDecoder } from "../../../ui/static/decoder/decoder.js";
import { fileOf, kernel } from "./decoder_file.mjs";

const header = {
  format: 1,
  precision: "float32",
  count: 24,
  k: 2,
  height: 1,
  width: 3,
  channels: 1,
  likelihood: { name: "bernoulli" },
  layers: [{ kind: "dense", inputs: 2, outputs: 3, weights: 0, bias: 16 }],
};
const weights = Float32Array.from({ length: 24 }, (_, i) => i);
const read = (changes = {}, body = weights) => readDecoder(fileOf({ ...header, ...changes }, body));
const dense = (changes) => ({ layers: [{ ...header.layers[0], ...changes }] });
const conv = (changes) => ({
  count: 40,
  layers: [
    {
      kind: "conv_transpose",
      height: 1,
      width: 2,
      inputs: 1,
      outputs: 1,
      kernel: 2,
      stride: 1,
      padding: 0,
      out_height: 1,
      out_width: 3,
      weights: 0,
      bias: 8,
      ...changes,
    },
  ],
});

test("a whole file gives its header and weights, from an odd address too", () => {
  const file = fileOf(header, weights);
  assert.deepEqual([...readDecoder(file.buffer).weights], [...weights]);
  const shifted = new Uint8Array(file.length + 3);
  shifted.set(file, 3);
  assert.deepEqual([...readDecoder(shifted.subarray(3)).weights], [...weights]);
  assert.equal(readDecoder(file).header.k, 2);
  assert.ok(read({ precision: "float16" }, new Uint16Array(24)).weights instanceof Uint16Array);
});

const refused = {
  "does not begin as one": () => readDecoder(fileOf(header, weights, "PK..")),
  "begin as one": () => readDecoder(new Uint8Array(5)),
  "cut off in its header": () => readDecoder(fileOf(header, weights).subarray(0, 60)),
  "header is no JSON": () => readDecoder(fileOf("{", weights)),
  "header is no JSON object": () => readDecoder(fileOf("null", weights)),
  "format undefined": () => read({ format: undefined }),
  "format 2, this page reads 1": () => read({ format: 2 }),
  'unknown precision "float8"': () => read({ precision: "float8" }),
  "unknown precision": () => read({ precision: "constructor" }),
  "sizes are not positive": () => read({ k: 0 }),
  "sizes are not": () => read({ height: 1.5 }),
  "2 channels": () => read({ channels: 2 }),
  "lists no layers": () => read({ layers: [] }),
  "lists no": () => read({ layers: "dense" }),
  "does not hold the weights": () => read({}, weights.subarray(1)),
  "does not hold": () => read({ precision: "float16" }),
  'unknown layer "wave"': () => read(dense({ kind: "wave" })),
  "unknown layer": () => read({ layers: [null] }),
  "takes 5 numbers, but the one before it gives 2": () => read(dense({ inputs: 5 })),
  "widths are not positive": () => read(dense({ outputs: -3 })),
  "weights lie outside": () => read(dense({ bias: 17 })),
  "bias stands where": () => read(dense({ weights: 8, bias: 0 })),
  "lie outside the file": () => read(dense({ weights: -1 })),
  "4 numbers come out, an image has 3": () => read(dense({ outputs: 4 })),
  "sizes are not whole": () => read(conv({ padding: 0.5 }), new Float32Array(40)),
  "are not whole": () => read(conv({ stride: 0 }), new Float32Array(40)),
  "takes 4 numbers": () => read(conv({ inputs: 2 }), new Float32Array(40)),
};
/** A layer of two numbers (1 x 2 pixels of one channel) behind the dense layer of the header, which gives 3. */
const graph = (...layers) => read({ count: 200, layers: [header.layers[0], ...layers] }, new Float32Array(200));
const flat = { kind: "conv", height: 1, width: 3, inputs: 1, outputs: 1, kernel: 1, stride: 1, padding: 0 };
const conv1 = { ...flat, out_height: 1, out_width: 3, weights: 24, bias: 32 };
const resize = { kind: "nearest", height: 1, width: 3, channels: 1, out_height: 1, out_width: 3 };
const view = { kind: "view", inputs: 3, shape: [3], strides: [1], offset: 0 };
Object.assign(refused, {
  "fed with what is not there": () => graph({ kind: "relu", from: [2] }),
  "is not there before": () => graph({ kind: "relu", from: [-1] }),
  "is not there": () => graph({ kind: "relu", from: "1" }),
  "add layer is fed with 1 inputs, it takes 2": () => graph({ kind: "add" }),
  "relu layer is fed with 2": () => graph({ kind: "relu", from: [1, 1] }),
  "a add layer takes 3 numbers, but what feeds it gives 2": () => graph({ kind: "add", from: [1, 0] }),
  "lacks its slope": () => graph({ kind: "leaky_relu" }),
  "lacks its alpha": () => graph({ kind: "elu", alpha: "1" }),
  "convolution's bias stands where": () => graph({ ...conv1, bias: 0 }),
  "convolution's sizes": () => graph({ ...conv1, kernel: [1, 2, 3] }),
  "convolution's window": () => graph({ ...conv1, stride: 2 ** 27 }),
  "conv layer's weights lie outside": () => graph({ ...conv1, kernel: [1, 40] }),
  "affine layer's sizes": () => graph({ kind: "affine", size: 3, period: 2, scale: 24, shift: 32 }),
  "affine layer's weights lie": () => graph({ kind: "affine", size: 3, period: 3, scale: 24, shift: 193 }),
  "normalise layer's sizes": () => graph({ kind: "normalise", positions: 0, groups: 1, width: 3, eps: 1 }),
  "normalise layer's": () => graph({ kind: "normalise", positions: 1, groups: 1, width: 3, scale: 24, shift: 32 }),
  "pad layer's corner": () => graph({ ...resize, kind: "pad", top: 0.5, left: 0 }),
  "nearest layer's sizes": () => graph({ ...resize, out_width: 0 }),
  "nearest layer is too large": () => graph({ ...resize, out_width: 2 ** 25 }),
  "view's sizes": () => graph({ ...view, shape: [] }),
  "view's strides": () => graph({ ...view, strides: [-1] }),
  "view reads beyond": () => graph({ ...view, offset: 1 }),
  "4097 layers": () => graph(...Array.from({ length: 4096 }, () => ({ kind: "relu" }))),
});
for (const [words, act] of Object.entries(refused)) {
  test(`bytes are refused: ${words}`, () => {
    assert.throws(act, (error) => error instanceof DecoderError && error.message.includes(words));
  });
}

test("every half of 65,536 becomes the number that it stands for", () => {
  const halves = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const numbers = expandHalves(halves, new Float32Array(65536));
  for (let i = 0; i < 65536; i++) {
    const [sign, exponent, fraction] = [i & 0x8000 ? -1 : 1, (i >> 10) & 31, i & 1023];
    let expected = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
    if (exponent === 0) expected = sign * fraction * 2 ** -24; // subnormal
    if (exponent === 31) expected = fraction ? NaN : sign * Infinity;
    assert.ok(Object.is(numbers[i], expected), `0x${i.toString(16)} became ${numbers[i]}, not ${expected}`);
  }
});

test("whatever number of a file is changed, it is refused in words or it runs", async () => {
  const image = { height: 2, width: 3, channels: 2, out_height: 2, out_width: 3 };
  const layers = [
    { kind: "dense", inputs: 2, outputs: 12, weights: 0, bias: 32 },
    { ...flat, height: 2, width: 3, inputs: 2, outputs: 2, kernel: 2, padding: 1, ...image, weights: 48, bias: 112 },
    { ...image, kind: "pad", top: 1, left: -1 },
    { ...image, kind: "bilinear", corners: true },
    { ...image, kind: "nearest" },
    { kind: "normalise", positions: 6, groups: 2, width: 1, eps: 1e-5, scale: 120, shift: 128 },
    { kind: "affine", size: 12, period: 2, scale: 120, shift: 128 },
    { kind: "view", inputs: 12, shape: [2, 6], strides: [1, 2], offset: 0 },
    { kind: "elu", alpha: 1 },
    { ...flat, kind: "conv_transpose", height: 2, width: 3, inputs: 2, outputs: 2, ...image, weights: 48, bias: 112 },
    { kind: "multiply", from: [3, 10] },
  ];
  const whole = { ...header, count: 140, height: 2, width: 6, layers };
  const body = Float32Array.from({ length: 140 }, (_, i) => Math.sin(i));
  const run = async (changed) => (await loadDecoder(fileOf(changed, body), kernel, { batch: 1 })).mean([1, 2]);
  assert.ok((await run(whole)).every(Number.isFinite));
  let ran = 0;
  for (const [place, layer] of layers.entries()) {
    for (const name of Object.keys(layer).filter((key) => key !== "kind")) {
      for (const value of [0, -1, 1, 2, 5, 0.5, 1000, 2 ** 27, 2 ** 31, 1e300, null, "1", [1, 1], [3, -1], {}]) {
        const changed = layers.map((other, i) => (i === place ? { ...other, [name]: value } : other));
        await run({ ...whole, layers: changed }).then(
          () => ran++,
          (error) =>
            assert.ok(error instanceof DecoderError, `${layer.kind}.${name} = ${JSON.stringify(value)}: ${error}`),
        );
      }
    }
  }
  assert.ok(ran > 50); // not all are refused
});

test("room is used again: sixty layers take little more than two", async () => {
  const [size, layer] = [4096, { kind: "elu", alpha: 1 }];
  const one = { ...flat, height: 64, width: 64, out_height: 64, out_width: 64, weights: 8, bias: 16 };
  const dense = { kind: "dense", inputs: 2, outputs: size, weights: 24, bias: 24 + 2 * size };
  const layers = Array.from({ length: 20 }, () => [one, layer, { kind: "sigmoid" }]).flat();
  const body = new Float32Array(24 + 3 * size);
  const file = fileOf({ ...header, count: body.length, height: 64, width: 64, layers: [dense, ...layers] }, body);
  const decoder = await loadDecoder(file, kernel, { batch: 16 });
  assert.ok(decoder._network.numbers.length < body.length + 2.5 * 16 * size);
});
