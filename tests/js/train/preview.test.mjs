import assert from "node:assert/strict";
import test from "node:test";

import { arrange, enlargement } from "../../../ui/static/train/preview.js";
import { readMessage, readPreview, rgba } from "../../../ui/static/train/preview_data.js";

const encode = (values) => {
  const json = new TextEncoder().encode(JSON.stringify(values));
  const padded = new Uint8Array(Math.ceil((4 + json.length) / 8) * 8).fill(32);
  new DataView(padded.buffer).setUint32(0, padded.length - 4, true);
  padded.set(json, 4);
  return padded;
};
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part])).buffer;
const shape = { step: 7, count: 2, height: 2, width: 2, channels: 1 };
const pixels = Uint8Array.from({ length: 16 }, (_, i) => i);

test("a message gives the run and the two halves of its preview", () => {
  const { run, preview } = readMessage(join(encode({ run: "é", bytes: 1 }), encode(shape), pixels));
  assert.equal(run, "é");
  assert.equal(preview.step, 7);
  assert.deepEqual([...preview.originals], [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual([...preview.reconstructions], [8, 9, 10, 11, 12, 13, 14, 15]);
  assert.deepEqual([...rgba(preview.reconstructions, 1, preview)].slice(0, 8), [12, 12, 12, 255, 13, 13, 13, 255]);
});

test("colours keep their channels", () => {
  const preview = readPreview(join(encode({ ...shape, count: 1, height: 1, channels: 3 }), pixels.slice(0, 12)));
  assert.deepEqual([...rgba(preview.originals, 0, preview)], [0, 1, 2, 255, 3, 4, 5, 255]);
});

test("bytes that do not hold what they say are refused", () => {
  for (const bad of [
    join(encode(shape), pixels.slice(1)),
    join(encode({ ...shape, channels: 2 }), pixels),
    join([255, 255, 0, 0]),
  ]) {
    assert.throws(() => readPreview(bad));
  }
});

test("images stand in one row while they are large enough, and are enlarged by whole pixels", () => {
  assert.deepEqual(arrange(8, 560), { columns: 8, size: 66 });
  assert.deepEqual(arrange(8, 300), { columns: 4, size: 72 });
  assert.deepEqual(arrange(1, 560), { columns: 1, size: 96 });
  assert.equal(enlargement(63, 28, 1), 2);
  assert.equal(enlargement(63, 28, 2), 4);
  assert.equal(enlargement(48, 64, 1), 0.75); // made smaller
  assert.equal(enlargement(49, 28, 1), 1.75); // one pixel each would waste half of the room
});
