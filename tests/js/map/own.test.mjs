import assert from "node:assert/strict";
import test from "node:test";

import { aboutRings, arcWithin, ringLabel, rings } from "../../../ui/static/map/ink.js";
import { OwnPicture, encodeAddress, outOfDate, placeOn, whyNowhere } from "../../../ui/static/map/own.js";
import { allowedOf } from "../../../ui/static/map/selection.js";
import { gapFor, pictureAt } from "../../../ui/static/map/sheet.js";
import { aboutIsolated } from "../../../ui/static/map/words.js";

const flat = {
  layout: { place: (z) => [z[0], z[1]] },
  sha: "s",
  part: "test",
  method: null,
};
const fitted = (method, more = {}) => ({
  layout: { place: () => null },
  sha: "s",
  part: "test",
  method,
  finished: true,
  fitSha: "s",
  ...more,
});
const picture = (of, place, more = {}) => ({
  z: [1, 2, 3],
  rate: 4,
  place,
  of,
  blob: "blob",
  drawn: true,
  ...more,
});

test("a picture's place is drawn on the map it is of, and on no other", () => {
  const there = picture(fitted("tsne"), [7, 8]);
  assert.deepEqual(placeOn(there, fitted("tsne")), [7, 8]);
  for (const other of [
    fitted("tsne-sklearn"),
    fitted("tsne", { part: "train" }),
    fitted("tsne", { sha: "n", fitSha: "n" }),
  ]) {
    assert.equal(placeOn(there, other), null);
    assert.ok(outOfDate(there, other));
  }
  assert.ok(!outOfDate(there, fitted("tsne")));
  assert.deepEqual(placeOn(there, flat), [1, 2]); // a formula needs nobody
  assert.ok(!outOfDate(there, flat));
  const under = fitted("tsne", { finished: false });
  assert.ok(!outOfDate(picture(under, null), under)); // asked for when it has ended
  assert.ok(outOfDate(picture(under, null), fitted("tsne")));
  assert.match(whyNowhere({}, under), /not finished/);
  assert.match(whyNowhere({}, fitted("tsne", { sha: "n" })), /older weights/);
  assert.match(encodeAddress("a b", fitted("umap"), true), /^runs\/a%20b\/encode\/s\?part=test&drawn=1&method=umap$/);
});

test("on another map it is asked for once, and the newest map's answer counts", async () => {
  const asked = [];
  let shown = 0;
  let now = fitted("umap");
  const own = new OwnPicture({
    encode: async (blob, drawn) => {
      asked.push([blob, drawn, now.method]);
      return picture(now, [asked.length, 0]);
    },
    changed: () => (shown += 1),
  });
  assert.equal(own.locate(flat), null);
  own.take(picture(fitted("tsne"), [7, 8]));
  assert.equal(own.locate(now).place, null);
  assert.match(own.locate(now).why, /looked up/);
  assert.deepEqual(asked, [["blob", true, "umap"]]);
  now = fitted("tsne-sklearn");
  own.locate(now);
  await new Promise((go) => setTimeout(go));
  assert.equal(shown, 1);
  assert.deepEqual(own.locate(now), { place: [2, 0], why: "" });
  assert.equal(asked.length, 2);
});

test("where the server refuses, the mark goes away with a sentence, and it is not asked again and again", async () => {
  let asked = 0;
  const own = new OwnPicture({
    encode: async () => {
      asked += 1;
      throw new Error("no such weights.");
    },
    changed() {},
  });
  own.take(picture(flat, null));
  const newer = { ...flat, sha: "n" };
  own.locate(newer);
  await new Promise((go) => setTimeout(go));
  assert.deepEqual(own.locate(newer), {
    place: null,
    why: "It has no mark on this map: no such weights.",
  });
  assert.equal(asked, 1);
});

test("of a selection only the isolated classes count, and it says so", () => {
  assert.deepEqual([...allowedOf(Uint32Array.of(0, 2, 3), Uint8Array.of(1, 1, 0, 1))], [0, 3]);
  assert.deepEqual([...allowedOf(Uint32Array.of(0, 2), null)], [0, 2]);
  assert.equal(allowedOf(null, Uint8Array.of(1)), null);
  assert.equal(aboutIsolated([], 5, 5), "");
  assert.equal(aboutIsolated(["6"], 34, 1200), "Only 6, as in the legend: 34 of the 1,200 inside.");
  assert.equal(aboutIsolated(["1", "2", "6"], 5, 5), "Only 1, 2 and 6, as in the legend.");
});

test("pictures of the decoded plane keep a gap, and the pointer finds them", () => {
  for (const width of [8, 28, 64]) {
    const gap = gapFor(width);
    const side = 17 * (width + gap) - gap;
    assert.ok(gap >= 1 && Math.abs((gap * 400) / side - 2) < 0.8, `${width}: ${gap}`);
    for (const at of [0, 5, 16]) assert.equal(pictureAt((at * (width + gap) + width / 2) / side, width, gap), at);
  }
});

test("a ring says which share of the prior it holds", () => {
  assert.deepEqual([1, 2, 3].map(ringLabel), ["1σ, 39 %", "2σ, 86 %", "3σ, 99 %"]);
  assert.equal(aboutRings, "dashed: the prior at 1, 2, 3σ, which hold 39, 86, 99 % of it");
});

test("the prior's rings have a halo of the ground beneath", () => {
  const strokes = [];
  const context = {
    save() {},
    restore() {},
    beginPath() {},
    arc() {},
    setLineDash() {},
    strokeText() {},
    fillText() {},
    stroke() {
      strokes.push([this.strokeStyle, this.lineWidth]);
    },
  };
  const view = {
    width: 600,
    height: 600,
    scale: 80,
    toX: (x) => 300 + 80 * x,
    toY: (y) => 300 - 80 * y,
  };
  rings(context, view, [0, 0], { prior: "green", card: "paper", font: "x" }, 1);
  assert.deepEqual(
    strokes.map(([colour]) => colour),
    Array(3).fill(["paper", "green"]).flat(),
  );
  assert.ok(strokes[0][1] > strokes[1][1]);
  const [from, to] = arcWithin(view, -1e6, 300, 1e6); // it crosses the window's left edge
  assert.ok(from < 0 && to > 0 && (to - from) * 1e6 < 2000);
});
