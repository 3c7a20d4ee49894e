// Four curves of a run, each on its own axis: the squared error in pixel² per image, which falls when C rises whatever
// the constant does; distortion, rate and their sum, −ELBO, in nats per image.

import { gaussianParts } from "./c_scale.js";
import { saveCurves } from "./curves_save.js";
import { addends, nats, significant, terse, whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { colours, typeScale } from "../shared/palette.js";
import { InView } from "../shared/redraws.js";
import { GUTTER, Panel } from "./panel.js";
import { Columns, frameEnd, nearest, readableRange, robustRange } from "../shared/scale.js";
import { follow } from "../shared/store.js";

const QUANTITIES = [
  {
    name: "error",
    title: "Squared error",
    formula: "‖x − f(z)‖² per image",
    floor: 0,
    colour: "distortion",
    unit: "px²",
  },
  { name: "distortion", title: "Distortion", formula: "−E log p(x|z)" },
  { name: "rate", title: "Rate", formula: "KL(q‖p)", floor: 0 },
  { name: "sum", title: "−ELBO", formula: "= distortion + rate", colour: "elbo" },
];
const SUMMARY_EVERY = 4000; // milliseconds between two texts for those who listen to the page

/** What stands beside a dotted line: "C 1 → 2", "learning rate × 0.5", "trains decoder". */
export function markerLabel({ knob, value, before }) {
  const number = (v) => (typeof v === "number" ? terse(v) : v);
  if (knob === "C") return before === null ? `C ${number(value)}` : `C ${number(before)} → ${number(value)}`;
  if (knob === "lr_factor") return `learning rate × ${terse(value)}`;
  return knob === "part" ? `trains ${value}` : knob;
}

/** Markers of one step as one: the first value before, the last value after. */
export function mergeMarkers(markers, distance) {
  const merged = [];
  for (const marker of markers) {
    const last = merged.at(-1);
    if (last && last.knob === marker.knob && marker.step - last.step < distance) last.value = marker.value;
    else merged.push({ ...marker });
  }
  return merged;
}

/** The chart as a sentence. */
export function summary(run, history) {
  const { latest, latestTest, testCurrent } = history;
  if (!latest) return `Training curves of ${run}: no record yet.`;
  const { distortion, rate, elbo, squared_error: error } = latest.train;
  const squared = Number.isFinite(error) ? `squared error ${nats(error)} pixel², ` : "";
  const held = testCurrent ? ` Held-out −ELBO ${nats(-latestTest.elbo)}.` : "";
  return (
    `Training curves of ${run} at step ${whole(latest.step)}: ${squared}distortion ${nats(distortion)} nats, ` +
    `rate ${nats(rate)} nats, −ELBO ${nats(-elbo)} nats.${held} C ${significant(latest.C)}.`
  );
}

/** What the lines are, with the numbers of held-out images as the records tell them. */
export function legend({ testImages }) {
  const [few, all] = [testImages[0], testImages.at(-1)];
  const images =
    all > few ? ` (first ${whole(few)} images, all ${whole(all)} at the end)` : few ? ` (${whole(few)} images)` : "";
  return (
    `Solid: training, averaged since the previous point. Dashed: held-out${images}. ` +
    "Dotted: a change of C, of the learning rate or of what trains."
  );
}

/** What C is, and the nats, with this likelihood. */
export function meaning({ likelihood, owns_C: ownsC }) {
  if (!likelihood)
    return "Which likelihood it has is not told: C weights the distortion, and these nats are not a likelihood's.";
  const name = `${likelihood[0].toUpperCase()}${likelihood.slice(1)}`;
  return ownsC
    ? `${name} likelihood: C = 1/(2c) is part of the model, and the distortion may be negative.`
    : `${name} likelihood: C weights the distortion; C = 1 is the ELBO.`;
}

/** The held-out number of a heading and what explains it where it is missing. */
export function heldOut({ latest, latestTest, testCurrent }, value, ended) {
  if (!latest) return { text: "", title: "" };
  if (testCurrent) return { text: `held-out ${nats(value(latestTest))}`, title: "" };
  if (ended) return { text: "held-out –", title: "Not measured since the last change of C." };
  return { text: "held-out …", title: "With this C it comes with the next evaluation." };
}

class Charts {
  constructor(root) {
    this.root = root;
    this.hover = null; // index of the record under the pointer
    this.all = false; // whether the axes hold all of the past
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.panels = QUANTITIES.map((quantity, i) => this._panel(quantity, i === QUANTITIES.length - 1));
    this.note = element("p", { className: "er-note note" });
    this.words = element("p", { className: "words", role: "img" });
    this.tools = this._tools();
    root.append(
      element(
        "section",
        { className: "charts", tabindex: "0", "aria-label": "Training curves" },
        this.tools,
        ...this.panels.map((panel) => panel.figure),
        this.note,
        this.words,
      ),
    );
    this.section = root.firstElementChild;
    this.observer = new ResizeObserver(() => {
      this._measure();
      this.source?.soon();
    });
    for (const { canvas } of this.panels) this.observer.observe(canvas);
    this._measure();
    const canvases = this.panels.map(({ canvas }) => canvas);
    this.inView = new InView(canvases, () => this.source?.soon());
    this._listen();
  }

  /** Which part of the history the axes show, and the curves as files. */
  _tools() {
    this.past = element("button", {
      type: "button",
      className: "past",
      "aria-pressed": "false",
      text: "Show the past whole",
    });
    this.past.title =
      "The axes follow what happened since C was turned last; this brings earlier values back onto them.";
    this.past.hidden = true;
    this.past.addEventListener("click", () => {
      this.all = !this.all;
      this.past.setAttribute("aria-pressed", String(this.all));
      this.source?.soon();
    });
    const save = ["PNG", "SVG", "CSV"].map((kind) => {
      const made = element("button", { type: "button", text: kind, "aria-label": `Save the curves as ${kind}` });
      made.addEventListener("click", () => this._save(kind));
      return made;
    });
    return element(
      "div",
      { className: "tools" },
      this.past,
      element("span", { className: "er-note", text: "Save curves:" }),
      ...save,
    );
  }

  _save(kind) {
    const { history } = this.source.store;
    if (!history.latest) return;
    const panels = this._shown().map(({ panel, heading, now, held }) => ({
      panel,
      title: [heading.name, heading.formula, now, held]
        .map(({ textContent }) => textContent)
        .filter(Boolean)
        .join("  "),
    }));
    const likelihood = this.data.likelihood || "untold";
    const title = `${this.data.run}: ${likelihood} likelihood, C = ${significant(history.latest.C)} at step ${whole(history.latest.step)}`;
    saveCurves(kind, {
      run: this.data.run,
      title,
      history,
      panels,
      palette: this.palette,
      note: this.note.textContent,
    });
  }

  _panel(quantity, axis) {
    const now = element("span", { className: "now" });
    const held = element("span", { className: "held" });
    const parts = element("p", { className: "parts" });
    const canvas = element("canvas", { className: axis ? "axis" : "", "aria-hidden": "true" });
    const name = element("span", { className: "name", text: quantity.title });
    const formula = element("span", { className: "formula", text: quantity.formula });
    const head = element("figcaption", { className: "head" }, name, formula, now, held);
    const figure = element("figure", { className: `panel ${quantity.name}` }, head, parts, canvas);
    parts.hidden = true;
    return {
      ...quantity,
      axis,
      heading: { name, formula },
      now,
      held,
      parts,
      figure,
      panel: new Panel(canvas),
      columns: [new Columns(2), new Columns(2)], // of training and of held-out records
      canvas,
    };
  }

  _measure() {
    for (const { panel } of this.panels) panel.measure();
    this.wide = Math.max(50, this.section.clientWidth / typeScale() - GUTTER - 10);
  }

  _listen() {
    const move = ({ clientX, currentTarget }) => {
      const [box, type] = [currentTarget.getBoundingClientRect(), typeScale()];
      const share = ((clientX - box.left) / type - GUTTER) / (box.width / type - GUTTER - 10);
      const { step } = this.source.store.history.train;
      this._point(share < -0.02 || share > 1.03 ? null : nearest(step.values, step.length, share * this.end));
    };
    for (const { canvas } of this.panels) {
      canvas.addEventListener("pointermove", move);
      canvas.addEventListener("pointerleave", () => this._point(null));
    }
    this.section.addEventListener("blur", () => this._point(null));
    this.section.addEventListener("keydown", (event) => {
      const n = this.source.store.history.train.length;
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === "Escape") this._point(null);
      if (!by || !n) return;
      event.preventDefault();
      const stride = Math.max(1, Math.round((event.shiftKey ? 0.1 : 0.005) * n));
      this._point(Math.min(n - 1, Math.max(0, (this.hover ?? n - 1) + by * stride)));
    });
  }

  _point(index) {
    this.hover = index === -1 ? null : index;
    this.source?.soon();
  }

  update(data) {
    if (data.run !== this.data?.run) {
      this.source?.close();
      this.hover = null;
      this.fresh = true;
      this.source = follow(data.run, () => this._draw());
    }
    this.data = data;
    this.palette = colours(this.root);
    this._nameSum();
    this.source.soon();
  }

  destroy() {
    this.source?.close();
    this.observer.disconnect();
    this.inView.close();
    clearTimeout(this.timer);
  }

  _shown() {
    return this.panels.filter(({ figure }) => !figure.hidden);
  }

  /** The first panel is there where its numbers are; the last shows what is minimised. */
  _nameSum() {
    this.panels[0].figure.hidden = this.data.error === false;
    const last = this.panels.at(-1);
    const bound = this.data.objective === "iwae";
    last.name = bound ? "loss" : "sum";
    last.heading.name.textContent = bound ? "−Bound" : "−ELBO";
    last.heading.formula.textContent = bound ? `K = ${whole(this.data.samples)} samples` : "= distortion + rate";
    last.parts.hidden = !bound;
  }

  _explain(history) {
    const text = `${legend(history)} ${meaning(this.data)}`;
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  _draw() {
    const { store } = this.source;
    const { history } = store;
    const { train } = history;
    if (this.version !== history.version && !train.length) this.hover = null;
    const jump = this.fresh || this.version === undefined || this.still.matches || train.length < 3;
    this.fresh = train.length < 3;
    this.version = history.version;
    this.end = frameEnd(train.step.last() || 0, store.status?.total_steps ?? 0, store.ended);
    this._headings(store);
    this._explain(history);
    const moving = this._drawPanels(store, jump, devicePixelRatio || 1);
    if (moving) this.source.later();
    this._summarise();
  }

  /** All panels; true while an axis still glides. */
  _drawPanels(store, jump, ratio) {
    const { history } = store;
    const { train, test } = history;
    const { wide } = this;
    const now = performance.now();
    const markers = mergeMarkers(history.markers, (3 * this.end) / wide).map((m) => ({
      step: m.step,
      label: markerLabel(m),
    }));
    const turned = history.lastTurn === null ? null : (history.lastTurn * wide) / (this.end || 1);
    let [moving, flattened] = [false, false];
    for (const entry of this.panels) {
      const seen = store.ended || this.inView.has(entry.canvas);
      if (seen && !entry.panel.resize(ratio)) continue;
      const series = (of) => ({ xs: of.step.values, ys: of[entry.name].values, n: of.length });
      const [a, b] = [series(train), series(test)];
      const shown = [a, b].flatMap(({ xs, ys, n }, i) => entry.columns[i].of(xs, ys, n, this.end, wide));
      const latest = [train[entry.name].last(), history.testCurrent ? test[entry.name].last() : NaN];
      const all = readableRange(shown, null, latest, entry.floor);
      const recent = readableRange(shown, turned, latest, entry.floor);
      flattened ||= recent.low !== all.low || recent.high !== all.high;
      const range = { ...(this.all ? robustRange(shown, latest, entry.floor, false) : recent) };
      if (markers.length) range.high += 0.3 * (range.high - range.low); // room for their labels
      moving = entry.panel.glide(range, jump || !seen, now) || moving;
      entry.panel.show(seen, {
        colour: this.palette[entry.colour ?? entry.name],
        palette: this.palette,
        axis: entry.axis,
        end: this.end,
        train: a,
        test: b,
        markers,
        hover: this._hovered(entry.name, history),
      });
    }
    this.past.hidden = !flattened;
    return moving;
  }

  _hovered(name, { train, test }) {
    if (this.hover === null || this.hover >= train.length) return null;
    const step = train.step.values[this.hover];
    const near = nearest(test.step.values, test.length, step);
    const close = near >= 0 && Math.abs(test.step.values[near] - step) <= this.end / 100;
    return { step, train: train[name].values[this.hover], test: close ? test[name].values[near] : NaN };
  }

  _headings(store) {
    const { latest } = store.history;
    const value = {
      error: (m) => m.squared_error,
      distortion: (m) => m.distortion,
      rate: (m) => m.rate,
      sum: (m) => -m.elbo,
      loss: (m) => m.loss,
    };
    for (const { name, now, held, unit = "nats" } of this.panels) {
      now.textContent = latest ? `${nats(value[name](latest.train))} ${unit}` : "–";
      const { text, title } = heldOut(store.history, value[name], store.ended);
      held.textContent = text;
      held.title = title;
    }
    this._distortionParts(latest);
    const last = this.panels.at(-1);
    if (!last.parts.hidden) {
      const { text } = heldOut(store.history, value.sum, store.ended);
      last.parts.textContent =
        `The bound with K = ${whole(this.data.samples)} samples is what is minimised.` +
        (latest ? ` −ELBO ${nats(-latest.train.elbo)}, ${text}.` : "");
    }
    this.section.classList.toggle("empty", !latest);
    this.section.dataset.empty =
      store.error || (store.ended ? "This run has no records." : "Waiting for the first record …");
  }

  _distortionParts(latest) {
    const { parts } = this.panels.find(({ name }) => name === "distortion");
    parts.hidden = !this.data.owns_C;
    if (parts.hidden) return;
    if (!latest) {
      parts.textContent = "C·‖x − f(z)‖² + (D/2)·log(2πc)";
      return;
    }
    const { squared, constant } = gaussianParts(latest.C, latest.train, this.data.pixels);
    const [error, log] = addends(squared + constant, squared);
    parts.textContent = `C·‖x − f(z)‖² ${error}   +   (D/2)·log(2πc) ${log}   at\u00a0C\u00a0=\u00a0${significant(latest.C)}`;
  }

  /** Keep the text for screen readers up to date, but not at every record. */
  _summarise() {
    this.timer ??= setTimeout(
      () => {
        this.timer = null;
        this.words.setAttribute("aria-label", summary(this.data.run, this.source.store.history));
      },
      this.words.hasAttribute("aria-label") ? SUMMARY_EVERY : 0,
    );
  }
}

export default renderer((root) => new Charts(root), ["train/charts.css"]);
