import assert from "node:assert/strict";
import test from "node:test";

import { packed } from "../../../ui/static/map/colours.js";
import {
  Draws,
  INKS,
  fetchHoles,
  holeColouring,
  holePalette,
  reachOf,
  readHoles,
} from "../../../ui/static/map/holes.js";
import { FittedLayout, LineLayout, LinearLayout } from "../../../ui/static/map/layouts.js";
import { drawPoints } from "../../../ui/static/map/points.js";
import { farthest, spread } from "../../../ui/static/diagnose/choice.js";

const framed = (header, ...floats) => {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil((4 + json.length) / 8) * 8).fill(32);
  new DataView(padded.buffer).setUint32(0, padded.length - 4, true);
  padded.set(json, 4);
  return Uint8Array.from([...padded, ...new Uint8Array(Float32Array.from(floats.flat()).buffer)]);
};
const SCORE = [1, -1, 3];
const PRIOR = [0, 0, 2, 1, -2, 5, 9, 9];
const OF_PRIOR = [0.5, -4, -2, 1];
const frame = () => framed({ n: 3, m: 4, k: 2 }, SCORE, PRIOR, OF_PRIOR);

test("scores and draws are views on what was sent; half of it is refused", async () => {
  const { k, m, score, prior, priorScore } = readHoles(frame());
  assert.deepEqual([k, m, [...score], [...prior], [...priorScore]], [2, 4, SCORE, PRIOR, OF_PRIOR]);
  assert.throws(() => readHoles(frame().subarray(0, -4)), RangeError);
  const asked = [];
  assert.equal(await fetchHoles("a b", "77", async (address) => (asked.push(address), frame().subarray(0, 20))), null);
  assert.deepEqual(asked, ["runs/a%20b/holes/77"]);
});

test("0 is in the middle of the colours, either side reaches as far", () => {
  const holes = readHoles(frame());
  assert.equal(reachOf(holes), 3); // 98 of 100 sizes lie within
  const { kinds, range, palette } = holeColouring(holes, 5, "light");
  assert.deepEqual(range, { low: -3, high: 3 });
  assert.deepEqual([...kinds], [170, 85, 255, 128, 128]); // two images that nobody looked at
  assert.deepEqual([palette[0], palette[255]], [INKS.light[0], INKS.light[2]]);
  const away = (colour, ink) =>
    Math.max(
      ...[1, 3, 5].map((at) => Math.abs(parseInt(colour.slice(at, at + 2), 16) - parseInt(ink.slice(at, at + 2), 16))),
    );
  assert.ok(away(holePalette("dark")[128], INKS.dark[1]) <= 2);
});

test("draws lie where the plane's formula puts them, and the nearest is found", () => {
  const draws = new Draws(() => {});
  draws.take(readHoles(frame()));
  draws.colour("light");
  draws.place(LinearLayout.pair(2, 1, 0));
  assert.deepEqual([...draws.xy], [0, 0, 1, 2, 5, -2, 9, 9]);
  assert.equal(draws.nearest(1, 1, 5), null); // they are not shown
  draws.shown = true;
  assert.deepEqual(draws.nearest(1, 1.5, 5), { index: 1, distance: 0.5 });
  assert.equal(draws.nearest(20, 20, 5), null);
  assert.deepEqual([...draws.code(1)], [2, 1]);
  draws.take(null);
  assert.equal(draws.count, 0);
});

test("on a line they lie at its foot", () => {
  const draws = new Draws(() => {});
  draws.take(readHoles(framed({ n: 1, m: 2, k: 1 }, 1, [0.5, -1], [1, 2])));
  draws.place(new LineLayout(Float32Array.of(3)));
  assert.deepEqual([...draws.xy], [0.5, 0, -1, 0]);
});

test("on a fitted map the server places them; what comes late for another map is dropped", async () => {
  const answers = [];
  const draws = new Draws(
    () => {},
    (address) => new Promise((answer) => answers.push({ address, answer })),
  );
  draws.take(readHoles(frame()));
  const fitted = new FittedLayout(Float32Array.of(0, 0, 1, 1, 2, 2), new Float32Array(6), 2);
  const first = draws.place(fitted, { run: "r", sha: "7", method: "tsne" });
  assert.equal(draws.xy.length, 0);
  assert.equal(answers[0].address, "runs/r/holes/7?method=tsne");
  draws.place(LinearLayout.pair(2, 0, 1));
  answers[0].answer(framed({ m: 1 }, [7, 8]));
  await first;
  assert.deepEqual([...draws.xy], PRIOR);
  const second = draws.place(fitted, { run: "r", sha: "7", method: "tsne" });
  answers[1].answer(framed({ m: 2 }, [7, 8, 9, 10]));
  await second;
  assert.deepEqual([...draws.xy], [7, 8, 9, 10]);
});

test("a ring is empty inside", () => {
  const pixels = new Uint32Array(21 * 21);
  const view = { scale: 1, x: 0, y: 0 };
  const ink = Uint32Array.of(packed("#1f7f37"));
  drawPoints(pixels, 21, 21, view, Float32Array.of(0, 0), Uint8Array.of(0), ink, { radius: 5, rim: 1.5 });
  const at = (x, y) => pixels[(10 + y) * 21 + 10 + x] & 0xffffff;
  assert.deepEqual([at(0, 0), at(2, 2), at(7, 0)], [0, 0, 0]);
  assert.deepEqual([at(4, 0), at(0, -5)], [ink[0], ink[0]]);
});

test("pictures are chosen by a rule: evenly through the tenth of lowest scores, evenly through the images", () => {
  const scores = Float32Array.from({ length: 100 }, (_, i) => (i * 37) % 100);
  const found = farthest(scores, 100, 5);
  assert.deepEqual(
    found.map((i) => scores[i]),
    [0, 2, 4, 6, 8],
  );
  assert.deepEqual(spread(10, 4), [0, 2, 5, 7]);
  assert.deepEqual(spread(2, 4), [0, 1]);
  assert.deepEqual(spread(0, 4), []);
});
