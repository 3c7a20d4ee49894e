// The rate of each latent dimension as a bar, largest first. A bar keeps its name when it changes its place, and a nat
// keeps its length while the run trains: what collapses is seen to shrink.

import { ALIVE } from "../latent/space.js";
import { nats, whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { follow } from "../shared/store.js";

export const MOST = 24; // bars
const SORT_EVERY = 900; // milliseconds, so that near-equal bars do not dance
const ROW = 23; // pixels

/** Indices of the `most` largest rates, largest first; equal ones in their order. */
export function largest(rates, most = MOST) {
  return rates
    .map((_, i) => i)
    .sort((a, b) => rates[b] - rates[a] || a - b)
    .slice(0, most);
}

/** What it means that so many of k dimensions lie at the prior; empty where none does. */
export function collapse(rates) {
  const k = rates.length;
  const dead = rates.filter((rate) => rate <= ALIVE).length;
  if (!dead) return "";
  if (dead === k)
    return "Posterior collapse: q(z|x) is the prior p(z) for every image, so z says nothing about x. A larger C makes it pay to use z.";
  return `Posterior collapse in ${whole(dead)} of ${whole(k)} dimensions: there q(z|x) is the prior.`;
}

/** What the bars say in words; `marginal`: of a posterior that does not factorise. */
export function caption(rates, marginal = false) {
  const alive = rates.filter((rate) => rate >= ALIVE).length;
  const more = rates.length - MOST;
  const hidden = more > 0 ? `; the ${MOST} largest are shown, ${whole(more)} more are not` : "";
  return (
    `${whole(alive)} of ${whole(rates.length)} dimension${rates.length === 1 ? " carries" : "s carry"} ${ALIVE} nats or more${hidden}.` +
    (marginal ? " Each bar is KL(q(zᵢ|x)‖p(zᵢ)) of one dimension alone: the covariance comes on top in the rate." : "")
  );
}

/** The end of the axis, a round number that is above `value` and seldom changes. */
export function axisEnd(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-3)));
  return [1, 1.5, 2, 3, 5, 7.5, 10].find((m) => m * power >= value * 1.02) * power;
}

class Bars {
  constructor(root) {
    this.note = element("p", { className: "er-note" });
    this.list = element("ul", { className: "bars" });
    const title = element("h3", { className: "er-title", text: "Rate per dimension, nats" });
    this.end = element("span", { className: "er-note" });
    this.collapse = element("p", { className: "collapse", role: "status" });
    const head = element("header", {}, title, this.end);
    root.append(element("section", { className: "er-card" }, head, this.list, this.collapse, this.note));
    this.rows = new Map(); // dimension -> elements
  }

  update(data) {
    if (data.run === this.run) return;
    this.source?.close();
    this.run = data.run;
    this.order = null;
    this.source = follow(data.run, () => this._draw());
  }

  destroy() {
    this.source?.close();
    clearTimeout(this.timer);
  }

  _draw() {
    const { history, error, ended } = this.source.store;
    const rates = history.ratePerDim;
    if (!rates) {
      this.list.replaceChildren();
      this.list.style.height = "0";
      this.rows.clear();
      this.order = null;
      this.end.textContent = this.collapse.textContent = "";
      this.note.textContent = this._absent(history, error, ended);
      return;
    }
    const now = performance.now();
    if (!this.order || this.order.of !== rates.length || now - this.order.time > SORT_EVERY) {
      this.order = { of: rates.length, time: now, shown: largest(rates) };
      this._place();
    } else {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.source.soon(), SORT_EVERY);
    }
    const end = axisEnd(history.highestRate);
    for (const dimension of this.order.shown) {
      const { bar, value, row } = this.rows.get(dimension);
      const rate = rates[dimension];
      bar.style.transform = `scaleX(${Math.max(0, rate / end)})`;
      value.style.left = `${Math.max(0, (100 * rate) / end)}%`;
      value.textContent = nats(rate);
      row.classList.toggle("dead", rate < ALIVE);
    }
    this.end.textContent = `full width: ${nats(end)} nats`;
    this.note.textContent = caption(rates, history.marginal);
    this.collapse.textContent = history.latest.epoch >= 1 ? collapse(rates) : ""; // before, nothing has been learned
  }

  _absent(history, error, ended) {
    if (error) return "Nothing to show.";
    if (history.latest) return "This run's records hold no rate per dimension.";
    return ended ? "This run has no records." : "The bars appear with the first record.";
  }

  _place() {
    const { shown } = this.order;
    for (const [dimension, { row }] of this.rows) {
      if (shown.includes(dimension)) continue;
      row.remove();
      this.rows.delete(dimension);
    }
    shown.forEach((dimension, rank) => {
      if (!this.rows.has(dimension)) this._add(dimension);
      this.rows.get(dimension).row.style.transform = `translateY(${rank * ROW}px)`;
    });
    const order = shown.map((dimension) => this.rows.get(dimension).row); // that is read out
    if (order.some((row, i) => this.list.children[i] !== row)) this.list.replaceChildren(...order);
    this.list.style.height = `${shown.length * ROW}px`;
  }

  _add(dimension) {
    const bar = element("span", { className: "bar" });
    const value = element("span", { className: "value" });
    const row = element(
      "li",
      {},
      element("span", { className: "name", text: `z${dimension}` }),
      element("span", { className: "room" }, bar, value),
    );
    this.list.append(row);
    this.rows.set(dimension, { row, bar, value });
  }
}

export default renderer((root) => new Bars(root), ["train/rate_bars.css"]);
