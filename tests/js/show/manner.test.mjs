import assert from "node:assert/strict";
import test from "node:test";

import {
  CONTROLS,
  forClass,
  mannerOf,
  nextControls,
  nextSize,
  parameters,
  SIZES,
} from "../../../ui/static/show/manner.js";

test("an address holds the whole manner, and brings it back", () => {
  for (const size of [0, ...SIZES])
    for (const controls of Object.keys(CONTROLS)) {
      const address = new URL("http://x/map?run=a");
      for (const [name, value] of Object.entries(parameters({ size, controls })))
        if (value !== null) address.searchParams.set(name, value);
      assert.deepEqual(mannerOf(address.search), { size, controls });
    }
});

test("what is no manner is the usual one", () => {
  for (const search of [
    "",
    "?show=1e9",
    "?show=139",
    "?show=",
    "?controls=open",
    "?controls=__proto__",
    "?controls=toString",
  ])
    assert.deepEqual(mannerOf(search), { size: 0, controls: "" }, search);
});

test("the class's address has the view and its controls, and not the room's type", () => {
  const here = "http://x/explore?run=a&show=160&z=1,2&controls=hidden";
  assert.equal(forClass(here, "locked"), "http://x/explore?run=a&z=1%2C2&controls=locked");
  assert.equal(new URL(forClass(here, "")).searchParams.has("controls"), false);
});

test("sizes end at both ends; controls go round", () => {
  assert.equal(nextSize(SIZES[0], -1), SIZES[0]);
  assert.equal(nextSize(SIZES.at(-1), 1), SIZES.at(-1));
  assert.equal(nextSize(SIZES[1], 1), SIZES[2]);
  let controls = "";
  const seen = Object.keys(CONTROLS).map(() => (controls = nextControls(controls)));
  assert.deepEqual(new Set(seen), new Set(Object.keys(CONTROLS)));
  assert.equal(controls, "");
});
