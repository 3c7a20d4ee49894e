import assert from "node:assert/strict";
import test from "node:test";

import { SharedPair } from "../../../ui/static/compare/pair.js";
import { framed } from "./framed.mjs";

const settle = () => new Promise((resolve) => setImmediate(resolve));
const DONE = framed(
  { state: "done", n: 1, k: [1, 1], supports: ["real", "real"], neighbours: [1], terms: [] },
  Array.from({ length: 15 }, () => 1),
);
const working = (fraction) => framed({ state: "working", fraction, words: "encoding" }, []);

/** A pair whose decoders and server are in the test's hand. */
function world() {
  const w = { decoders: [], asked: [], later: [], drawn: 0, closed: 0 };
  w.pair = new SharedPair(
    { run: "one", sha: null },
    { run: "b c", sha: null },
    {
      openSide: ({ run }, { onModel }) => {
        const decoder = { run, sha: null, problem: "", onModel, close: () => (w.closed += 1) };
        w.decoders.push(decoder);
        return decoder;
      },
      fetch: (address) => new Promise((resolve, reject) => w.asked.push({ address, resolve, reject })),
      load: async ({ run }, sha) => ({ run, sha }),
      later: (f) => w.later.push(f),
    },
  );
  w.leave = w.pair.join(() => (w.drawn += 1));
  w.model = (side, sha) => {
    w.decoders[side].sha = sha;
    w.decoders[side].onModel();
  };
  return w;
}

test("asked once both decoders are known, until it is there", async () => {
  const w = world();
  w.model(0, "aa");
  assert.equal(w.asked.length, 0);
  w.model(1, "bb");
  assert.equal(w.asked[0].address, "runs/one/comparison/aa?other=b%20c&other_sha=bb");
  w.asked[0].resolve(working(0.5));
  await settle();
  assert.deepEqual([w.pair.state, w.pair.fraction, w.pair.words], ["working", 0.5, "encoding"]);
  w.later[0]();
  await settle();
  w.asked[1].resolve(DONE);
  await settle();
  assert.equal(w.pair.state, "done");
  assert.equal(w.pair.comparison.header.n, 1);
  assert.deepEqual(w.pair.codes, { run: "one", sha: "aa" });
  assert.equal(w.pair.outdated, false);
  w.model(1, "cc"); // newer weights: said, not computed unasked
  assert.equal(w.pair.outdated, true);
  assert.equal(w.asked.length, 2);
});

test("stopping asks no more, and an answer that comes late changes nothing", async () => {
  const w = world();
  w.model(0, "aa");
  w.model(1, "bb");
  w.pair.stop();
  w.asked[0].resolve(DONE);
  await settle();
  assert.deepEqual([w.pair.state, w.pair.comparison, w.asked.length], ["stopped", null, 1]);
  w.pair.compute();
  assert.equal(w.asked.length, 2);
  w.asked[1].reject(new Error("their pixels differ"));
  await settle();
  assert.deepEqual([w.pair.state, w.pair.words], ["failed", "their pixels differ"]);
});

test("the parts of a page share it; the last one that leaves closes the decoders", async () => {
  const w = world();
  let heard = 0;
  const leave = w.pair.join(() => (heard += 1));
  assert.equal(w.decoders.length, 2);
  w.pair.choose(3);
  w.pair.choose(3);
  assert.deepEqual([heard, w.drawn], [1, 1]);
  leave();
  assert.equal(w.closed, 0);
  w.model(0, "aa");
  w.model(1, "bb");
  w.leave();
  assert.equal(w.closed, 2);
  assert.equal(w.pair.state, "waiting"); // whoever comes next asks again
});

test("why there is no decoder is said", () => {
  const w = world();
  w.decoders[1].problem = "run 'b c' has no weights yet";
  w.decoders[1].onModel();
  assert.equal(w.pair.words, "run 'b c' has no weights yet");
});
