import assert from "node:assert/strict";
import test from "node:test";

import { LiveConnection } from "../../../ui/static/shared/live.js";
import { RunStore } from "../../../ui/static/shared/store.js";

/** A page, its sockets and its clock, all in the test's hand. */
function world() {
  const sockets = [];
  const timers = [];
  const page = new EventTarget();
  page.hidden = false;
  const open = (url) => {
    const socket = {
      url,
      readyState: 0,
      sent: [],
      send: (text) => socket.sent.push(JSON.parse(text)),
      close: () => (socket.readyState = 3),
    };
    sockets.push(socket);
    return socket;
  };
  const live = new LiveConnection({
    url: "ws://here/live",
    page,
    open,
    later: (f, ms) => timers.push({ f, ms }),
    forget: () => {},
  });
  return {
    live,
    sockets,
    timers,
    page,
    socket: () => sockets.at(-1),
    accept() {
      sockets.at(-1).readyState = 1;
      sockets.at(-1).onopen();
    },
    say(message) {
      sockets.at(-1).onmessage({ data: JSON.stringify(message) });
    },
    drop() {
      sockets.at(-1).readyState = 3;
      sockets.at(-1).onclose();
    },
    show(visible) {
      page.hidden = !visible;
      page.dispatchEvent(new Event("visibilitychange"));
    },
  };
}
const lines = (steps, offset, file = "f") => ({
  run: "a",
  file,
  from: 0,
  offset,
  lines: steps.map((step) => ({
    step,
    train: { distortion: 1, rate: 1, elbo: -2 },
  })),
});

test("two runs share one socket, and it closes with the last", () => {
  const w = world();
  const [a, b] = [new RunStore("a", w.live), new RunStore("b", w.live)];
  const leave = [w.live.watch("a", a), w.live.watch("b", b)];
  w.accept();
  assert.equal(w.sockets.length, 1);
  assert.deepEqual(w.socket().sent, [
    { watch: "a", offset: 0, file: null },
    { watch: "b", offset: 0, file: null },
  ]);
  leave[0]();
  assert.deepEqual(w.socket().sent.at(-1), { unwatch: "a" });
  leave[1]();
  assert.equal(w.socket().readyState, 3);
});

test("after a break it resumes from the offset, later each time", () => {
  const w = world();
  const store = new RunStore("a", w.live);
  w.live.watch("a", store);
  w.accept();
  w.say(lines([1, 2], 120));
  w.drop();
  assert.equal(store.linked, false);
  const waits = [];
  for (let i = 0; i < 8; i++) {
    const { f, ms } = w.timers.at(-1);
    waits.push(ms);
    f();
    if (i < 7) w.drop();
  }
  assert.ok(waits[0] < 500 && waits[3] > waits[0] * 2, `${waits}`);
  assert.ok(Math.max(...waits) <= 12_500);
  w.accept();
  assert.deepEqual(w.socket().sent, [{ watch: "a", offset: 120, file: "f" }]);
  assert.equal(store.linked, true);
  w.say(lines([3], 180));
  assert.deepEqual([...store.history.train.step.values.slice(0, 3)], [1, 2, 3]);
});

test("a hidden tab closes the socket, and what is under way then is not counted twice", () => {
  const w = world();
  const store = new RunStore("a", w.live);
  w.live.watch("a", store);
  w.accept();
  w.say(lines([1], 60));
  const old = w.socket();
  w.show(false);
  assert.equal(old.readyState, 3);
  assert.equal(old.onmessage, null);
  w.show(true);
  assert.equal(w.sockets.length, 2);
  w.accept();
  assert.deepEqual(w.socket().sent, [{ watch: "a", offset: 60, file: "f" }]);
});

test("a reset starts the history over", () => {
  const w = world();
  const store = new RunStore("a", w.live);
  w.live.watch("a", store);
  w.accept();
  w.say(lines([1, 2, 3], 180));
  w.say({ run: "a", reset: true });
  w.say(lines([1], 60, "g"));
  assert.equal(store.history.train.length, 1);
  assert.deepEqual(store.resume(), { offset: 60, file: "g" });
});

test("status, viewers and errors reach the run they name, and broken messages harm nobody", () => {
  const w = world();
  const store = new RunStore("a", w.live);
  w.live.watch("a", store);
  w.accept();
  w.say({
    run: "a",
    status: { state: "finished" },
    knobs: { C: 2 },
    viewers: 3,
  });
  assert.deepEqual([store.status.state, store.knobs.C, store.viewers, store.ended], ["finished", 2, 3, true]);
  w.say({ run: "b", error: "no" });
  assert.equal(store.error, "");
  const { warn } = console;
  console.warn = () => {};
  w.socket().onmessage({ data: "{" });
  w.socket().onmessage({ data: new ArrayBuffer(3) });
  console.warn = warn;
  w.say({ run: "a", error: "no run named 'a'" });
  assert.equal(store.error, "no run named 'a'");
});
