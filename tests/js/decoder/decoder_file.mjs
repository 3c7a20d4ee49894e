// Packed decoders made by hand for the tests: layers with their matrices, in the panels that the kernel reads.

import { readFileSync } from "node:fs";

import { PANEL, padded } from "../../../ui/static/decoder/format.js";

export const kernel = readFileSync(new URL("../../../ui/static/decoder/kernel.wasm", import.meta.url));

/** rows x columns numbers, row after row -> panels of 8 columns. */
function panels(numbers, rows, columns) {
  const out = new Float32Array(rows * padded(columns));
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const panel = Math.floor(column / PANEL);
      out[(panel * rows + row) * PANEL + (column % PANEL)] = numbers[row * columns + column];
    }
  }
  return [...out];
}

/** The bytes of a header and weights as they are: for tests of what is refused. */
export function fileOf(header, weights, begin = "ELBD") {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + weights.byteLength);
  bytes.set(new TextEncoder().encode(begin));
  new DataView(bytes.buffer).setUint32(4, json.length, true);
  bytes.set(json, 8);
  bytes.set(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), 8 + json.length);
  return bytes;
}

/**
 * A file of layers as vae/browser/decoder_export.py writes it, but for `matrix` (inputs x outputs, or inputs x taps) and
 * `offsets` (one number per output) in place of the addresses `weights` and `bias`.
 */
export function decoderFile({
  k,
  height,
  width,
  channels,
  likelihood = { name: "gaussian", owns_C: true, C: 1 },
  layers,
  ...scale
}) {
  const numbers = [];
  const place = (block) => numbers.push(...block) - block.length;
  const written = layers.map(({ matrix, offsets, ...layer }) => {
    if (!matrix) return layer;
    const weights = place(panels(matrix, layer.inputs, matrix.length / layer.inputs));
    return {
      ...layer,
      weights,
      bias: place(panels(offsets, 1, offsets.length)),
    };
  });
  const sizes = {
    precision: "float32",
    count: numbers.length,
    k,
    height,
    width,
    channels,
  };
  return fileOf({ format: 1, ...sizes, ...scale, likelihood, layers: written }, Float32Array.from(numbers));
}

/** The same numbers on every run, about as many below zero as above. */
export const wave = (length, phase = 0) => Array.from({ length }, (_, i) => Math.fround(Math.sin(1.7 * i + phase)));
