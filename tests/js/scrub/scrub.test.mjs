import assert from "node:assert/strict";
import test from "node:test";

import { axesOf, placesOf, reachOf } from "../../../ui/static/scrub/plane.js";
import { codeOf, meanOf, measured, MOST_NUMBERS, Stops } from "../../../ui/static/scrub/stops.js";
import { decoderFile, kernel } from "../decoder/decoder_file.mjs";

globalThis.ImageData ??= class {
  constructor(width, height) {
    Object.assign(this, { width, height, data: new Uint8ClampedArray(4 * width * height) });
  }
};

/** A decoder of 2 dimensions and 1 x 2 pixels: pixel j is scale · z_j. */
const model = (scale) =>
  decoderFile({
    k: 2,
    height: 1,
    width: 2,
    channels: 1,
    layers: [{ kind: "dense", inputs: 2, outputs: 2, matrix: [scale, 0, 0, scale], offsets: [0, 0] }],
  });

/** Codes as ui/live/codes.py packs them: n rows of k numbers, rates and distortions. */
function codesFile(rows, rate, distortion) {
  const header = { n: rows.length, k: rows[0].length, height: 1, width: 2, channels: 1, labels: false, rows_of: null };
  let json = JSON.stringify(header);
  json = json.padEnd(json.length + ((8 - ((4 + json.length) % 8)) % 8));
  const numbers = Float32Array.from([...rows.flat(), ...rate, ...distortion]);
  const bytes = new Uint8Array(4 + json.length + numbers.byteLength);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(new TextEncoder().encode(json), 4);
  bytes.set(new Uint8Array(numbers.buffer), 4 + json.length);
  return bytes;
}

const stop = (i) => ({ run: "r", sha: `s${i}`, key: String(i), label: `step ${i}` });
const shape = { k: 2, height: 1, width: 2, channels: 1 };
const ok = (bytes) => ({ ok: true, status: 200, arrayBuffer: async () => bytes.slice().buffer });
const refused = (status, sentence) => ({ ok: false, status, text: async () => sentence });

/** A server whose answers the test gives, by address; every request is noted. */
function world(answers) {
  const asked = [];
  const later = [];
  return {
    asked,
    later,
    kernel: async () => kernel,
    fetch: async (address) => {
      asked.push(address);
      const answer = answers(address);
      if (answer === "down") throw new TypeError("no network");
      return answer;
    },
  };
}

const usual = (address) => {
  const scale = Number(/s(\d+)/.exec(address)[1]) / 10;
  if (address.endsWith("/decoder")) return ok(model(scale));
  return ok(codesFile([[scale, 0], [0, 1]], [1, 3], [2, 4])); // prettier-ignore
};

const open = (answers) => {
  const made = world(answers);
  const stops = new Stops(() => {}, { ...made, later: (action) => made.later.push(action) });
  return { stops, ...made };
};
async function settle(stops) {
  do await new Promise((resolve) => setTimeout(resolve, 3));
  while (stops.busy);
}
const red = (image) => [image.data[0], image.data[4]];

test("the stop that is shown comes first, then its neighbours; decoders before the codes of those far away", async () => {
  const { stops, asked } = open(usual);
  stops.at = 2;
  stops.set([0, 1, 2, 3, 4].map(stop), shape);
  await settle(stops);
  const order = asked.map((address) => address.replace("runs/r/at/", ""));
  assert.deepEqual(order.slice(0, 4), ["s2/decoder", "s2/codes", "s1/decoder", "s3/decoder"]);
  assert.equal(new Set(order).size, 10); // each once
  assert.ok(order.indexOf("s4/decoder") < order.indexOf("s1/codes"));
  for (const i of [0, 1, 2, 3, 4])
    assert.deepEqual(red(stops.mean(i, [1, 0.5])), [25.5 * i, 12.75 * i].map(Math.round));
});

test("more stops keep what was there, and only the new are asked for", async () => {
  const { stops, asked } = open(usual);
  stops.set([stop(1), stop(2)], shape);
  await settle(stops);
  const before = asked.length;
  stops.set([stop(1), stop(2), stop(3)], shape);
  await settle(stops);
  assert.deepEqual(asked.slice(before).sort(), ["runs/r/at/s3/codes", "runs/r/at/s3/decoder"]);
  assert.equal(stops.entry(0).place, "page");
});

test("what the page cannot run the server decodes: one request on its way, the newest waits", async () => {
  let release = () => {};
  const { stops, asked } = open((address) => {
    if (address.endsWith("/decoder")) return refused(409, "no form in the page");
    if (address.includes("/decode?")) {
      return {
        ok: true,
        status: 200,
        arrayBuffer: () => new Promise((go) => (release = () => go(new Uint8Array([9, 7]).buffer))),
      };
    }
    return usual(address);
  });
  stops.set([stop(1)], shape);
  await settle(stops);
  assert.equal(stops.entry(0).place, "server");
  const [first, second, third] = [[1, 0], [2, 0], [3, 0]].map((z) => stops.mean(0, z)); // prettier-ignore
  assert.equal(await second, null); // overtaken
  release();
  assert.deepEqual(red(await first), [9, 7]);
  await new Promise((resolve) => setTimeout(resolve, 1));
  release();
  assert.deepEqual(red(await third), [9, 7]);
  assert.deepEqual(
    asked.filter((address) => address.includes("decode?")),
    ["runs/r/at/s1/decode?z=1,0", "runs/r/at/s1/decode?z=3,0"],
  );
});

test("a damaged moment says so in the server's words, and the others come", async () => {
  const { stops } = open((address) =>
    address.includes("s1/") ? refused(404, "run 'r': it is damaged") : usual(address),
  );
  stops.set([stop(1), stop(2)], shape);
  await settle(stops);
  assert.equal(stops.entry(0).problem, "run 'r': it is damaged");
  assert.equal(stops.mean(0, [0, 0]), null);
  assert.equal(stops.entry(1).place, "page");
});

test("a server that is away is asked again", async () => {
  let down = true;
  const { stops, later, asked } = open((address) => (down ? "down" : usual(address)));
  stops.set([stop(1)], shape);
  await settle(stops);
  assert.equal(asked.length, 1);
  down = false;
  later.shift()();
  await settle(stops);
  assert.equal(stops.entry(0).place, "page");
});

test("decoders that are farthest away go where memory is full, and are not fetched in turns", async () => {
  const { stops, asked } = open(usual);
  stops.set([0, 1, 2, 3, 4].map(stop), shape);
  await settle(stops);
  for (const entry of stops.entries.values()) entry.decoder.header.count = MOST_NUMBERS / 3;
  stops._make();
  const there = [0, 1, 2, 3, 4].filter((i) => stops.entry(i).decoder);
  assert.deepEqual(there, [0, 1, 2]); // three fit
  const before = asked.length;
  await stops._work();
  assert.equal(asked.length, before);
});

test("places are a rotation of the codes; one or two dimensions are the plane itself", () => {
  const codes = { loc: Float32Array.from([1, 2, 3, -1, 0, 2]), header: { n: 2, k: 3 } };
  const axes = { mean: [1, 0, 0], components: [[0, 1, 0], [0.6, 0, 0.8]] }; // prettier-ignore
  assert.deepEqual([...placesOf(codes, axes)].map((value) => Number(value.toFixed(5))), [2, 2.4, 0, 0.4]); // prettier-ignore
  const plane = { loc: Float32Array.from([1, 2, 3, 4]), header: { n: 2, k: 2 } };
  assert.deepEqual([...placesOf(plane, axesOf(2, null))], [1, 2, 3, 4]);
  const line = { loc: Float32Array.from([1, 2, 3]), header: { n: 3, k: 1 } };
  assert.deepEqual([...placesOf(line, axesOf(1, null))].filter((_, i) => i % 2 === 0), [1, 2, 3]); // prettier-ignore
  assert.equal(reachOf(new Float32Array(10), [0, 0]), 3.3);
  assert.ok(Math.abs(reachOf(Float32Array.from([6, 0, -6, 6]), [0, 0]) - 6.3) < 1e-6);
});

test("a mean comes with its standard error, and both with the decimals that it allows", () => {
  const { mean, error } = meanOf([1, 2, 3, 6]);
  assert.equal(mean, 3);
  assert.ok(Math.abs(error - Math.sqrt(14 / 3 / 4)) < 1e-12);
  assert.equal(measured({ mean: -358.63, error: 3.627 }), "−358.6 ± 3.6");
  assert.equal(measured({ mean: 27.0963, error: 0.0545 }), "27.10 ± 0.05");
  assert.equal(measured({ mean: 1204.4, error: 31 }), "1,204 ± 31");
  assert.equal(measured({ mean: 5, error: NaN }), "5.00");
});

test("the code of an image is its mean, or its likelier bits", () => {
  const codes = { loc: Float32Array.from([0.2, 0.7, 0.5, 0.1]), header: { k: 2 } };
  assert.deepEqual([...codeOf(codes, 1, "binary")], [1, 0]);
  assert.deepEqual([...codeOf(codes, 0, "real")], [...Float32Array.from([0.2, 0.7])]);
});
