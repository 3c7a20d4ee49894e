import assert from "node:assert/strict";
import test from "node:test";

import { viewOf } from "../../../ui/static/offline/page.js";
import { FileServer, base } from "../../../ui/static/offline/server.js";
import { covarianceOf, unpackCodes, untile } from "../../../ui/static/offline/unpack.js";
import { readCodes } from "../../../ui/static/shared/codes.js";

/** A header before bytes. */
function frame(header, ...parts) {
  const text = [...new TextEncoder().encode(JSON.stringify(header))];
  while ((4 + text.length) % 8) text.push(32);
  const bytes = Uint8Array.from([0, 0, 0, 0, ...text, ...parts.flatMap((part) => [...part])]);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  return bytes;
}

const bytesOf = (array) => new Uint8Array(array.buffer);

/** Three images of two dimensions, 16 bit a number, with labels and a wide word in the header. */
const quantised = frame(
  {
    n: 3,
    k: 2,
    classes: ["zwölf", "<b>"],
    label_bytes: 1,
    labels: true,
    log_variance: true,
    rows_of: null,
    file_bytes: 0,
    ranges: {
      loc: [
        [-1, 0],
        [1, 0],
      ],
      log_variance: [
        [0, -4],
        [65535, 4],
      ],
      rate: [[0], [10]],
      distortion: [[5], [5]],
    },
  },
  bytesOf(Uint16Array.of(0, 7, 65535, 8, 13107, 9)),
  bytesOf(Uint16Array.of(1, 0, 2, 65535, 3, 0)),
  bytesOf(Uint16Array.of(0, 65535, 6553)),
  bytesOf(Uint16Array.of(0, 1, 2)),
  [1, 0, 1, 0],
);

test("codes of 16 bit a number become those that the route sends", () => {
  const codes = readCodes(unpackCodes(quantised));
  assert.deepEqual([...codes.loc], [-1, 0, 1, 0, Math.fround(-1 + 2 * 0.2), 0]);
  assert.deepEqual([...codes.logVariance], [1, -4, 2, 4, 3, -4]);
  assert.deepEqual([...codes.rate], [0, 10, Math.fround(10 * (6553 / 65535))]);
  assert.deepEqual([...codes.distortion], [5, 5, 5]);
  assert.deepEqual([...codes.labels], [1, 0, 1]);
  assert.deepEqual(codes.header.classes, ["zwölf", "<b>"]);
});

test("tiles become images one behind the other", () => {
  const [height, width, columns] = [1, 2, 2];
  const rgba = new Uint8ClampedArray(4 * 8).map((_, i) => 10 * Math.floor(i / 4) + (i % 4));
  assert.deepEqual([...untile(rgba, { n: 3, columns, height, width, channels: 1 })], [0, 10, 20, 30, 40, 50]);
  assert.deepEqual([...untile(rgba, { n: 1, columns, height, width, channels: 3 })], [0, 1, 2, 10, 11, 12]);
});

test("a covariance comes from its factor in half precision", () => {
  const halves = Uint16Array.of(0, 0, 0, 0x3c00, 0x4000, 0x3800); // of image 1: 1; 2, 0.5
  assert.deepEqual(covarianceOf(bytesOf(halves), 2, 1), [1, 2, 2, 4.25]);
});

/** A server over what a file holds; the images are bytes 0, 1, 2 … */
const server = (blocks, more = {}) =>
  new FileServer({
    held: (name) => blocks[name] ?? null,
    page: () => ({
      newest: { sha: "abc", step: 7, k: 2, height: 1, width: 2, channels: 1 },
      columns: 2,
      planes: { pca: { method: "pca" } },
      reason: "too large.",
      ...more,
    }),
    images: async (png, { n, columns }) => {
      assert.deepEqual([[...png], n, columns], [[9], 3, 2]);
      return Uint8Array.of(0, 1, 2, 3, 4, 5);
    },
  });

test("the file answers what the server would", async () => {
  const held = server({
    codes: quantised,
    decoder: Uint8Array.of(1, 2),
    images: Uint8Array.of(9),
    "layout-tsne": Uint8Array.of(5),
  });
  const at = async (path) => {
    const answer = await held.answer(new URL(`runs/%3Cb%3E/${path}`, base).href);
    return answer.ok ? [...new Uint8Array(await answer.arrayBuffer())] : [answer.status, await answer.text()];
  };
  assert.equal((await (await held.answer("runs/x/decoder")).json()).sha, "abc");
  assert.deepEqual(await at("decoder/abc"), [1, 2]);
  assert.deepEqual(await at("codes/abc?part=test"), [...unpackCodes(quantised)]);
  assert.deepEqual(await at("images/abc?part=test"), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(await at("images/abc?part=test&first=1&count=1"), [2, 3]);
  assert.deepEqual(await at("layout/abc?part=test&method=tsne&seen="), [5]);
  assert.deepEqual(await (await held.answer("runs/x/plane/abc?part=test")).json(), { method: "pca" });
  assert.equal((await at("posterior/abc?index=1"))[0], 404);
  assert.equal((await at("decode?z=1,2"))[0], 503);
  assert.equal((await at("encode/abc"))[0], 503);
});

test("without a decoder the file says why", async () => {
  const answer = await server({}).answer("runs/x/decoder/abc");
  assert.equal(answer.status, 409);
  assert.match(await answer.text(), /too large/);
});

test("an address asks for a view of the map that this run has, or gets the first", () => {
  const held = { labels: true, methods: [{ name: "pca" }, { name: "dims" }], newest: { k: 3 } };
  const view = (text) => viewOf(new URLSearchParams(text), held);
  assert.deepEqual(view(""), { method: "pca", i: 0, j: 1, colour: "label", part: "test" });
  assert.deepEqual(view("method=dims&i=2&j=2&colour=z1&part=train"), {
    method: "dims",
    i: 2,
    j: 0,
    colour: "z1",
    part: "test",
  });
  assert.deepEqual(view("method=tsne&i=7&colour=z3"), view(""));
  assert.equal(viewOf(new URLSearchParams(""), { ...held, labels: false }).colour, "rate");
});
