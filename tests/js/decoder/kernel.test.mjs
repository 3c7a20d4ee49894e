// The committed kernel.wasm is what its source gives, where AssemblyScript is at hand (ASC, else `asc` on the path).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(
  new URL("../../../ui/static/decoder/", import.meta.url),
);
const source = readFileSync(join(folder, "kernel.ts"), "utf8");
const asc = process.env.ASC ?? "asc";

test("kernel.wasm is built from kernel.ts", (t) => {
  const [, version] = source.match(/AssemblyScript (\d+\.\d+\.\d+)/);
  const [, options] = source.match(/asc kernel\.ts -o kernel\.wasm (.+)/);
  const found = spawnSync(asc, ["--version"], { encoding: "utf8" });
  if (found.error)
    return t.skip(
      `asc is not installed: npm install --global assemblyscript@${version}`,
    );
  if (!found.stdout.includes(version))
    return t.skip(`asc is ${found.stdout.trim()}, not ${version}`);
  const out = mkdtempSync(join(tmpdir(), "kernel-"));
  try {
    const wasm = join(out, "kernel.wasm");
    const built = spawnSync(
      asc,
      ["kernel.ts", "-o", wasm, ...options.split(" ")],
      { cwd: folder, encoding: "utf8" },
    );
    assert.equal(built.status, 0, built.stderr);
    assert.ok(
      readFileSync(wasm).equals(readFileSync(join(folder, "kernel.wasm"))),
      "build kernel.wasm again",
    );
  } finally {
    rmSync(out, { recursive: true });
  }
});

test("the kernel asks for a memory and nothing else", async () => {
  const module = await WebAssembly.compile(
    readFileSync(join(folder, "kernel.wasm")),
  );
  assert.deepEqual(
    WebAssembly.Module.imports(module).map(({ name }) => name),
    ["memory"],
  );
  const functions = WebAssembly.Module.exports(module).filter(
    ({ kind }) => kind === "function",
  );
  assert.deepEqual(
    functions.map(({ name }) => name),
    ["matmul", "fold", "relu"],
  );
});
