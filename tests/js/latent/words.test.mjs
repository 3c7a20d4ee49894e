import assert from "node:assert/strict";
import test from "node:test";

import { Images } from "../../../ui/static/explore/images.js";
import { awayWord, weightsWord } from "../../../ui/static/latent/words.js";

test("nothing is said of the server before the first connection, and while it answers", () => {
  for (const linked of [null, true]) assert.equal(awayWord(linked, "page"), "");
  assert.match(awayWord(false, "page"), /does not answer: decoding goes on in this page/);
  assert.equal(awayWord(false, "server"), "The server does not answer: trying again.");
  assert.equal(awayWord(false, null), "The server does not answer: trying again.");
});

test("weights and images by number", () => {
  assert.deepEqual([14063, 0, null, undefined].map(weightsWord), [
    "weights of step 14,063",
    "weights of step 0",
    "",
    "",
  ]);
  const images = Object.create(Images.prototype);
  images.codes = { labels: null, header: {} };
  assert.equal(images.title(8828), "image 8,828");
  images.codes = {
    labels: Uint8Array.of(0, 1),
    rows: Uint32Array.of(5, 8828),
    header: { rows_of: "faces.npz", classes: ["a", "b"] },
  };
  assert.equal(images.title(1), "row 8,828 of faces.npz, label b");
});
