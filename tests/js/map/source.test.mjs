import assert from "node:assert/strict";
import test from "node:test";

import { LayoutSource } from "../../../ui/static/map/source.js";

const encode = (value) => new TextEncoder().encode(JSON.stringify(value));
const PLANE = {
  mean: [0, 0, 0],
  components: [
    [1, 0, 0],
    [0, 1, 0],
  ],
  explained: [0.6, 0.2],
};

function layoutBytes(status, places) {
  const json = encode({
    tag: "t",
    places: Boolean(places),
    iteration: 0,
    ...status,
  });
  const padded = new Uint8Array(Math.ceil((4 + json.length) / 8) * 8).fill(32);
  new DataView(padded.buffer).setUint32(0, padded.length - 4, true);
  padded.set(json, 4);
  return Uint8Array.from([...padded, ...(places ? new Uint8Array(Float32Array.from(places).buffer) : [])]);
}

const codes = {
  header: { n: 2, k: 3 },
  loc: Float32Array.of(1, 2, 3, 4, 5, 6),
  rate: Float32Array.of(7, 8),
};
const asked = (view) => ({
  run: "a",
  sha: "s",
  codes,
  view: { part: "test", i: 0, j: 1, ...view },
  kind: view.method === "tsne" ? "fitted" : "linear",
  base: new Float64Array(3),
});

function sourced(answers) {
  const calls = [];
  const on = {
    place: (layout, how) => calls.push(["place", [...layout.places(codes.loc)], how.fit]),
    status: (status) => calls.push(["status", status && status.state]),
    start: () => calls.push(["start"]),
    problem: (sentence) => calls.push(["problem", sentence]),
    touched: () => true,
  };
  const source = new LayoutSource(on, async (address) => {
    if (address.includes("/plane/")) return encode(PLANE);
    const next = answers.length > 1 ? answers.shift() : answers[0];
    if (next instanceof Error) throw next;
    return next;
  });
  return { source, calls };
}

const soon = (milliseconds = 20) => new Promise((go) => setTimeout(go, milliseconds));

test("a pair of dimensions and PCA need no fit", async () => {
  const { source, calls } = sourced([]);
  await source.show(asked({ method: "dims", i: 2, j: 0 }), true);
  assert.deepEqual(calls.splice(0), [
    ["status", null],
    ["place", [3, 1, 6, 4], true],
  ]);
  await source.show(asked({ method: "pca" }), false);
  assert.deepEqual(calls, [
    ["status", null],
    ["place", [1, 2, 4, 5], false],
  ]);
});

test("t-SNE begins as the PCA, is started where it is absent, and takes its places as they come", async () => {
  const { source, calls } = sourced([
    layoutBytes({ state: "absent" }),
    layoutBytes({ state: "finished", iteration: 625 }, [9, 8, 7, 6]),
  ]);
  await source.show(asked({ method: "tsne" }), true);
  await soon();
  assert.deepEqual(calls.splice(0), [["place", [1, 2, 4, 5], true], ["status", "absent"], ["start"]]);
  source.expect();
  await soon(400);
  assert.deepEqual(calls, [
    ["place", [9, 8, 7, 6], true],
    ["status", "finished"],
  ]);
  await source.show(asked({ method: "tsne" }), true);
  assert.deepEqual(calls.splice(0, 2).length, 2);
  assert.deepEqual(calls.splice(0), [
    ["place", [9, 8, 7, 6], false],
    ["status", "finished"],
  ]); // it is followed already
  await source.show({ ...asked({ method: "tsne" }), sha: "newer" }, true);
  assert.equal(source.outdated, true); // newer weights keep the map
  source.close();
});

test("the start of a fit, still at step 0, does not replace the PCA; other codes' places do not fit", async () => {
  for (const bytes of [
    layoutBytes({ state: "fitting" }, [1, 1, 1, 1]),
    layoutBytes({ state: "finished", iteration: 9 }, [1, 1]),
  ]) {
    const { source, calls } = sourced([bytes]);
    await source.show(asked({ method: "tsne" }), true);
    await soon();
    source.close();
    assert.equal(calls.filter(([what]) => what === "place").length, 1);
  }
});

test("another map asked for meanwhile wins", async () => {
  const { source, calls } = sourced([]);
  const slow = source.show(asked({ method: "pca" }), true);
  source.show(asked({ method: "dims", i: 1, j: 2 }), true);
  await slow;
  assert.deepEqual(
    calls.filter(([what]) => what === "place"),
    [["place", [2, 3, 5, 6], true]],
  );
});

test("what the server refuses is said", async () => {
  const { source, calls } = sourced([Object.assign(new Error("no such weights"), { status: 404 })]);
  await source.show(asked({ method: "tsne" }), true);
  await soon();
  source.close();
  assert.deepEqual(calls.at(-1), ["problem", "no such weights"]);
});
