import assert from "node:assert/strict";
import test from "node:test";

import { FrameError, readFrame } from "../../../ui/static/shared/framing.js";

const encode = (json) => [...new TextEncoder().encode(json)];

/** By hand: the length's four bytes, then the header and the body as they are given. */
const bytes = (json, body = [], magic = "") => {
  const header = encode(json);
  const length = [header.length & 255, header.length >> 8, 0, 0];
  return Uint8Array.from([...encode(magic), ...length, ...header, ...body]);
};

test("a frame gives its header and its body, at any address", () => {
  const whole = bytes('{"run":"é"}', [1, 2, 3], "ELBD");
  for (const offset of [0, 1, 5]) {
    const moved = new Uint8Array(whole.length + offset);
    moved.set(whole, offset);
    const { header, body } = readFrame(moved.subarray(offset), "x", "ELBD");
    assert.deepEqual([header, [...body]], [{ run: "é" }, [1, 2, 3]]);
    assert.equal(body.byteOffset % 8, 0); // Float32Array and all others can be views
  }
  assert.deepEqual(readFrame(whole.buffer, "x", "ELBD").header, { run: "é" });
  assert.equal(readFrame(bytes("{}"), "x").body.length, 0);
});

test("a body that lies well is a view, not a copy", () => {
  const good = bytes("{}  ", [7]);
  assert.equal(readFrame(good, "x").body.buffer, good.buffer);
});

const refused = {
  "it does not begin as one": [new Uint8Array(0), Uint8Array.of(1, 0, 0), bytes("{}", [], "PK.."), bytes("{}")],
  "it is cut off in its header": [
    bytes('{"a":1}', [], "ELBD").subarray(0, 14),
    Uint8Array.of(...encode("ELBD"), 255, 255, 255, 255, 0),
  ],
  "its header is no JSON object": [
    ...["", "{", "null", "[]", "7", '{"a":NaN}'].map((json) => bytes(json, [], "ELBD")),
    Uint8Array.of(...encode("ELBD"), 2, 0, 0, 0, 0x7b, 0xff), // no UTF-8
  ],
};
for (const [message, several] of Object.entries(refused)) {
  test(`bytes are refused: ${message}`, () => {
    for (const given of several) {
      assert.throws(
        () => readFrame(given, "codes", "ELBD"),
        (error) => error instanceof FrameError && error.message === `codes: ${message}`,
      );
    }
  });
}
