// What is taken of a drop: files at any depth, nothing hidden, within the limits.

import assert from "node:assert/strict";
import test from "node:test";

import { filesBelow, isHidden, refusal } from "../../../ui/static/own/drop.js";

const file = (name, size = 1) => ({
  name,
  isFile: true,
  file: (done) => done({ name, size }),
});
const folder = (name, entries) => ({
  name,
  isFile: false,
  createReader: () => {
    const rest = [...entries];
    return { readEntries: (done) => done(rest.splice(0, 2)) }; // as a browser: some at a time, at last none
  },
});

test("a folder gives all that is in it, with its path", async () => {
  const cats = folder(
    "cat",
    ["1.png", "2.png", "3.png", ".DS_Store"].map((name) => file(name)),
  );
  const found = await filesBelow(
    [
      folder("pets", [
        cats,
        folder("empty", []),
        folder("__MACOSX", [file("x.png")]),
      ]),
      file("a.zip"),
    ],
    10,
  );
  assert.deepEqual(
    found.map(({ path }) => path),
    ["pets/cat/1.png", "pets/cat/2.png", "pets/cat/3.png", "a.zip"],
  );
});

test("a folder with too many files is not read to its end", async () => {
  let given = 0;
  const endless = {
    name: "all",
    isFile: false,
    createReader: () => ({
      readEntries: (done) => done([file(`${given++}.png`)]),
    }),
  };
  await assert.rejects(filesBelow([endless], 5), /More than 5 files/);
  assert.equal(given, 6);
});

test("what is not sent is said", () => {
  const of = (...sizes) => sizes.map((size) => ({ file: { size } }));
  assert.equal(refusal(of(1, 2), 2, 3), "");
  assert.match(refusal(of(), 2, 3), /no file/);
  assert.match(refusal(of(1, 1, 1), 2, 9), /More than 2 files/);
  assert.match(
    refusal(of(3e9), 2, 2e9),
    /3\.0 GB are too much to drop; at most 2 GB/,
  );
});

test("an operating system's own files are hidden", () => {
  assert.deepEqual(
    [
      "a/.b/c.png",
      "__MACOSX/a.png",
      "x/Thumbs.db",
      "a.b/c.png",
      "MACOSX/a.png",
    ].map(isHidden),
    [true, true, true, false, false],
  );
});
