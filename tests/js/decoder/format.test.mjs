import assert from "node:assert/strict";
import test from "node:test";

import { DecoderError, readDecoder } from "../../../ui/static/decoder/format.js";
import { expandHalves } from "../../../ui/static/decoder/half.js";
import { fileOf } from "./decoder_file.mjs";

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
