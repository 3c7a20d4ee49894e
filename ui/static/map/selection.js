// What a lasso or box holds: images, label counts, the mean image, and the indices as a file.

import { download } from "../shared/download.js";
import { whole } from "../shared/format.js";
import { element } from "../shared/mount.js";
import { paint } from "./side.js";

export const SHOWN = 60; // images on the sheet
const MEANT = 4000; // images that the mean is taken over

/** Label counts of the chosen, most frequent first: [{ label, count, share }]. */
export function countLabels(indices, labels) {
  const counts = new Map();
  for (const index of indices) counts.set(labels[index], (counts.get(labels[index]) ?? 0) + 1);
  return [...counts]
    .map(([label, count]) => ({ label, count, share: count / indices.length }))
    .sort((a, b) => b.count - a.count || a.label - b.label);
}

/** Those of the indices whose point is allowed, 1 for each; all of them where nothing is said. */
export const allowedOf = (indices, allowed) =>
  indices && allowed ? indices.filter((index) => allowed[index]) : indices;

/** About `most` of the indices, evenly spread over them. */
export function spread(indices, most) {
  const step = Math.max(1, indices.length / most);
  return Array.from({ length: Math.min(most, indices.length) }, (_, i) => indices[Math.floor(i * step)]);
}

/** What the two places on a map are called in a file: pca_1 and pca_2, dims_z3 and dims_z7. */
export function placeNames(method, axes) {
  const named = ["plane", "line", "dims"].includes(method) ? axes.map((axis) => axis.split(" ")[0]) : ["1", "2"];
  return named.map((name) => `${method}_${name}`);
}

/**
 * The chosen as a file: { name, type, text }. Rows have index, row and row_of (the user's own file, where known), label, rate and distortion (nats), the code z0, z1, ...
 * and the place on the map, `placed` = { xy, method, names }, under its two names.
 */
export function exportFile(kind, run, indices, codes, { xy, method, names }) {
  const { labels, header, rate, distortion, loc, rows: own, files } = codes;
  const number = (value) => Number(value.toPrecision(6));
  const code = (i) =>
    Object.fromEntries(Array.from({ length: header.k }, (_, d) => [`z${d}`, number(loc[i * header.k + d])]));
  const rows = Array.from(indices, (i) => ({
    index: i,
    ...(own ? { row: own[i], row_of: header.rows_of } : {}),
    ...(files ? { file: files[i] } : {}),
    ...(labels ? { label: header.classes?.[labels[i]] ?? labels[i] } : {}),
    rate: number(rate[i]),
    distortion: number(distortion[i]),
    ...code(i),
    [names[0]]: number(xy[2 * i]),
    [names[1]]: number(xy[2 * i + 1]),
  }));
  const name = `${run}-${method}-${rows.length}-images.${kind}`;
  if (kind === "json") {
    const about = {
      run,
      source: header.source,
      ...(own ? { rows_of: header.rows_of } : {}),
      map: { method, places: names },
    };
    return {
      name,
      type: "application/json",
      text: JSON.stringify({ ...about, indices: Array.from(indices), images: rows }, null, 1),
    };
  }
  const cell = (value) => (typeof value === "string" ? `"${literal(value).replaceAll('"', '""')}"` : value);
  const lines = [
    ["run", ...Object.keys(rows[0] ?? { index: 0 })],
    ...rows.map((row) => [run, ...Object.values(row)].map(cell)),
  ];
  return { name, type: "text/csv", text: `${lines.map((line) => line.join(",")).join("\n")}\n` };
}

/** As `literal` in vae/files.py: no spreadsheet takes it for a formula. @param {string} value */
const literal = (value) => (/^[ \n]*[=+\-@\t\r＝＋－＠]/.test(value) ? `'${value}` : value);

/** @import { Codes } from "../shared/codes.js" */
/** @import { Describe, Placed } from "./types.js" */

export class Selection {
  /** @type {string} */ run;
  /** @type {Codes} */ codes;
  /** @type {Describe} */ describe;
  /** @type {Placed} where the points are */ placed;
  /** @type {Uint32Array} */ indices = new Uint32Array(0);

  /** @param {{ clear: () => void, choose: (index: number) => void }} on */
  constructor(on) {
    this.on = on;
    this.title = element("h3", { className: "er-title", text: "Selection" });
    this.hint = element("p", {
      className: "er-note",
      text: "Draw a lasso or a box on the map, or hold Shift and drag: its images, label counts and mean appear here.",
    });
    this.mean = element("canvas", {
      className: "mean",
      role: "img",
      width: 1,
      height: 1,
      "aria-label": "Mean image of the selection",
    });
    this.meanNote = element("figcaption", { text: "mean image" });
    this.counts = element("ul", { className: "counts" });
    this.sheet = element("div", { className: "images" });
    const button = (text, act, label = text) => {
      const made = element("button", { className: "button", type: "button", text, "aria-label": label });
      made.addEventListener("click", act);
      return made;
    };
    this.tools = element(
      "div",
      { className: "row" },
      button("CSV", () => this._save("csv"), "Download the selection as CSV"),
      button("JSON", () => this._save("json"), "Download the selection as JSON"),
      button("Clear", () => this.on.clear(), "Clear the selection"),
    );
    this.only = element("p", { className: "er-note only", hidden: "" });
    this.body = element(
      "div",
      { className: "chosen", hidden: "" },
      element("div", { className: "pair" }, element("figure", {}, this.mean, this.meanNote), this.counts),
      this.sheet,
      this.tools,
    );
    this.box = element(
      "section",
      { className: "selection", "aria-live": "polite" },
      this.title,
      this.only,
      this.hint,
      this.body,
    );
  }

  start(run, codes, describe) {
    this.run = run;
    this.renew(codes, describe);
    this.clear();
  }

  /** Newer codes of the same images. */
  renew(codes, describe) {
    this.codes = codes;
    this.describe = describe;
  }

  clear() {
    this.indices = new Uint32Array(0);
    this.hint.hidden = false;
    this.body.hidden = this.only.hidden = true;
    this.title.textContent = "Selection";
  }

  /** Show these indices; `colourOf(name)` of a label as on the map; `only`: which of those inside they are, a sentence. */
  show(indices, colourOf, only = "") {
    this.indices = indices;
    this.only.textContent = only;
    this.only.hidden = !only;
    this.title.textContent = `Selection: ${whole(indices.length)} ${indices.length === 1 ? "image" : "images"}`;
    this.hint.hidden = indices.length > 0;
    this.body.hidden = indices.length === 0;
    if (!indices.length) return;
    this._count(colourOf);
    this._fill();
    this._average();
  }

  _count(colourOf) {
    const { labels, header } = this.codes;
    this.counts.hidden = !labels;
    if (!labels) return;
    this.counts.replaceChildren(
      ...countLabels(this.indices, labels)
        .slice(0, 12)
        .map(({ label, count, share }) => {
          const bar = element("span", { className: "bar" });
          bar.style.width = `${Math.max(1, 100 * share)}%`;
          bar.style.background = colourOf(header.classes?.[label] ?? String(label));
          return element(
            "li",
            {},
            element("span", { className: "name", text: header.classes?.[label] ?? String(label) }),
            element("span", { className: "room" }, bar),
            element("span", {
              className: "value",
              text: `${whole(count)} · ${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`,
            }),
          );
        }),
    );
  }

  _fill() {
    const some = spread(this.indices, SHOWN);
    this.sheet.replaceChildren(
      ...some.map((index) => {
        const canvas = element("canvas", { width: 1, height: 1, "aria-hidden": "true" });
        const tile = element(
          "button",
          { type: "button", className: "tile", title: this.describe(index), "aria-label": this.describe(index) },
          canvas,
        );
        tile.addEventListener("click", () => this.on.choose(index));
        this.codes
          .image(index)
          .then((bytes) => paint(canvas, bytes, this.codes.header))
          .catch(() => {});
        return tile;
      }),
    );
    this.sheet.dataset.more =
      this.indices.length > some.length ? `${some.length} of ${whole(this.indices.length)} shown` : "";
  }

  async _average() {
    const { indices, codes } = this;
    const some = spread(indices, MEANT);
    const sum = new Float64Array(codes.size);
    try {
      for (const index of some) {
        const bytes = await codes.image(index);
        for (let p = 0; p < sum.length; p++) sum[p] += bytes[p];
      }
    } catch {
      return;
    }
    if (indices !== this.indices) return;
    paint(
      this.mean,
      Uint8Array.from(sum, (value) => Math.round(value / some.length)),
      codes.header,
    );
    this.meanNote.textContent = some.length < indices.length ? `mean of ${whole(some.length)} of them` : "mean image";
  }

  _save(kind) {
    const { name, type, text } = exportFile(kind, this.run, this.indices, this.codes, this.placed);
    download(new Blob([text], { type }), name);
  }
}
