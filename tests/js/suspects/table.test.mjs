import assert from "node:assert/strict";
import test from "node:test";

import { caption, keyAction } from "../../../ui/static/suspects/table.js";
import { imagesOf } from "../../../ui/static/map/focus.js";

test("the sentence over the table says which of how many are shown", () => {
  const rows = Array.from({ length: 25 });
  const first = { found: 108, all: 4800, first: 26, rows };
  assert.equal(caption(first), "26–50 of 108 images, among 4,800. Numbers in nats.");
  assert.equal(caption({ found: 1, all: 1, first: 1, rows: [0] }), "1 image. Numbers in nats.");
  assert.equal(caption({ found: 0, all: 10, first: 1, rows: [] }), "No image is like this.");
});

test("keys move within the page, mark, write notes and turn the page", () => {
  const book = { page: 2, pages: 3 };
  assert.deepEqual(keyAction("ArrowDown", 24, 25, book), { focus: 24 });
  assert.deepEqual(keyAction("ArrowUp", 1, 25, book), { focus: 0 });
  assert.deepEqual(keyAction("End", 1, 25, book), { focus: 24 });
  assert.deepEqual(keyAction("m", 4, 25, book), { mark: 4 });
  assert.deepEqual(keyAction(" ", 4, 25, book), { mark: 4 });
  assert.deepEqual(keyAction("n", 4, 25, book), { note: 4 });
  assert.deepEqual(keyAction("PageDown", 4, 25, book), { page: 3 });
  assert.deepEqual(keyAction("PageUp", 4, 25, book), { page: 1 });
  assert.deepEqual(keyAction("PageDown", 4, 25, { page: 3, pages: 3 }), {});
  assert.equal(keyAction("x", 4, 25, book), null);
});

test("an address names images of the map; what cannot be is left out", () => {
  const named = (images) => imagesOf(`http://localhost/map?run=one${images}`, 100);
  assert.deepEqual([...named("&images=17_4_99")], [17, 4, 99]);
  assert.deepEqual([...named("&images=17_100_x_-1_1e1")], [17]);
  assert.equal(named("&images="), null);
  assert.equal(named(""), null);
});
