import assert from "node:assert/strict";
import test from "node:test";

import { Handle, SharedDecoder } from "../../../ui/static/decoder/client.js";
import { decoderFile, kernel } from "./decoder_file.mjs";

globalThis.ImageData = class {
  constructor(width, height) {
    Object.assign(this, {
      width,
      height,
      data: new Uint8ClampedArray(4 * width * height),
    });
  }
};

/** A decoder of 2 dimensions and 1 x 2 pixels: pixel j is scale · z_j. */
const model = (scale) =>
  decoderFile({
    k: 2,
    height: 1,
    width: 2,
    channels: 1,
    layers: [
      {
        kind: "dense",
        inputs: 2,
        outputs: 2,
        matrix: [scale, 0, 0, scale],
        offsets: [0, 0],
      },
    ],
  });
const red = (image) => [image.data[0], image.data[4]];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until the decoder has been fetched, compiled and told of. */
async function settle({ decoder }) {
  do await pause(5);
  while (decoder.busy);
  await pause(0);
}

/** A server with published weights, all requests in the test's hand. */
function world({ hold = false } = {}) {
  const server = {
    sha: "a",
    step: 10,
    files: { a: model(1) },
    down: false,
    asked: [],
    held: [],
    decode: () => ({ status: 500 }),
  };
  const store = { weights: null, error: "" };
  let listener = null;
  const answer = (status, body, headers = {}) => ({
    status,
    ok: status === 200,
    headers: { get: (name) => headers[name] ?? null },
    text: async () => String(body),
    json: async () => body,
    arrayBuffer: async () => body.slice().buffer,
  });
  const respond = (path) => {
    if (server.down) throw new TypeError("no network");
    if (path === "decoder") {
      if (!server.sha) return answer(404, "run has no weights yet");
      return answer(200, {
        sha: server.sha,
        step: server.step,
        k: 2,
        height: 1,
        width: 2,
        channels: 1,
      });
    }
    if (path.startsWith("decode?")) return server.decode(new URLSearchParams(path.slice(7)), answer);
    const file = server.files[path.slice(8)];
    if (path.slice(8) !== server.sha) return answer(404, "other weights by now");
    return typeof file === "string" ? answer(409, file) : answer(200, file);
  };
  const fetch = async (url) => {
    const path = decodeURIComponent(new URL(url).href.split("/runs/one/")[1]);
    server.asked.push(path);
    if (hold && path.startsWith("decode?")) await new Promise((go) => server.held.push(go));
    return respond(path);
  };
  const follow = (run, heard) => {
    listener = heard;
    return { store, close: () => (listener = null) };
  };
  const decoder = new SharedDecoder("one", {
    fetch,
    follow,
    kernel: async () => kernel,
    base: new URL("http://here/"),
  });
  return {
    server,
    decoder,
    store,
    publish(sha, file, step) {
      Object.assign(server, { sha, step });
      server.files[sha] = file;
      store.weights = sha;
      listener?.();
    },
    hear: () => listener?.(),
    followed: () => listener !== null,
  };
}

test("one decoder is fetched once for all components, and decodes without a promise", async () => {
  const w = world();
  let told = 0;
  const [one, two] = [new Handle(w.decoder, () => told++), new Handle(w.decoder)];
  assert.equal(one.mean([1, 0]), null);
  assert.equal(one.place, null);
  await settle(w);
  assert.equal(told, 1);
  assert.deepEqual(w.server.asked, ["decoder", "decoder/a"]);
  assert.deepEqual([one.place, one.sha, one.step, one.word], ["page", "a", 10, "decoded in this page"]);
  assert.deepEqual(one.shape, { k: 2, height: 1, width: 2, channels: 1 });
  assert.deepEqual(red(one.mean([1, 0.2])), [255, 51]);
  assert.deepEqual(red(two.mean([0, 1])), [0, 255]);
  assert.deepEqual(two.sheet(Float32Array.of(1, 0, 0, 0.2)).map(red), [
    [255, 0],
    [0, 51],
  ]);
  assert.deepEqual(red(one.sample([0.5, 0.5], 3)), red(two.sample([0.5, 0.5], 3)));
  assert.notDeepEqual(red(one.sample([0.5, 0.5], 3)).slice(), red(one.sample([0.5, 0.5], 4)));
});

test("a published snapshot replaces the model everywhere at once; its news is asked for once", async () => {
  const w = world();
  const seen = [];
  const handle = new Handle(w.decoder, (h) => seen.push(h.sha));
  await settle(w);
  w.publish("b", model(0.2), 20);
  w.hear();
  assert.equal(handle.sha, "a"); // not yet fetched: still what is shown
  await settle(w);
  assert.deepEqual(seen, ["a", "b"]);
  assert.equal(handle.step, 20);
  assert.deepEqual(red(handle.mean([1, 1])), [51, 51]);
  assert.equal(w.server.asked.filter((path) => path === "decoder/b").length, 1);
  w.hear();
  await settle(w);
  assert.deepEqual(seen, ["a", "b"]);
});

test("with the network off it goes on decoding, also when it hears of newer weights that it cannot fetch", async () => {
  const w = world();
  const handle = new Handle(w.decoder);
  await settle(w);
  w.server.down = true;
  w.publish("b", model(0.5), 20);
  await settle(w);
  assert.equal(handle.sha, "a");
  assert.match(handle.problem, /cannot be reached/);
  assert.deepEqual(red(handle.mean([1, 0])), [255, 0]);
  w.server.down = false;
  w.hear();
  await settle(w);
  assert.equal(handle.sha, "b");
  assert.equal(handle.problem, "");
});

test("a run without weights says so, and has a model when they come", async () => {
  const w = world();
  w.server.sha = null;
  const handle = new Handle(w.decoder);
  await settle(w);
  assert.equal(handle.problem, "run has no weights yet");
  assert.equal(handle.sha, null);
  w.publish("a", model(1), 1);
  await settle(w);
  assert.deepEqual([handle.sha, handle.problem], ["a", ""]);
});

test("damaged weights are a sentence and are not asked for again and again", async () => {
  const w = world();
  w.server.files.a = undefined;
  w.server.sha = "a";
  const respond = w.decoder.world.fetch;
  w.decoder.world.fetch = async (url) => {
    const answer = await respond(url);
    return url.endsWith("decoder/a")
      ? {
          ...answer,
          ok: false,
          status: 404,
          text: async () => "weights are damaged",
        }
      : answer;
  };
  const handle = new Handle(w.decoder);
  await settle(w);
  assert.equal(handle.problem, "weights are damaged");
  const asked = w.server.asked.length;
  w.store.weights = "a";
  w.hear();
  await settle(w);
  assert.equal(w.server.asked.length, asked);
});

test("what the page cannot run is decoded by the server: newest wins, one request at a time", async () => {
  const w = world({ hold: true });
  w.server.files.a = "the page has no form of this layer";
  w.server.decode = (query, answer) => {
    const [x, y] = query.get("z").split(",").map(Number);
    return answer(200, Uint8Array.of(x, y), { "X-Weights": w.server.sha });
  };
  const handle = new Handle(w.decoder);
  await settle(w);
  assert.deepEqual(
    [handle.place, handle.word, handle.reason],
    ["server", "decoded by the server", "the page has no form of this layer"],
  );
  const answers = [1, 2, 3].map((x) => handle.mean([x, 0]));
  await settle(w);
  assert.equal(w.server.held.length, 1);
  w.server.held.shift()();
  await settle(w);
  w.server.held.shift()();
  const [first, second, third] = await Promise.all(answers);
  assert.deepEqual(red(first), [1, 0]);
  assert.equal(second, null); // overtaken
  assert.deepEqual(red(third), [3, 0]);
  assert.equal(w.server.asked.filter((path) => path.startsWith("decode?")).length, 2);
});

test("an image that the server made with other weights than the page knows is not handed out", async () => {
  const w = world();
  w.server.files.a = w.server.files.b = "unsupported";
  w.server.decode = (query, answer) => answer(200, Uint8Array.of(7, 7), { "X-Weights": w.server.sha });
  const seen = [];
  const handle = new Handle(w.decoder, (h) => seen.push(h.sha));
  await settle(w);
  w.server.sha = "b"; // published, and the page has not heard
  assert.equal(await handle.mean([1, 1]), null);
  await settle(w);
  assert.deepEqual(seen, ["a", "b"]);
  assert.deepEqual(red(await handle.mean([1, 1])), [7, 7]);
});

test("bytes that are no decoder fall back to the server with the reason", async () => {
  const w = world();
  w.server.files.a = new TextEncoder().encode("<html>a proxy's page</html>");
  const handle = new Handle(w.decoder);
  await settle(w);
  assert.equal(handle.place, "server");
  assert.match(handle.reason, /does not begin as one/);
});

test("after the last component left nothing is followed, and coming back asks again before it shows", async () => {
  const w = world();
  const handle = new Handle(w.decoder);
  await settle(w);
  handle.close();
  assert.equal(w.followed(), false);
  w.server.sha = "b";
  w.server.files.b = model(0.2);
  const back = new Handle(w.decoder);
  assert.equal(back.mean([1, 1]), null);
  await settle(w);
  assert.deepEqual(red(back.mean([1, 1])), [51, 51]);
  back.close();
});
