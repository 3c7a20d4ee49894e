// The committed kernel.wasm is what its source gives: compiled with the AssemblyScript of ui/package.json (`npm ci` in
// ui/, or ASC). Where it is not installed this is skipped, on CI it fails.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const ui = fileURLToPath(new URL("../../../ui/", import.meta.url));
const folder = join(ui, "static/decoder/");
const source = readFileSync(join(folder, "kernel.ts"), "utf8");
const installed = join(ui, "node_modules/.bin/asc");
const asc = process.env.ASC ?? (existsSync(installed) ? installed : "asc");

test("the kernel's source names the compiler of ui/package.json", () => {
  const { devDependencies } = JSON.parse(readFileSync(join(ui, "package.json"), "utf8"));
  assert.match(source, new RegExp(`AssemblyScript ${devDependencies.assemblyscript.replaceAll(".", "\\.")}\\b`));
});

test("kernel.wasm is built from kernel.ts", (t) => {
  const [, version] = source.match(/AssemblyScript (\d+\.\d+\.\d+)/);
  const [, options] = source.match(/asc kernel\.ts -o kernel\.wasm (.+)/);
  const found = spawnSync(asc, ["--version"], { encoding: "utf8" });
  const lacking = found.error
    ? "asc is not installed: npm ci in ui/"
    : !found.stdout.includes(version) && `asc is ${found.stdout.trim()}, not ${version}`;
  if (lacking && process.env.CI === "true") assert.fail(lacking);
  if (lacking) return t.skip(lacking);
  const out = mkdtempSync(join(tmpdir(), "kernel-"));
  try {
    const wasm = join(out, "kernel.wasm");
    const built = spawnSync(asc, ["kernel.ts", "-o", wasm, ...options.split(" ")], { cwd: folder, encoding: "utf8" });
    assert.equal(built.status, 0, built.stderr);
    assert.ok(readFileSync(wasm).equals(readFileSync(join(folder, "kernel.wasm"))), "build kernel.wasm again");
  } finally {
    rmSync(out, { recursive: true });
  }
});

test("the kernel asks for a memory and nothing else", async () => {
  const module = await WebAssembly.compile(readFileSync(join(folder, "kernel.wasm")));
  assert.deepEqual(
    WebAssembly.Module.imports(module).map(({ name }) => name),
    ["memory"],
  );
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  const written = [...source.matchAll(/^export function (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(
    functions.map(({ name }) => name),
    written,
  );
});
