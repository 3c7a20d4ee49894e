// What the page knows of each run, shared by all components of the tab that show it.

import { History } from "./history.js";
import { connection } from "./live.js";
import { Redraws } from "./redraws.js";

export const ENDED = new Set(["finished", "stopped", "interrupted", "diverged", "failed"]);
const LINGER = 1500; // milliseconds for which a run is still watched after its last component left: pages redraw
const KEPT = 6; // runs kept in memory after that, so that coming back draws at once

export class RunStore {
  constructor(run, live = connection()) {
    this.run = run;
    this.live = live;
    this.history = new History();
    this.offset = 0;
    this.file = null;
    this.status = null;
    this.knobs = null;
    this.weights = null; // SHA-256 of the newest published weights
    this.viewers = 0;
    this.preview = null;
    this.error = "";
    this.linked = null; // null before the first connection
    this.listeners = new Set();
    this._unwatch = null;
    /** @type {number | undefined} */
    this._timer = undefined;
  }

  /** Whether the run's training has come to an end; false while nothing is known. */
  get ended() {
    return this.status !== null && ENDED.has(this.status.state);
  }

  subscribe(listener) {
    this.listeners.add(listener);
    clearTimeout(this._timer);
    this._unwatch ??= this.live.watch(this.run, this);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size) return;
      clearTimeout(this._timer);
      this._timer = setTimeout(() => {
        this._unwatch?.();
        this._unwatch = null;
      }, LINGER);
    };
  }

  resume() {
    return { offset: this.offset, file: this.file };
  }

  receive(message) {
    if (message.reset) {
      this.history.reset();
      this.offset = 0;
      this.file = null;
    }
    if (message.lines) {
      this.error = "";
      this.history.append(message.lines);
      this.offset = message.offset;
      this.file = message.file;
    }
    if (message.status) {
      this.error = "";
      this.status = message.status;
      this.knobs = message.knobs;
      this.weights = message.weights ?? null;
    }
    if ("viewers" in message) this.viewers = message.viewers;
    if (message.error) this.error = message.error;
    this._notify();
  }

  show(preview) {
    this.preview = preview;
    this._notify();
  }

  link(up) {
    this.linked = up;
    this._notify();
  }

  _notify() {
    for (const listener of [...this.listeners]) listener();
  }
}

const stores = new Map();
/** @type {Redraws | null} */
let redraws = null;

/**
 * Call `listener` when something of the run has changed, together with the tab's others (redraws.js). Returns {store,
 * soon, later, close}: `soon` has it called in the next frame, `later` with what comes next.
 */
export function follow(run, listener) {
  const drawing = (redraws ??= new Redraws({ page: document }));
  let store = stores.get(run);
  if (!store) {
    for (const [name, idle] of stores) {
      if (stores.size < KEPT) break;
      if (!idle.listeners.size && !idle._unwatch) stores.delete(name);
    }
    store = new RunStore(run);
    stores.set(run, store);
  }
  const draw = () => listener(); // each follower's own, even where two have one listener
  const later = () => drawing.queue(draw);
  const soon = () => drawing.soon(draw);
  const unsubscribe = store.subscribe(later);
  soon();
  return {
    store,
    soon,
    later,
    close() {
      drawing.drop(draw);
      unsubscribe();
    },
  };
}
