import assert from "node:assert/strict";
import test from "node:test";

import { EVERY, LONGEST, PAUSE, Redraws } from "../../../ui/static/shared/redraws.js";

/** A page with a clock of its own, sixty frames a second: frames come also while it is hidden. */
function world() {
  const page = Object.assign(new EventTarget(), { hidden: false });
  let [time, frames, timers] = [0, [], []];
  const redraws = new Redraws({
    page,
    frame: (f) => frames.push(f),
    later: (f, ms) => timers.push({ f, at: time + ms }),
    now: () => time,
  });
  const pass = (milliseconds, each = () => {}) => {
    for (const end = time + milliseconds; time < end;) {
      time += 1;
      each(time);
      const due = timers.filter(({ at }) => at <= time);
      timers = timers.filter(({ at }) => at > time);
      due.forEach(({ f }) => f());
      if (time % 16 === 0) frames.splice(0).forEach((f) => f());
    }
  };
  const show = (seen) => {
    page.hidden = !seen;
    page.dispatchEvent(new Event("visibilitychange"));
  };
  return { redraws, pass, show, clock: () => time, spend: (milliseconds) => (time += milliseconds) };
}

test("what comes by itself is drawn at most ten times a second", () => {
  const { redraws, pass, clock } = world();
  const drawn = [];
  const draw = () => drawn.push(clock());
  pass(10_000, () => redraws.queue(draw));
  assert.ok(drawn.length >= 85 && drawn.length <= 100, `${drawn.length} in ten seconds`);
  drawn.forEach((time, i) => assert.ok(i === 0 || time - drawn[i - 1] >= EVERY));
});

test("where drawing takes long it takes a share of the time only, and the last of it still comes", () => {
  for (const took of [30, 60, 500]) {
    const { redraws, pass, clock, spend } = world();
    let [newest, shown, spent, times] = [0, 0, 0, 0];
    const draw = () => {
      shown = newest;
      spent += took;
      times += 1;
      spend(took);
    };
    pass(20_000, () => {
      newest += 1;
      redraws.queue(draw);
    });
    assert.ok(times >= 20_000 / (LONGEST + took), `${times}`);
    if (PAUSE * took < LONGEST) assert.ok(spent / clock() <= 1.02 / PAUSE, `${spent} of ${clock()} ms`);
    pass(LONGEST + took + 32);
    assert.equal(shown, newest);
  }
});

test("the last of it is always drawn, the first at once", () => {
  for (let n = 1; n < 150; n += 7) {
    const { redraws, pass } = world();
    let [newest, shown] = [0, 0];
    const draw = () => (shown = newest);
    pass(n, () => {
      newest += 1;
      redraws.queue(draw);
      if (newest === 17) assert.equal(shown, 16); // the first frame
    });
    pass(EVERY + 16);
    assert.equal(shown, newest);
  }
});

test("all that waits is drawn in one frame", () => {
  const { redraws, pass, clock } = world();
  const drawn = [];
  const draws = [1, 2, 3, 4].map((i) => () => drawn.push([i, clock()]));
  pass(1000, (time) => redraws.queue(draws[time % 4]));
  const frames = [...new Set(drawn.map(([, time]) => time))];
  assert.equal(drawn.length, 4 * frames.length);
  assert.ok(frames.length <= 10);
});

test("a hand waits for the next frame only, and takes with it what is new", () => {
  const { redraws, pass, clock } = world();
  const drawn = [];
  const draw = () => drawn.push(clock());
  redraws.queue(draw);
  pass(16);
  pass(3, () => redraws.queue(draw));
  redraws.soon(draw);
  pass(200);
  assert.deepEqual(drawn, [16, 32]);
});

test("nothing is drawn while the page is hidden, and what has come once it is seen", () => {
  const { redraws, pass, show } = world();
  let [newest, shown, times] = [0, 0, 0];
  const draw = () => {
    shown = newest;
    times += 1;
  };
  const news = () => {
    newest += 1;
    redraws.queue(draw);
    redraws.soon(draw);
  };
  pass(50, news);
  news(); // a frame is awaited
  const before = times;
  show(false);
  pass(5000, news);
  assert.equal(times, before);
  show(true);
  pass(16);
  assert.equal(shown, newest);
  assert.equal(times, before + 1);
});

test("who has left is not drawn", () => {
  const { redraws, pass } = world();
  const draw = () => assert.fail();
  redraws.queue(draw);
  redraws.soon(draw);
  redraws.drop(draw);
  pass(300);
});
