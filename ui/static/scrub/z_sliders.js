// The z that is held, dimension by dimension: the most informative ones first, as the codes of the last stop say.

import { byRate, coordinate, including, rangeOf } from "../latent/space.js";
import { element } from "../shared/mount.js";
import { slider } from "../modes/controls.js";

const FIRST = 10; // dimensions that have a slider

export class ZSliders {
  /** @param {(z: Float32Array) => void} onMove  @param {(z: Float32Array) => void} onRest */
  constructor(onMove, onRest) {
    this.on = { onMove, onRest };
    this.list = element("div", { className: "z-list" });
    this.root = element("details", { open: "" }, element("summary", { text: "Move z" }), this.list);
    this.rows = [];
  }

  /** Stand at z; `codes` say the order. */
  show(z, { support, run }, codes) {
    const told = `${z.join()} ${support} ${run} ${Boolean(codes)}`;
    if (told === this.told) return;
    this.told = told;
    this.z = z;
    const order = byRate(codes?.header.rate_per_dim ?? null, z.length).slice(0, FIRST);
    const name = `${run} ${order.join()} ${support}`;
    if (name !== this.made) this._make(name, order, support);
    for (const { dimension, control, value } of this.rows) {
      const { low, high } = including(rangeOf(), z[dimension]);
      if (support === "real") Object.assign(control.root, { min: low, max: high });
      control.set(z[dimension], coordinate(z[dimension]));
      value.textContent = coordinate(z[dimension]);
    }
  }

  _make(name, order, support) {
    this.made = name;
    const { low, high } = support === "binary" ? { low: 0, high: 1 } : rangeOf();
    const step = support === "binary" ? 1 : "any";
    this.rows = order.map((dimension) => {
      const moved = (value) => Float32Array.from(this.z, (old, i) => (i === dimension ? value : old));
      const control = slider(`z${dimension}`, {
        low,
        high,
        step,
        rest: 0,
        onInput: (value) => this.on.onMove(moved(value)),
        onRelease: (value) => this.on.onRest(moved(value)),
      });
      const value = element("output");
      const root = element(
        "div",
        { className: "z-row" },
        element("span", { text: `z${dimension}` }),
        control.root,
        value,
      );
      return { dimension, control, value, root };
    });
    const more =
      this.z.length > order.length
        ? [
            element("p", {
              className: "er-note",
              text: `The ${order.length} of ${this.z.length} dimensions with the most nats.`,
            }),
          ]
        : [];
    this.list.replaceChildren(...this.rows.map(({ root }) => root), ...more);
  }
}
