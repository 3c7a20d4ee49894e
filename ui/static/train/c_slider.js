// The live slider of C. What is dragged stays in the page; Python hears of a value when it is released or typed.

import { comparison, optimum, place, readTyped, stepped, valueAt } from "./c_scale.js";
import { significant, terse, whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";
import { follow } from "../shared/store.js";

const PATIENCE = 5000; // milliseconds for which a value counts as set before the run has taken it
const KEY_PAUSE = 350; // milliseconds after the last key until its value is sent
const SNAP = 7; // pixels around C = 1 that mean exactly 1

class Slider {
  constructor(root) {
    this.held = null; // value under the pointer or the keys, not yet sent
    this.sent = null; // {value, time} until the run's knobs say the same
    this._build(root);
    this._listenToPointer();
    this._listenToKeys();
    this._listenToField();
    this.fit.addEventListener("click", () => this._send(this._fitted() ? this._value() : "fit"));
    this.observer = new ResizeObserver(() => {
      this.sizes = null;
      this.source?.soon();
    });
    this.observer.observe(this.slider);
  }

  _build(root) {
    const title = element("h3", { className: "er-title", text: "Reconstruction weight C" });
    this.fit = element("button", {
      className: "fit",
      type: "button",
      role: "switch",
      text: "fit",
      title: "Let training choose C: c is learned with the decoder",
    });
    this.field = element("input", {
      className: "value",
      inputmode: "text",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": "Value of C",
      "aria-describedby": "problem",
    });
    this.problem = element("p", { className: "er-note problem", id: "problem", "aria-live": "polite" });
    this.label = element("span", { className: "label" });
    this.mark = element("span", { className: "mark" });
    this.thumb = element("span", { className: "thumb" });
    this.slider = element(
      "div",
      { className: "slider", role: "slider", tabindex: "0", "aria-label": "Reconstruction weight C" },
      element("span", { className: "track" }),
      this.mark,
      this.thumb,
    );
    this.low = element("span");
    this.high = element("span");
    this.note = element("p", { className: "er-note meaning" });
    this.card = element(
      "section",
      { className: "er-card slider-card" },
      element("header", {}, title, this.fit, this.field),
      this.problem,
      element("div", { className: "above" }, this.label),
      this.slider,
      element("div", { className: "ends" }, this.low, this.high),
      this.note,
    );
    root.append(this.card);
  }

  _listenToPointer() {
    const { slider } = this;
    slider.addEventListener("pointerdown", (event) => {
      if (this._off() || event.button) return;
      slider.setPointerCapture(event.pointerId);
      slider.focus();
      this._hold(this._under(event));
    });
    slider.addEventListener("pointermove", (event) => {
      if (slider.hasPointerCapture(event.pointerId)) this._hold(this._under(event));
    });
    slider.addEventListener("pointerup", () => this._release());
    slider.addEventListener("pointercancel", () => this._hold(null));
    slider.addEventListener("mousedown", (event) => event.preventDefault()); // else text is selected, or dragged if it is
  }

  _listenToKeys() {
    const moves = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };
    this.slider.addEventListener("keydown", (event) => {
      if (this._off() || event.ctrlKey || event.metaKey || event.altKey) return;
      const { low, high } = this.data;
      let value = { Home: low, End: high }[event.key];
      if (event.key in moves) {
        value = stepped(this._value(), moves[event.key], event.key.startsWith("Page"), low, high);
      }
      if (value === undefined) return;
      event.preventDefault();
      this._hold(value);
      clearTimeout(this.keyTimer);
      this.keyTimer = setTimeout(() => this._release(), KEY_PAUSE);
    });
    this.slider.addEventListener("blur", () => this._release());
  }

  _listenToField() {
    const { field } = this;
    const take = () => {
      if (!field.dataset.typed) return;
      const { value, problem } = this._typed();
      this._complain(problem);
      if (problem) return; // it stays to be mended
      delete field.dataset.typed;
      if (value !== null) this._send(value);
      else this.source.soon();
    };
    field.addEventListener("input", () => {
      field.dataset.typed = "1";
      const { problem } = this._typed();
      field.setAttribute("aria-invalid", String(problem !== ""));
      if (!problem) this.problem.textContent = "";
    });
    field.addEventListener("focus", () => field.select());
    field.addEventListener("change", take);
    field.addEventListener("blur", take);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this._forgetTyped();
      if (event.key === "Enter" || event.key === "Escape") field.blur();
    });
  }

  _typed() {
    return readTyped(this.field.value, this.data.owns_C, this.data.fits);
  }

  _complain(problem) {
    this.problem.textContent = problem;
    this.field.setAttribute("aria-invalid", String(problem !== ""));
  }

  _forgetTyped() {
    delete this.field.dataset.typed;
    this._complain("");
  }

  _under({ clientX }) {
    const box = this.slider.getBoundingClientRect();
    const { low, high, owns_C: ownsC } = this.data;
    const at = (clientX - box.left) / box.width;
    const snaps = !ownsC && Math.abs(at - place(1, low, high)) * box.width < SNAP;
    return snaps ? 1 : valueAt(at, low, high);
  }

  _hold(value) {
    this.held = value;
    this._forgetTyped();
    this._draw();
  }

  _release() {
    clearTimeout(this.keyTimer);
    if (this.held === null) return;
    const value = this.held;
    this.held = null;
    this._send(value);
  }

  _send(value) {
    this.sent = { value, time: performance.now() };
    this._forgetTyped();
    this.component.setTriggerValue("C", value);
    clearTimeout(this.sentTimer);
    this.sentTimer = setTimeout(() => this.source?.soon(), PATIENCE + 50);
    this._draw();
  }

  /** What C is set to: a number, or "fit". */
  _setting() {
    if (this.sent && performance.now() - this.sent.time < PATIENCE) return this.sent.value;
    return this.source.store.knobs?.C ?? this.data.C ?? (this.data.fits ? "fit" : 1);
  }

  _fitted() {
    return this.held === null && this._setting() === "fit";
  }

  /** The number that the thumb stands for. */
  _value() {
    if (this.held !== null) return this.held;
    const setting = this._setting();
    const { ended, history } = this.source.store;
    if (typeof setting === "number" && !(ended && history.latest)) return setting;
    return history.latest?.C ?? this._best() ?? Math.sqrt(this.data.low * this.data.high);
  }

  _best() {
    return optimum(this.data.owns_C, this.data.pixels, this.source.store.history.squaredError);
  }

  _off() {
    return this.data.disabled || this.source.store.ended || this.source.store.error !== "";
  }

  update(data, component) {
    this.component = component;
    if (data.run !== this.data?.run) {
      this.source?.close();
      this.held = this.sent = null;
      this._forgetTyped();
      this.data = data;
      this.source = follow(data.run, () => this._draw());
    }
    this.data = data;
    this.low.textContent = terse(data.low);
    this.high.textContent = data.high >= 1 && data.high < 1e5 ? whole(data.high) : terse(data.high);
    this.fit.hidden = !data.fits;
    this.source.soon();
  }

  destroy() {
    this.source?.close();
    this.observer.disconnect();
    clearTimeout(this.keyTimer);
    clearTimeout(this.sentTimer);
  }

  _draw() {
    if (this.sent && this.source.store.knobs?.C === this.sent.value) this.sent = null;
    const { low, high } = this.data;
    const value = this._value();
    const off = this._off();
    const shown = significant(value);
    this.card.classList.toggle("off", off);
    this.card.classList.toggle("fitted", this._fitted());
    this.card.classList.toggle("held", this.held !== null);
    this.thumb.style.left = `${100 * place(value, low, high)}%`;
    if (!this.field.dataset.typed && !this.field.matches(":focus")) this.field.value = shown;
    this.field.disabled = this.fit.disabled = off;
    this.fit.setAttribute("aria-checked", String(this._fitted()));
    const aria = { valuemin: low, valuemax: high, valuenow: value, valuetext: `C = ${shown}`, disabled: off };
    for (const [name, text] of Object.entries(aria)) this.slider.setAttribute(`aria-${name}`, String(text));
    this._drawMark();
    this.note.textContent = this._meaning(value, off);
  }

  _drawMark() {
    const best = this._best();
    this.mark.hidden = this.label.hidden = best === null;
    if (best === null) return;
    const { low, high, owns_C: ownsC } = this.data;
    const at = place(best, low, high);
    this.mark.style.left = `${100 * at}%`;
    const text = ownsC ? `C = ${significant(best)}: best fit` : "C = 1: ELBO";
    this.label.textContent = text;
    if (this.sizes?.signs !== text.length) {
      // measuring lays the page out; all digits have one width
      this.sizes = { signs: text.length, wide: this.slider.clientWidth, half: this.label.offsetWidth / 2 };
    }
    const { wide, half } = this.sizes;
    this.label.style.left = `${Math.min(wide - half, Math.max(half, at * wide))}px`;
  }

  _meaning(value, off) {
    if (this.data.owns_C) {
      const noise = `C = 1/(2c): pixel noise of variance c = ${significant(1 / (2 * value))}`;
      return this._fitted() && !off
        ? `${noise}, learned with the decoder.`
        : `${noise}${comparison(value, this._best())}.`;
    }
    return `loss = C · distortion + rate, that is β = 1/C = ${significant(1 / value)}.`;
  }
}

export default renderer((root) => new Slider(root), ["train/c_slider.css"]);
