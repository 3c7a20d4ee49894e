import assert from "node:assert/strict";
import test from "node:test";

import { heldOut, legend, markerLabel, mergeMarkers, summary } from "../../../ui/static/train/charts.js";
import { History } from "../../../ui/static/shared/history.js";
import { luminance } from "../../../ui/static/shared/palette.js";
import { axisEnd, caption, collapse, largest } from "../../../ui/static/train/rate_bars.js";
import { phrases, settings } from "../../../ui/static/train/status_line.js";

test("markers say what changed", () => {
  assert.equal(markerLabel({ knob: "C", before: 1, value: 2 }), "C 1 → 2");
  assert.equal(markerLabel({ knob: "C", before: 36.2345, value: "fit" }), "C 36.2 → fit");
  assert.equal(markerLabel({ knob: "C", before: null, value: 0.5 }), "C 0.5");
  assert.equal(markerLabel({ knob: "C", before: 5e6, value: 0.5 }), "C 5e6 → 0.5");
  assert.equal(markerLabel({ knob: "lr_factor", before: null, value: 0.1 }), "learning rate × 0.1");
  assert.equal(markerLabel({ knob: "part", before: null, value: "decoder" }), "trains decoder");
});

test("markers closer than a few pixels become one; other knobs stay apart", () => {
  const C = (step, before, value) => ({ step, knob: "C", before, value });
  const merged = mergeMarkers(
    [C(10, 1, 2), C(12, 2, 3), { step: 13, knob: "part", before: null, value: "encoder" }, C(90, 3, 1)],
    5,
  );
  assert.deepEqual(
    merged.map(({ step, before, value }) => [step, before, value]),
    [
      [10, 1, 3],
      [13, null, "encoder"],
      [90, 3, 1],
    ],
  );
});

test("the chart has a text", () => {
  const history = new History();
  assert.equal(summary("a", history), "Training curves of a: no record yet.");
  history.append([
    {
      step: 1200,
      C: 36.2,
      train: { distortion: -52.1, rate: 4.7, elbo: 47.4, squared_error: 2.5 },
      test: { elbo: 46 },
    },
  ]);
  assert.equal(
    summary("a", history),
    "Training curves of a at step 1,200: squared error 2.50 pixel², distortion −52.1 nats, rate 4.70 nats, −ELBO −47.4 nats. Held-out −ELBO −46.0. C 36.2.",
  );
});

test("the legend gives the numbers of held-out images", () => {
  assert.match(legend({ testImages: [] }), /Dashed: held-out\. /);
  assert.match(legend({ testImages: [360] }), /held-out \(360 images\)\. /);
  assert.match(legend({ testImages: [2000, 10_000] }), /\(first 2,000 images, all 10,000 at the end\)\. /);
});

test("a held-out number of another C is not shown", () => {
  const elbo = (m) => -m.elbo;
  const history = { latest: {}, latestTest: { elbo: -99 }, testCurrent: true };
  assert.equal(heldOut(history, elbo, false).text, "held-out 99.0");
  assert.deepEqual(heldOut({ ...history, testCurrent: false }, elbo, false), {
    text: "held-out …",
    title: "With this C it comes with the next evaluation.",
  });
  assert.equal(heldOut({ ...history, testCurrent: false }, elbo, true).text, "held-out –");
  assert.equal(heldOut({ latest: null }, elbo, false).text, "");
});

test("bars are sorted, limited, and counted with all dimensions", () => {
  assert.deepEqual(largest([0.1, 3, 0.1, 2]), [1, 3, 0, 2]);
  assert.equal(largest(Array(64).fill(1)).length, 24);
  assert.equal(caption([2, 0.02, 0.01, 0.0099]), "3 of 4 dimensions carry 0.01 nats or more.");
  assert.match(
    caption([1, 2], true),
    /^2 of 2 dimensions carry 0.01 nats or more\. Each bar is .* of one dimension alone/,
  );
  assert.equal(caption([1]), "1 of 1 dimension carries 0.01 nats or more.");
  assert.equal(
    caption(Array(64).fill(1)),
    "64 of 64 dimensions carry 0.01 nats or more; the 24 largest are shown, 40 more are not.",
  );
  for (const value of [0, 0.004, 0.9, 1.6, 43, 98, 1000])
    assert.ok(axisEnd(value) >= value && axisEnd(value) < Math.max(2.2 * value, 0.01));
});

test("the line tells what is known and nothing else", () => {
  const status = {
    state: "running",
    step: 2490,
    epoch: 5.31,
    images_per_second: 24312,
    seconds_left: 38.2,
  };
  const words = { running: "training", queued: "waiting for its turn" };
  assert.deepEqual(phrases(status, 2, words), [
    "training",
    "step 2,490",
    "epoch 5.3",
    "24,300 images/s",
    "38 s left",
    "2 watching",
  ]);
  assert.deepEqual(phrases({ ...status, state: "finished" }, 1, words), ["finished", "step 2,490", "epoch 5.3"]);
  assert.deepEqual(
    phrases(
      {
        state: "queued",
        step: 0,
        epoch: 0,
        images_per_second: null,
        seconds_left: null,
      },
      1,
      words,
    ),
    ["waiting for its turn"],
  );
  assert.deepEqual(settings({ part: "decoder", lr_factor: 0.5, pace: 5 }, { decoder: "decoder only" }), [
    "decoder only",
    "learning rate × 0.500",
    "5 steps/s at most",
  ]);
  assert.deepEqual(settings({ part: "both", lr_factor: 1, pace: null }, {}), []);
});

test("the tone of a ground", () => {
  assert.ok(luminance("#FBFAF6") > 0.9);
  assert.ok(luminance("rgb(21, 23, 28)") < 0.02);
  assert.equal(luminance("#fff"), 1);
  assert.equal(luminance("unset"), null);
});

test("posterior collapse is named where it happens", () => {
  assert.equal(collapse([2, 0.02]), "");
  assert.match(collapse([0.01, 0]), /^Posterior collapse: q\(z\|x\) is the prior/);
  assert.equal(collapse([3, 0.001, 2]), "Posterior collapse in 1 of 3 dimensions: there q(z|x) is the prior.");
});
