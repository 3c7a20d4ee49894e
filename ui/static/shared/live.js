// The live connection: one websocket per tab, any number of runs on it. It is closed while the tab is hidden and
// after a break opens again, later each time; each run resumes where it was.

import { base } from "./server.js";
import { readMessage } from "../train/preview_data.js";

const FIRST_WAIT = 300; // milliseconds before the first new attempt
const LONGEST_WAIT = 10_000;

export class LiveConnection {
  /** `page` is the document; the others are replaced in tests. */
  constructor({
    url,
    page,
    open = (address) => new WebSocket(address),
    later = (f, ms) => setTimeout(f, ms),
    forget = (id) => clearTimeout(id),
  }) {
    this.url = url;
    this.page = page;
    this.open = open;
    this.later = later;
    this.forget = forget;
    this.followers = new Map(); // run -> follower
    this.socket = null;
    this.failures = 0;
    this.timer = null;
    page.addEventListener("visibilitychange", () => (page.hidden ? this._close() : this._connect()));
    globalThis.addEventListener?.("online", () => this._connect());
    globalThis.addEventListener?.("pageshow", () => this._connect());
  }

  /**
   * Follow a run; returns the function that ends it. One follower per run:
   * `resume()` gives {offset, file}, `receive(message)` takes texts, `show(preview)` images, `link(up)` the connection.
   */
  watch(run, follower) {
    this.followers.set(run, follower);
    if (this._up()) this._ask(run, follower);
    else this._connect();
    return () => {
      if (this.followers.get(run) !== follower) return;
      this.followers.delete(run);
      if (this._up()) this.socket?.send(JSON.stringify({ unwatch: run }));
      if (!this.followers.size) this._close();
    };
  }

  _up() {
    return this.socket?.readyState === 1;
  }

  _ask(run, follower) {
    this.socket?.send(JSON.stringify({ watch: run, ...follower.resume() }));
    follower.link(true);
  }

  _connect() {
    if (this.socket || this.page.hidden || !this.followers.size) return;
    this.forget(this.timer);
    const socket = this.open(this.url);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.followers.forEach((follower, run) => this._ask(run, follower));
    socket.onmessage = ({ data }) => this._receive(data);
    socket.onclose = () => {
      if (this.socket !== socket) return; // closed by us
      this.socket = null;
      this.followers.forEach((follower) => follower.link(false));
      const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.failures++);
      this.timer = this.later(() => this._connect(), wait * (0.75 + Math.random() / 2));
    };
  }

  _close() {
    this.forget(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = null; // what is still under way comes again from the offset
    socket.close();
  }

  _receive(data) {
    this.failures = 0;
    try {
      if (typeof data === "string") {
        const message = JSON.parse(data);
        this.followers.get(message.run)?.receive(message);
      } else {
        const { run, preview } = readMessage(data);
        this.followers.get(run)?.show(preview);
      }
    } catch (error) {
      console.warn("a live message could not be read", error);
    }
  }
}

/** @type {LiveConnection | null} */
let shared = null;

/** The connection of this tab. */
export function connection() {
  if (!shared) {
    const url = new URL("live", base);
    url.protocol = url.protocol.replace("http", "ws");
    shared = new LiveConnection({ url: url.href, page: document });
  }
  return shared;
}
