// Pictures in rows and columns, each a button: one tab stop for all of them, arrows move between them.

import { activeIn, element } from "../shared/mount.js";

const GAP = 3; // pixels between pictures
const MOVES = {
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

/**
 * @typedef {object} GridRow
 * @property {number} count  of pictures
 * @property {string} [head]  "" for none
 * @property {string} [note]  beneath it
 * @property {boolean} [faint]
 */

/** Size of a picture on a width of `wide`: whole screen pixels for each of the image's, unless much room is lost. */
export function cellSize(wide, columns, side, ratio = 1, largest = 84) {
  const room = Math.max(8, Math.min(largest, Math.floor((wide - (columns - 1) * GAP) / columns)));
  const scale = (room * ratio) / side;
  const whole = Math.floor(scale);
  return whole >= 0.8 * scale ? (whole * side) / ratio : room;
}

/**
 * The place to which a key moves, inside a grid of rows of the given lengths.
 *
 * @param {[row: number, column: number]} from
 * @param {string} key
 * @param {number[]} lengths
 * @returns {[row: number, column: number]}
 */
export function moved([row, column], key, lengths) {
  const [down, right] = MOVES[key];
  const to = Math.max(0, Math.min(lengths.length - 1, row + down));
  return [to, Math.max(0, Math.min(lengths[to] - 1, column + right))];
}

/** The canvas of a picture. */
const canvasOf = (cell) => /** @type {HTMLCanvasElement} */ (cell.firstChild);

export class Grid {
  /** @type {GridRow[]} */
  rows;
  /** @type {string[] | null} headings */
  columns;
  /** @type {{ height: number, width: number }} */
  image;
  /** @type {number} pixels of a picture's side */
  largest;
  /** @type {number} pictures in the longest row */
  wide = 1;
  /** @type {HTMLSpanElement[]} of the headings */
  heads = [];
  /** @type {HTMLSpanElement[]} of the rows' heads */
  sides = [];
  /** @type {HTMLButtonElement[][]} the pictures, row by row */
  cells = [];
  /** @type {[row: number, column: number]} the picture that the tab key reaches */
  at = [0, 0];

  /** `onPick(row, column)` on click, Enter or space. */
  constructor({ label, onPick }) {
    this.root = element("div", { className: "pictures", role: "grid", "aria-label": label });
    this.onPick = onPick;
    this.form = "";
    this.root.addEventListener("click", (event) => this._click(event));
    this.root.addEventListener("keydown", (event) => this._key(event));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
  }

  /**
   * Make room for the pictures. `describe(row, column)`: what one shows, in words.
   *
   * @param {{ rows: GridRow[], columns?: string[] | null, image: { height: number, width: number },
   *   describe: (row: number, column: number) => string, largest?: number }} plan
   */
  layout({ rows, columns = null, image, describe, largest = 84 }) {
    const form = JSON.stringify([
      rows.map(({ count, head }) => [count, Boolean(head)]),
      columns?.length,
      image.height,
      image.width,
    ]);
    this.rows = rows;
    this.columns = columns;
    this.image = image;
    this.largest = largest;
    if (form !== this.form) this._build();
    this.form = form;
    columns?.forEach((text, i) => (this.heads[i].textContent = text));
    rows.forEach((row, i) => {
      if (row.head) {
        this.sides[i].replaceChildren(element("b", { text: row.head }), element("span", { text: row.note ?? "" }));
        this.sides[i].classList.toggle("faint", Boolean(row.faint));
      }
      this.cells[i].forEach((cell, j) => cell.setAttribute("aria-label", describe(i, j)));
    });
    this.resize();
  }

  _build() {
    const { rows, columns, image } = this;
    const focused = this.root.contains(activeIn(this.root));
    const headed = rows.some((row) => row.head);
    this.wide = Math.max(...rows.map((row) => row.count), 1);
    this.heads = columns?.map(() => element("span", { className: "head", role: "columnheader" })) ?? [];
    this.sides = rows.map(() => element("span", { className: "side", role: "rowheader" }));
    this.cells = rows.map(({ count }, i) =>
      Array.from({ length: count }, (_, j) => {
        const canvas = element("canvas", { width: image.width, height: image.height, "aria-hidden": "true" });
        const cell = element(
          "button",
          { type: "button", role: "gridcell", className: "picture", tabindex: "-1" },
          canvas,
        );
        Object.assign(cell.dataset, { row: i, column: j });
        return cell;
      }),
    );
    const line = (...children) => element("div", { role: "row", className: "line" }, ...children);
    const fill = (count) => Array.from({ length: this.wide - count }, () => element("span", { "aria-hidden": "true" }));
    this.root.replaceChildren(
      ...(columns
        ? [line(...(headed ? [element("span", { className: "corner", role: "presentation" })] : []), ...this.heads)]
        : []),
      ...this.cells.map((cells, i) => line(...(headed ? [this.sides[i]] : []), ...cells, ...fill(cells.length))),
    );
    this.root.classList.toggle("headed", headed);
    this.at = moved(
      this.at,
      "Home",
      rows.map((row) => row.count || 1),
    );
    this._roam(this.at, focused);
  }

  /** Give the pictures the size that the width allows. */
  resize() {
    if (!this.image || !this.root.clientWidth) return;
    const side = this.root.classList.contains("headed") ? this.sides[0].offsetWidth + 8 : 0;
    const { width, height } = this.image;
    const size = cellSize(
      this.root.clientWidth - side,
      this.wide,
      Math.max(width, height),
      devicePixelRatio || 1,
      this.largest,
    );
    this.root.style.setProperty("--columns", String(this.wide));
    this.root.style.setProperty("--cell", `${(size * width) / Math.max(width, height)}px`);
    this.root.classList.toggle("smooth", size * (devicePixelRatio || 1) < Math.max(width, height));
  }

  /** All canvases, row after row. */
  get canvases() {
    return this.cells.flat().map(canvasOf);
  }

  /** Mark pictures: `kind(row, column)` gives a class such as "present", or "". */
  mark(kind) {
    this.cells.forEach((row, i) =>
      row.forEach((cell, j) => {
        const name = kind(i, j);
        cell.className = name ? `picture ${name}` : "picture";
        cell.setAttribute("aria-selected", String(Boolean(name)));
      }),
    );
  }

  _click(event) {
    const cell = event.target.closest(".picture");
    if (!cell) return;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    this._roam([row, column], true);
    this.onPick(row, column);
  }

  _key(event) {
    if (!(event.key in MOVES) || event.ctrlKey || event.metaKey || event.altKey || !this.cells.length) return;
    event.preventDefault();
    this._roam(
      moved(
        this.at,
        event.key,
        this.cells.map((row) => row.length),
      ),
      true,
    );
  }

  /** The one picture that the tab key reaches. */
  _roam([row, column], focus) {
    const [i, j] = this.at;
    this.cells[i]?.[j]?.setAttribute("tabindex", "-1");
    this.at = [row, column];
    const cell = this.cells[row]?.[column];
    cell?.setAttribute("tabindex", "0");
    if (focus) cell?.focus();
  }

  destroy() {
    this.observer.disconnect();
  }
}
