import assert from "node:assert/strict";
import test from "node:test";

import { TILES, leaf, some, withLabel } from "../../../ui/static/explore/images.js";
import { meaning } from "../../../ui/static/latent/dimensions.js";
import { FLIP, PERIOD, Pace, cycling, easing, flipping } from "../../../ui/static/explore/motion.js";
import { normPlaces, usualLengths, usualWords } from "../../../ui/static/explore/length.js";
import { coordinate, endsOf, rangeOf } from "../../../ui/static/latent/space.js";

test("easing begins where it is, ends exactly at its aim, and never goes back", () => {
  const motion = easing([0, 1], [2, 1], 100, 400);
  assert.deepEqual([...motion.at(100).z], [0, 1]);
  let last = 0;
  for (let now = 100; now < 500; now += 10) {
    const { z, done } = motion.at(now);
    assert.ok(z[0] >= last && !done);
    last = z[0];
  }
  assert.ok(Math.abs(motion.at(300).z[0] - 1) < 1e-12); // half-way at half the time
  assert.deepEqual(motion.at(500), { z: Float64Array.of(2, 1), done: true });
  assert.equal(easing([0], [1], 0, 0).at(0).done, true); // reduced motion: at once
});

test("a cycle starts where the slider stands, stays on it, and comes back after its period", () => {
  const range = { low: -3, high: 3 };
  const motion = cycling(1, 1.5, range, 0);
  const z = Float64Array.of(9, 1.5);
  assert.ok(Math.abs(motion.at(0, z).z[1] - 1.5) < 1e-12);
  assert.ok(Math.abs(motion.at(PERIOD, z).z[1] - 1.5) < 1e-9);
  const seen = Array.from({ length: 400 }, (_, i) => motion.at((i * PERIOD) / 400, z).z);
  assert.ok(seen.every((at) => at[0] === 9 && at[1] >= -3 && at[1] <= 3));
  assert.ok(Math.max(...seen.map((at) => at[1])) > 2.99 && Math.min(...seen.map((at) => at[1])) < -2.99);
  assert.equal(z[1], 1.5); // what it was given stays
});

test("a bit that is cycled flips and flips back, the others stay", () => {
  const motion = flipping(1, 0, 100);
  const z = Float64Array.of(1, 0, 1);
  const seen = [0, 1, 2, 3].map((n) => [...motion.at(100 + (n + 0.5) * FLIP, z).z]);
  assert.deepEqual(seen, [
    [1, 1, 1],
    [1, 0, 1],
    [1, 1, 1],
    [1, 0, 1],
  ]);
});

test("pictures per second are those of the last second, and a pause begins anew", () => {
  const pace = new Pace();
  assert.ok(Number.isNaN(pace.perSecond));
  for (let i = 0; i <= 100; i++) pace.tick(20 * i);
  assert.ok(Math.abs(pace.perSecond - 50) < 1e-9);
  pace.tick(9000);
  assert.ok(Number.isNaN(pace.perSecond));
});

test("the strip goes round, shows nobody twice, and keeps to a label", () => {
  assert.deepEqual(withLabel(Uint8Array.of(3, 1, 3), 3, 3), [0, 2]);
  assert.deepEqual(withLabel(null, 2, null), [0, 1]);
  assert.deepEqual(leaf([5, 6, 7], 2, 2), [7, 5]);
  assert.deepEqual(leaf([5, 6, 7], 1), [6, 7, 5]);
  const pool = Array.from({ length: 40 }, (_, i) => i);
  let seed = 1;
  const picked = some(pool, TILES, () => (seed = (seed * 16807) % 2147483647) / 2147483647);
  assert.equal(new Set(picked).size, TILES);
  assert.ok(picked.every((i) => pool.includes(i)));
});

test("the band of ‖z‖ holds what draws from the prior have", () => {
  const { at, low, high } = normPlaces(Math.sqrt(10), 10);
  assert.ok(low < at && at < high);
  assert.ok(normPlaces(9, 10).at > normPlaces(9, 10).high);
  assert.ok(normPlaces(40, 2).at <= 1);
});

test("typical lengths are the quantiles of the chi distribution", () => {
  const near = (found, wanted) =>
    found.forEach((x, i) => assert.ok(Math.abs(x - wanted[i]) < 1e-5, `${found} ${wanted}`));
  near(usualLengths(1), [0.031338, 0.6744898, 2.2414027]); // of the absolute value of a normal number
  near(
    usualLengths(2),
    [0.025, 0.5, 0.975].map((p) => Math.sqrt(-2 * Math.log(1 - p))),
  ); // Rayleigh
  near(
    usualLengths(3).map((r) => r * r),
    [0.2157953, 2.3659739, 9.3484036],
  ); // tables of chi-squared
  near(
    usualLengths(10).map((r) => r * r),
    [3.2469728, 9.3418178, 20.4831774],
  );
  assert.equal(usualWords(2), "typical 1.18, 95 % of the prior from 0.23 to 2.72");
  const { low, high } = normPlaces(0, 2);
  assert.ok(Math.abs(high / low - usualLengths(2)[2] / usualLengths(2)[0]) < 1e-9);
  assert.ok(usualLengths(512)[0] > 21 && usualLengths(512)[2] < 24.1);
});

test("words and numbers on a slider", () => {
  assert.equal(coordinate(-1.456), "−1.46");
  assert.equal(coordinate(-0.001), "0.00");
  assert.match(meaning(3, 0.004), /z3 carries 0.004 nats: the model does not use it/);
  assert.match(meaning(3, 2.27), /z3 carries 2.27 nats on average/);
  assert.deepEqual(endsOf(rangeOf()), ["−3.09", "3.09"]);
  assert.deepEqual(endsOf(rangeOf(1, 0.01)), ["0.969", "1.031"]); // two decimals would be 0.97 and 1.03
});
