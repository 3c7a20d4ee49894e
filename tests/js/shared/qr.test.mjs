import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";

import { qrCode } from "../../../ui/static/shared/qr.js";

// Made by another implementation, python-qrcode 8.2: the least text of each version, and every mask.
const CODES = JSON.parse(readFileSync(new URL("./qr_codes.json", import.meta.url)));
const text = (bytes) => Array.from({ length: bytes }, (_, i) => String.fromCharCode(33 + (i % 94))).join("");
const written = (code) => code.map((row) => row.join("")).join("\n");

test("codes are those of another implementation, module for module", () => {
  assert.equal(new Set(CODES.map(({ version }) => version)).size, 25);
  assert.equal(new Set(CODES.map(({ mask }) => mask)).size, 8);
  for (const { bytes, mask, version, sha256 } of CODES) {
    const code = qrCode(text(bytes), mask);
    assert.equal(code.length, 17 + 4 * version);
    assert.equal(createHash("sha256").update(written(code)).digest("hex"), sha256, `${bytes} bytes, mask ${mask}`);
  }
});

test("a text of its own gets one of the eight masks", () => {
  const chosen = written(qrCode(text(60)));
  assert.ok(Array.from({ length: 8 }, (_, mask) => written(qrCode(text(60), mask))).includes(chosen));
});

test("the mask is the one that is easiest to read", () => {
  const runs = (code) =>
    code
      .map((row) => row.join(""))
      .join(" ")
      .match(/0{7,}|1{8,}/g)?.length ?? 0;
  const all = Array.from({ length: 8 }, (_, mask) => runs(qrCode("\0".repeat(200), mask)));
  assert.ok(runs(qrCode("\0".repeat(200))) < Math.max(...all) / 2, `${all}`);
});

test("letters beyond ASCII count by their bytes, and what is too long has no code", () => {
  assert.equal(qrCode("ä".repeat(7)).length, 21); // 14 bytes, the most of version 1
  assert.equal(qrCode("ä".repeat(7) + "a").length, 25);
  assert.equal(qrCode("x".repeat(997)).length, 117);
  assert.equal(qrCode("x".repeat(998)), null);
});
