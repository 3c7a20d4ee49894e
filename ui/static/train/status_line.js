// One line on what a run is doing. When its state changes, the page behind it runs again, so that its buttons follow.

import { duration, significant, whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { follow } from "../shared/store.js";

const GONE = "gone"; // what the page is sent when the run was renamed or deleted
const AGAIN = 3000; // milliseconds before a page that did not follow is sent it again

/** The parts of the line, from a status and the number of viewers; `words`: what the states are called. */
export function phrases(status, viewers, words) {
  const { state, step, epoch, images_per_second: speed, seconds_left: left } = status;
  const moving = state === "running" || state === "saving";
  const parts = [words[state] ?? state];
  if (step > 0) parts.push(`step ${whole(step)}`);
  if (step > 0 && epoch > 0) parts.push(`epoch ${epoch < 100 ? epoch.toFixed(1) : whole(epoch)}`); // 0: not told
  if (moving && speed > 0) parts.push(`${whole(Number(speed.toPrecision(3)))} images/s`);
  if (moving && Number.isFinite(left) && left !== null) parts.push(`${duration(left)} left`);
  if (viewers > 1) parts.push(`${viewers} watching`);
  return parts;
}

/** Knobs that are not at rest, in words; what changes the course of training should be seen. `halves`: what they are called. */
export function settings(knobs, halves) {
  if (!knobs) return [];
  const parts = [];
  if (knobs.part !== "both") parts.push(halves[knobs.part] ?? knobs.part);
  if (knobs.lr_factor !== 1) parts.push(`learning rate × ${significant(knobs.lr_factor)}`);
  if (knobs.pace !== null) parts.push(`${Number(knobs.pace.toPrecision(3))} steps/s at most`);
  return parts;
}

class StatusLine {
  constructor(root) {
    this.dot = element("span", { className: "dot" });
    this.text = element("span", { className: "parts" });
    this.message = element("p", { className: "er-note message" });
    this.line = element("div", { className: "line" }, this.dot, this.text);
    this.box = element("div", { className: "status" }, this.line, this.message);
    root.append(this.box);
    this.sent = null;
  }

  update(data, component) {
    this.component = component;
    if (data.run !== this.data?.run) {
      this.source?.close();
      this.sent = null;
      this.source = follow(data.run, () => this._draw());
    }
    this.data = data;
    this.box.hidden = !data.visible;
    this.source.soon();
  }

  destroy() {
    this.source?.close();
    clearTimeout(this.timer);
  }

  _draw() {
    const { store } = this.source;
    this._send(store);
    const away = store.linked === false;
    const state = store.error ? "failed" : away ? "away" : (store.status?.state ?? "away");
    this.box.dataset.state = state;
    const parts = store.status ? phrases(store.status, store.viewers, this.data.words) : [];
    if (store.status && !store.ended) parts.push(...settings(store.knobs, this.data.halves));
    if (away) parts.unshift("connection lost, trying again");
    const shown = store.error ? [store.error] : parts;
    this._say(shown);
    this.message.textContent = store.error ? "" : (store.status?.message ?? "");
    this.message.hidden = !this.message.textContent;
  }

  /** The parts, each in an element of its own; only what changed is written. */
  _say(shown) {
    const { children } = this.text;
    while (children.length > shown.length) this.text.lastChild.remove();
    while (children.length < shown.length) {
      this.text.append(element("span", { className: children.length ? "" : "state" }));
    }
    shown.forEach((part, i) => {
      if (children[i].textContent !== part) children[i].textContent = part;
    });
  }

  /** Once for each new state; again only if the page, drawn since, still shows another one. */
  _send({ status, linked, error }) {
    const state = error ? GONE : status?.state;
    if (!state || linked !== true || state === this.data.state) {
      if (state === this.data.state) this.sent = null;
      return;
    }
    const now = performance.now();
    if (this.sent?.state === state && now - this.sent.time < AGAIN * this.sent.times) return;
    this.sent = { state, time: now, times: this.sent?.state === state ? 2 * this.sent.times : 1 };
    this.component.setTriggerValue("state", state);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.source.soon(), AGAIN * this.sent.times + 50);
  }
}

export default renderer((root) => new StatusLine(root), ["train/status_line.css"]);
