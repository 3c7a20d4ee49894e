// Pictures per processor second of the in-page decoder in Node: `node benchmarks/decoder_node.mjs [--public] [FOLDER]`.
//
// Needs the project's Python (PYTHON, else `python`), which packs randomly initialised models into FOLDER; speed does
// not depend on what a model has learned. Each picture is decoded by itself and turned into RGBA, as under the pointer.
// Each decoder's images are compared with torch's. With --public the decoders of 34 public VAEs, and the table goes
// into benchmarks/results/decoders.json.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

import { loadDecoder } from "../ui/static/decoder/decoder.js";

const SECONDS = 1; // per round
const ROUNDS = 3;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = process.argv.slice(2).filter((word) => word.startsWith("--"));
const [folder = mkdtempSync(join(tmpdir(), "decoders-"))] = process.argv
  .slice(2)
  .filter((word) => !word.startsWith("--"));
const everyones = options.includes("--public");

function pack() {
  const python = process.env.PYTHON ?? "python";
  const made = spawnSync(python, [here("decoder_models.py"), folder, ...options], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`decoder_models.py failed: ${made.stderr ?? made.error}`);
  return made.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** The seconds of a processor that this process has taken. */
function processorSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Calls per second of a processor in the best of some rounds: what the code can do where the machine lets it. */
function rate(once, pictures) {
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = processorSeconds();
    let done = 0;
    for (const until = performance.now() + 1000 * SECONDS; performance.now() < until; done += pictures) once(done);
    best = Math.max(best, done / (processorSeconds() - begin));
  }
  return best < 100 ? Number(best.toFixed(1)) : Math.round(best);
}

const floats = (name) => {
  const bytes = readFileSync(join(folder, name));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

/** The largest difference to torch's images, as a fraction of the pixel range that the exporter states it in. */
function differenceToTorch(decoder, file) {
  const expected = floats(file.replace(".bin", ".mean"));
  const found = decoder.means(floats(file.replace(".bin", ".z")));
  let [largest, low, high] = [0, Infinity, -Infinity];
  expected.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(found[i] - value));
    [low, high] = [Math.min(low, value), Math.max(high, value)];
  });
  return largest / Math.max(1, high - low);
}

async function measure({ name, file, parameters, refused, limit, ...more }) {
  if (refused) return { name, parameters, ...more, refused };
  const bytes = readFileSync(join(folder, file));
  const begin = performance.now();
  const decoder = await loadDecoder(bytes, readFileSync(here("../ui/static/decoder/kernel.wasm")));
  const load = performance.now() - begin;
  const difference = differenceToTorch(decoder, file);
  const rgba = new Uint8ClampedArray(4 * decoder.width * decoder.height);
  const z = Float32Array.from({ length: decoder.k }, (_, i) => Math.sin(i));
  const many = Float32Array.from({ length: 16 * decoder.k }, (_, i) => Math.sin(i));
  const out = new Float32Array(16 * decoder.size);
  const one = rate((i) => {
    z[i % decoder.k] = Math.sin(i);
    decoder.toPixels(decoder.mean(z), rgba);
  }, 1);
  const sheet = everyones ? null : rate(() => decoder.means(many, out), 16);
  return {
    ...{ name, ...more, parameters, megabytes: Number((bytes.length / 1e6).toFixed(2)), load_ms: Math.round(load) },
    ...{ difference: Number(difference.toPrecision(2)), equal: difference <= limit, pictures_per_second: one },
    ...(everyones ? {} : { in_sheets_of_16: sheet }),
  };
}

const rows = [];
for (const model of pack()) rows.push(await measure(model));
console.table(rows.map(({ refused, shape, ...row }) => ({ ...row, shape: shape?.join("x") })));
console.log(`load of the machine: ${loadavg()[0].toFixed(1)}; best of ${ROUNDS} rounds of ${SECONDS} s`);
for (const { name, refused } of rows.filter((row) => row.refused)) console.log(`${name}: ${refused}`);
if (everyones) {
  const machine = { processor: cpus()[0].model, cores: cpus().length, load: loadavg()[0] };
  const found = { what: "decoders of public VAEs run by the page's decoder in node", machine, rounds: ROUNDS, rows };
  writeFileSync(here("results/decoders.json"), `${JSON.stringify(found, null, 1)}\n`);
}
