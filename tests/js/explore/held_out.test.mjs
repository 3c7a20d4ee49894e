import assert from "node:assert/strict";
import test from "node:test";

import { HeldOut } from "../../../ui/static/explore/held_out.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Codes that are handed out by the test, and a clock in its hand. */
function world() {
  const w = { time: 0, loads: [], timers: [], came: [], sentences: [] };
  const load = (run, sha) => new Promise((resolve, reject) => w.loads.push({ run, sha, resolve, reject }));
  const on = {
    codes: (codes) => w.came.push(codes),
    failed: (sentence) => w.sentences.push(sentence),
  };
  w.kept = new HeldOut(on, {
    load,
    now: () => w.time,
    later: (f, ms) => w.timers.push({ f, ms }),
    forget: () => {},
  });
  return w;
}
const codes = (source = "noise", n = 2, height = 1) => ({
  size: height,
  header: { source, n, height, width: 1, channels: 1 },
  asked: 0,
  async images() {
    this.asked++;
    return Uint8Array.from({ length: n * height }, (_, i) => i);
  },
});

test("the codes of a model that trains are not asked for with every snapshot", async () => {
  const w = world();
  w.kept.open("one");
  w.kept.want("a");
  w.kept.want("a");
  assert.equal(w.loads.length, 1);
  w.loads[0].resolve(codes());
  await settle();
  assert.equal(w.kept.sha, "a");
  w.time = 5000;
  w.kept.want("b");
  assert.equal(w.loads.length, 1);
  assert.equal(w.timers[0].ms, 15_000);
  w.time = 20_000;
  w.timers[0].f();
  assert.deepEqual(w.loads[1].sha, "b");
});

test("images are fetched ahead once, stay with newer codes of the same data, and are left where they are too many", async () => {
  const w = world();
  w.kept.open("one");
  w.kept.want("a");
  const first = codes();
  w.loads[0].resolve(first);
  await settle();
  assert.equal(w.kept.here(1), null);
  await w.kept.fetchAhead();
  assert.deepEqual([...w.kept.here(1)], [1]);
  w.time = 60_000;
  w.kept.want("b");
  const second = codes();
  w.loads[1].resolve(second);
  await settle();
  await w.kept.fetchAhead();
  assert.deepEqual([first.asked, second.asked], [1, 0]);
  w.kept.open("two");
  w.kept.want("c");
  const many = codes("much", 60_000, 4096);
  w.loads[2].resolve(many);
  await settle();
  await w.kept.fetchAhead();
  assert.equal(many.asked, 0);
  assert.equal(w.kept.here(0), null);
});

test("what comes late for another run is left; a refusal is a sentence only where there is nothing yet", async () => {
  const w = world();
  w.kept.open("one");
  w.kept.want("a");
  w.kept.open("two");
  w.loads[0].resolve(codes());
  await settle();
  assert.equal(w.kept.codes, null);
  w.kept.want("b");
  w.loads[1].reject(new Error("the data are not on this machine"));
  await settle();
  assert.deepEqual(w.sentences, ["the data are not on this machine"]);
  assert.equal(w.came.length, 0);
});
