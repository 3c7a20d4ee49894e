// Pictures per second of the in-page decoder in Node: `node benchmarks/decoder_node.mjs [FOLDER]`.
//
// Needs the project's Python (PYTHON, else `python`), which packs randomly initialised models into FOLDER; speed does
// not depend on what a model has learned. Each picture is decoded by itself and turned into RGBA, as under the pointer.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

import { loadDecoder } from "../ui/static/decoder/decoder.js";

const SECONDS = 1; // per round
const ROUNDS = 3;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), "decoders-"));

function pack() {
  const made = spawnSync(process.env.PYTHON ?? "python", [here("decoder_models.py"), folder], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`decoder_models.py failed: ${made.stderr ?? made.error}`);
  return made.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Calls per second in the best of some rounds: what the code can do where the machine lets it. */
function rate(once, pictures) {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    let done = 0;
    while (performance.now() - begin < 1000 * SECONDS) {
      once(done);
      done += pictures;
    }
    best = Math.max(best, (1000 * done) / (performance.now() - begin));
  }
  return Math.round(best);
}

async function measure({ name, file, parameters }) {
  const bytes = readFileSync(join(folder, file));
  const begin = performance.now();
  const decoder = await loadDecoder(bytes, readFileSync(here("../ui/static/decoder/kernel.wasm")));
  const load = performance.now() - begin;
  const rgba = new Uint8ClampedArray(4 * decoder.width * decoder.height);
  const z = Float32Array.from({ length: decoder.k }, (_, i) => Math.sin(i));
  const many = Float32Array.from({ length: 16 * decoder.k }, (_, i) => Math.sin(i));
  const out = new Float32Array(16 * decoder.size);
  const one = rate((i) => {
    z[i % decoder.k] = Math.sin(i);
    decoder.toPixels(decoder.mean(z), rgba);
  }, 1);
  const sheet = rate(() => decoder.means(many, out), 16);
  const megabytes = (bytes.length / 1e6).toFixed(2);
  return {
    name,
    parameters,
    megabytes,
    "load ms": load.toFixed(1),
    "pictures/s": one,
    "in sheets of 16": sheet,
  };
}

const rows = [];
for (const model of pack()) rows.push(await measure(model));
console.table(rows);
console.log(`load of the machine: ${loadavg()[0].toFixed(1)}; best of ${ROUNDS} rounds of ${SECONDS} s`);
