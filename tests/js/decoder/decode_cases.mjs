// Decodes a folder of cases for tests/vae/browser/test_decoder_export.py, all in one process: `node decode_cases.mjs FOLDER`.
// cases.json: [{name, z}]; of each, NAME.bin is decoded at the codes z and NAME.out written, float32; a failure goes
// into errors.json by its name.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { loadDecoder } from "../../../ui/static/decoder/decoder.js";

const folder = process.argv[2];
const kernel = readFileSync(new URL("../../../ui/static/decoder/kernel.wasm", import.meta.url));
const errors = {};
for (const { name, z } of JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"))) {
  try {
    const decoder = await loadDecoder(readFileSync(join(folder, `${name}.bin`)), kernel, { batch: 2 });
    writeFileSync(join(folder, `${name}.out`), decoder.means(Float32Array.from(z.flat())));
  } catch (error) {
    errors[name] = String(error);
  }
}
writeFileSync(join(folder, "errors.json"), JSON.stringify(errors));
