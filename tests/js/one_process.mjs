// Runs test files in one Node process, each as a suite named by its path: `node one_process.mjs FILE…`.

import { describe } from "node:test";
import { pathToFileURL } from "node:url";

for (const file of process.argv.slice(2)) describe(file, () => import(pathToFileURL(file).href));
