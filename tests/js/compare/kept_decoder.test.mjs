import assert from "node:assert/strict";
import test from "node:test";

import { Handle } from "../../../ui/static/decoder/client.js";
import { KeptDecoder, sameSides } from "../../../ui/static/compare/kept_decoder.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));
const SIDE = { run: "a b", sha: "feed", step: 32, k: 1, image: { height: 1, width: 2, channels: 1 } };

/** A moment's decoder whose server says what `answers` has, in order. */
function world(...answers) {
  const w = { asked: [], closed: 0 };
  w.fetch = async (address) => {
    w.asked.push(address);
    return answers.shift();
  };
  w.follow = () => ({ store: { weights: "newer" }, close: () => (w.closed += 1) });
  w.base = new URL("http://server/app/");
  w.told = 0;
  w.handle = new Handle(new KeptDecoder(SIDE, w), () => (w.told += 1));
  return w;
}

test("a moment that the page cannot decode is decoded by the server, by its own address", async () => {
  globalThis.ImageData ??= class {
    constructor(width, height) {
      Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
    }
  };
  const w = world(
    { status: 409, ok: false, text: async () => "too large" },
    { status: 200, ok: true, headers: new Map([["X-Weights", "feed"]]), arrayBuffer: async () => Uint8Array.of(7, 9) },
  );
  await settle();
  assert.equal(w.asked[0], "http://server/app/runs/a%20b/at/feed/decoder");
  assert.deepEqual([w.handle.sha, w.handle.step, w.handle.place, w.handle.reason], ["feed", 32, "server", "too large"]);
  const image = await w.handle.mean([0.5]);
  assert.equal(w.asked[1], "http://server/app/runs/a%20b/at/feed/decode?z=0.5");
  assert.deepEqual([...image.data], [7, 7, 7, 255, 9, 9, 9, 255]);
});

test("newer weights of its run are no news of a moment, and one that is gone says so", async () => {
  const w = world({ status: 404, ok: false, text: async () => "no such moment" });
  await settle();
  w.handle.shared._received();
  await settle();
  assert.equal(w.asked.length, 1);
  assert.equal(w.handle.problem, "no such moment");
  w.handle.close();
  assert.equal(w.closed, 1);
});

test("sides are told apart by run and moment", () => {
  const [a, b] = [
    { run: "a", sha: null },
    { run: "a", sha: "feed" },
  ];
  assert.equal(sameSides({ a, b }, { a: { ...a }, b: { ...b } }), true);
  assert.equal(sameSides({ a, b }, { a: b, b: a }), false);
  assert.equal(sameSides(undefined, { a, b }), false);
});
