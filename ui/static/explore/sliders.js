// The sliders, one per latent dimension, all of them moved by pointer and keys.

import { element } from "../shared/mount.js";
import { Dimensions } from "../latent/dimensions.js";
import { coordinate, endsOf, including, place, rangeOf, stepped, valueAt } from "../latent/space.js";

const GRAB = 13; // pixels around the thumb in which it is taken without a jump
const MOVES = { ArrowRight: 1, ArrowUp: 1, PageUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: -1 };

export class Sliders extends Dimensions {
  constructor(on) {
    super(on, "sliders");
    this.ends = element("div");
    this.scale = element("div", { className: "scale", "aria-hidden": "true" }, this.ends);
    this.box.prepend(this.scale);
  }

  start(k, rates, z, factorises) {
    this.ranges = Array.from({ length: k }, () => rangeOf());
    super.start(k, rates, z, factorises);
    this.widen(z);
  }

  /** Other ranges, one per dimension. */
  range(ranges, z) {
    this.ranges = ranges;
    this.widen(z);
    this.show(z);
  }

  /** After a jump: every value lies on its slider. */
  widen(z) {
    this.ranges = this.ranges.map((range, i) => including(range, z[i]));
    this._ends();
    this.redraw();
  }

  /** Print the ends of all sliders once where they are the same, else at each. */
  _ends() {
    const [first] = this.ranges;
    const same = this.ranges.every(({ low, high }) => low === first.low && high === first.high);
    this.scale.hidden = !same;
    this.list.classList.toggle("own", !same);
    if (same) this.ends.replaceChildren(...endsOf(first).map((text) => element("span", { text })));
  }

  add(dimension) {
    const parts = Object.fromEntries(
      ["track", "fill", "band", "thumb"].map((name) => [name, element("span", { className: name })]),
    );
    const ends = ["low", "high"].map((end) => element("span", { className: `end ${end}`, "aria-hidden": "true" }));
    const control = element(
      "div",
      { className: "slider", role: "slider", tabindex: "0" },
      parts.track,
      parts.band,
      parts.fill,
      ...ends,
      parts.thumb,
    );
    const valueText = element("output", { className: "value" });
    const rateText = element("span", { className: "rate" });
    const item = element(
      "li",
      {},
      element("span", { className: "name", text: `z${dimension}` }),
      control,
      valueText,
      rateText,
    );
    return { item, control, ...parts, ends, valueText, rateText };
  }

  listen(row, dimension) {
    this._listenToPointer(row, dimension);
    this._listenToKeys(row, dimension);
  }

  _listenToPointer(row, dimension) {
    const { control } = row;
    control.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      control.setPointerCapture(event.pointerId);
      control.focus({ preventScroll: true });
      const box = control.getBoundingClientRect();
      const thumb = box.left + place(this.on.value(dimension), this.ranges[dimension]) * box.width;
      const offset = Math.abs(event.clientX - thumb) < GRAB ? event.clientX - thumb : 0;
      row.grip = { offset, left: box.left, width: box.width, moved: false };
      this.on.touch(dimension);
      if (!offset && Math.abs(event.clientX - thumb) >= GRAB) this._pull(row, dimension, event);
    });
    control.addEventListener("pointermove", (event) => row.grip && this._pull(row, dimension, event));
    const end = () => {
      if (!row.grip) return;
      const { moved } = row.grip;
      row.grip = null;
      if (moved) this.on.release();
    };
    control.addEventListener("pointerup", end);
    control.addEventListener("pointercancel", end);
    control.addEventListener("mousedown", (event) => event.preventDefault()); // else text is selected, and dragged next
    control.addEventListener("dblclick", () => this.on.reset(dimension));
  }

  _pull(row, dimension, { clientX }) {
    const { offset, left, width } = row.grip;
    row.grip.moved = true;
    this.on.move(dimension, valueAt((clientX - offset - left) / width, this.ranges[dimension]));
  }

  _listenToKeys(row, dimension) {
    row.control.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const range = this.ranges[dimension];
      let value = { Home: range.low, End: range.high }[event.key];
      if (event.key in MOVES) {
        value = stepped(
          this.on.value(dimension),
          MOVES[event.key],
          event.shiftKey || event.key.startsWith("Page"),
          range,
        );
      }
      if (value !== undefined) this.on.move(dimension, value, "key");
      else if (event.key === "Backspace" || event.key === "Delete") this.on.reset(dimension);
      else if (event.key === " ") this.on.play?.(dimension);
      else return;
      event.preventDefault();
    });
    row.control.addEventListener("focus", () => this.on.touch(dimension));
  }

  draw(row, dimension, value) {
    const range = this.ranges[dimension];
    const at = 100 * place(value, range);
    const origin = 100 * place(range.loc, range);
    row.thumb.style.left = `${at}%`;
    row.fill.style.left = `${Math.min(at, origin)}%`;
    row.fill.style.width = `${Math.abs(at - origin)}%`;
    row.valueText.textContent = coordinate(value);
    row.control.setAttribute("aria-valuenow", value.toFixed(3));
    row.control.setAttribute("aria-valuetext", coordinate(value));
    if (row.range === range && row.posterior === this.posterior) return;
    Object.assign(row, { range, posterior: this.posterior });
    row.control.setAttribute("aria-valuemin", range.low.toFixed(3));
    row.control.setAttribute("aria-valuemax", range.high.toFixed(3));
    endsOf(range).forEach((text, i) => (row.ends[i].textContent = text));
    this._band(row, dimension, range);
  }

  /** Mean ± 2 standard deviations of the marked posterior. */
  _band({ band }, dimension, range) {
    const { loc, scale } = this.posterior ?? {};
    band.hidden = !scale;
    if (!loc || !scale) return;
    const [middle, reach] = [loc[dimension], 2 * scale[dimension]];
    const [low, high] = [middle - reach, middle + reach].map((end) => 100 * place(end, range));
    band.style.left = `${low}%`;
    band.style.width = `${Math.max(0.8, high - low)}%`;
  }
}
