import assert from "node:assert/strict";
import test from "node:test";

import { reach, shares, verdict } from "../../../ui/static/attributes/chart.js";
import { readSet, rowsOfSets, SET, standIn, toggled, writeSet } from "../../../ui/static/attributes/sets.js";

const codes = { labels: Uint8Array.of(0, 1, 0, 2, 1), header: { n: 5 } };
const rows = (a, b) => rowsOfSets(readSet(a), readSet(b), codes);

test("sets as the address has them", () => {
  for (const words of ["class:3", "rest", "picked", "4,1,7"]) {
    assert.match(words, SET);
    assert.equal(writeSet(readSet(words)), words);
  }
  for (const words of ["", "class:", "class:x", "1,,2", "1;2", "rest,1", "all"]) assert.doesNotMatch(words, SET);
  assert.deepEqual(readSet("4,1,4"), { kind: "picked", rows: [4, 1] });
});

test("a label, all others, or picked images", () => {
  assert.deepEqual(rows("class:0", "class:1"), {
    a: [0, 2],
    b: [1, 4],
    problem: "",
  });
  assert.deepEqual(rows("class:0", "rest"), {
    a: [0, 2],
    b: [1, 3, 4],
    problem: "",
  });
  assert.deepEqual(rows("rest", "3,1"), {
    a: [0, 2, 4],
    b: [1, 3],
    problem: "",
  });
  assert.deepEqual(rows("3", "99,1").b, [1]); // an address may name images that are not there
});

test("what is no two sets is said", () => {
  assert.match(rows("class:1", "class:1").problem, /share 2 images/);
  assert.match(rows("class:0", "2,3").problem, /share 1 image:/);
  assert.match(rows("picked", "class:1").problem, /^Set A is empty/);
  assert.match(rows("class:1", "picked").problem, /^Set B is empty/);
  assert.match(rows("picked", "picked").problem, /^Set A and set B are empty/);
  assert.match(rows("rest", "rest").problem, /Both sets/);
  assert.match(
    rowsOfSets(readSet("class:0"), readSet("1"), {
      labels: null,
      header: { n: 2 },
    }).problem,
    /^Set A is empty/,
  );
});

test("a click adds an image, the next takes it out", () => {
  const one = toggled(readSet("picked"), 7);
  assert.equal(writeSet(one), "7");
  assert.equal(writeSet(toggled(one, 3)), "7,3");
  assert.equal(writeSet(toggled(one, 7)), "picked");
  assert.equal(writeSet(toggled(readSet("class:1"), 7)), "7");
});

test("the verdict counts the random pairs", () => {
  const random = Array.from({ length: 100 }, (_, i) => i / 100);
  const sizes = [980, 1135];
  assert.equal(
    verdict({ effect: 0.965, sizes, random, pairs: 100 }),
    "Cohen’s d = 0.96, sets of 980 and 1,135 images: larger than 97 of 100 random pairs of sets of these sizes.",
  );
  assert.match(verdict({ effect: 0.5, sizes, random, pairs: 100 }), /larger than 50 of 100 .* may be chance/);
  assert.match(verdict({ effect: 2, sizes, random: random.slice(0, 30), pairs: 100 }), /30 of 100 …$/);
  assert.match(verdict({ effect: null, sizes: [1, 1], random: [], pairs: 100 }), /two images in each set/);
});

test("histograms hold every value once", () => {
  const found = shares([-9, 0.1, 0.4, 0.6, 9], 0, 1, 2);
  assert.deepEqual(
    found.map((share) => Math.round(share * 5)),
    [3, 2],
  );
  assert.deepEqual(
    reach(
      [
        [-0.2, 0, 0.2],
        [0.8, 1, 1.2],
      ],
      1,
    ),
    [-0.5, 1.5],
  );
  assert.deepEqual(
    reach(
      [
        [-4, 4],
        [6, 14],
      ],
      10,
    ),
    [-0.5, 1.5],
  );
});

test("a label that the data have not is replaced by the first that the other set is not", () => {
  const codes = { labels: Uint8Array.of(2, 0, 1, 1) };
  const label = (value) => ({ kind: "class", label: value });
  assert.equal(standIn(label(1), label(0), codes), null);
  assert.equal(standIn({ kind: "rest" }, label(0), codes), null);
  assert.equal(standIn(label(77), label(1), codes), 0);
  assert.equal(standIn(label(77), label(0), codes), 1);
  assert.equal(standIn(label(77), { kind: "rest" }, codes), 0);
  assert.equal(standIn(label(0), { kind: "rest" }, { labels: null }), "");
});
