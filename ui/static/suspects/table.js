// The table of suspects: a page of rows, each an image with its reconstruction and residual, numbers, a mark and a
// note. What is listed and in which order Python decides; here are the buttons and keys.

import { whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";

/** @import { Row, TableData } from "./types.js" */

const HEADS = {
  row: "Image",
  disagreement: "Neighbours",
  elbo: "−ELBO",
  distortion: "Distortion",
  rate: "Rate",
  log_px: "log p(x)",
  copies: "Copies, remarks",
};
const PICTURES = ["image", "reconstruction", "residual: orange where the image is brighter, blue where it is darker"];

/** The sentence over the table. */
export function caption({ found, all, first, rows }) {
  if (!found) return "No image is like this.";
  const shown = rows.length < found ? `${whole(first)}–${whole(first + rows.length - 1)} of ` : "";
  const among = found < all ? `, among ${whole(all)}` : "";
  return `${shown}${whole(found)} ${found === 1 ? "image" : "images"}${among}. Numbers in nats.`;
}

/** What a key asks for on the table: a move, a mark, a note, another page; null: it is none of ours. */
export function keyAction(key, index, count, { page, pages }) {
  if (key === "ArrowDown") return { focus: Math.min(count - 1, index + 1) };
  if (key === "ArrowUp") return { focus: Math.max(0, index - 1) };
  if (key === "Home") return { focus: 0 };
  if (key === "End") return { focus: count - 1 };
  if (key === "m" || key === " ") return { mark: index };
  if (key === "n") return { note: index };
  if (key === "PageDown") return page < pages ? { page: page + 1 } : {};
  if (key === "PageUp") return page > 1 ? { page: page - 1 } : {};
  return null;
}

class Table {
  /** @type {TableData} */ data;
  /** @type {import("../shared/types.js").Component<TableData>} */ component;
  at = 0; // the row that the keys are on

  /** @param {HTMLElement} root */
  constructor(root) {
    this.caption = element("p", { className: "er-note count", "aria-live": "polite" });
    this.head = element("tr", { role: "row" });
    this.body = element("tbody", { role: "rowgroup" });
    this.table = element(
      "table",
      { role: "table", "aria-label": "Suspect images" },
      element("thead", { role: "rowgroup" }, this.head),
      this.body,
    );
    this.pager = element("div", { className: "pager", role: "group", "aria-label": "Pages" });
    this.keys = element("p", { className: "er-note keys" });
    this.box = element("div", { className: "suspects" }, this.caption, this.table, this.pager, this.keys);
    this.body.addEventListener("keydown", (event) => this._key(event));
    this.body.addEventListener("focusin", (event) => this._focused(/** @type {HTMLElement} */ (event.target)));
    root.append(this.box);
  }

  /** @param {TableData} data */
  update(data, component) {
    this.component = component;
    const same =
      this.data && ["run", "part", "page", "sort", "ascending", "found"].every((n) => this.data[n] === data[n]);
    const focused = this.body.contains(/** @type {ShadowRoot} */ (this.box.getRootNode()).activeElement);
    const typing = focused && this._typing();
    this.data = data;
    if (!same) this.at = 0;
    if (typing && same) return; // the answer to an earlier key; what is typed stays
    this.caption.textContent = caption(data);
    this._heads();
    this.body.replaceChildren(...data.rows.map((row, index) => this._row(row, index)));
    this._pages();
    const marks = data.markable ? ", m or space marks, n writes a note" : "";
    this.keys.textContent = `Keys on a row: arrows move${marks}, Page Up and Page Down turn the page.`;
    this.keys.hidden = !data.rows.length;
    if (focused) this._focus(this.at);
  }

  _typing() {
    const active = /** @type {ShadowRoot} */ (this.box.getRootNode()).activeElement;
    return active instanceof HTMLInputElement && active.type === "text";
  }

  _send(action) {
    this.component.setTriggerValue("action", { run: this.data.run, ...action });
  }

  _heads() {
    const { sort, ascending, sorts } = this.data;
    const pictures = element("th", {
      role: "columnheader",
      className: "shown",
      text: "Image, reconstruction, residual",
    });
    const heads = sorts.map((name) => {
      const chosen = name === sort;
      const arrow = chosen ? (ascending ? " ↑" : " ↓") : "";
      const button = element("button", { type: "button", className: "sort", text: HEADS[name] + arrow });
      button.setAttribute("aria-label", `Sort by ${HEADS[name]}${chosen ? ", the other way round" : ""}`);
      button.addEventListener("click", () => this._send({ action: "sort", sort: name }));
      const order = chosen ? (ascending ? "ascending" : "descending") : "none";
      return element("th", { role: "columnheader", className: name, "aria-sort": order }, button);
    });
    const mark = this.data.markable
      ? [element("th", { role: "columnheader", className: "mark", text: "Mark, note" })]
      : [];
    this.head.replaceChildren(pictures, ...heads, ...mark);
  }

  /** @param {Row} row  @param {number} index */
  _row(row, index) {
    const pictures = row.pictures.map((source, i) =>
      element("img", { src: source, alt: i ? PICTURES[i] : this._named(row), title: PICTURES[i] }),
    );
    const cells = this.data.sorts.map((name) => this._cell(name, row));
    const made = element(
      "tr",
      { role: "row", tabindex: index === this.at ? 0 : -1, "aria-label": this._named(row) },
      element("td", { role: "cell", className: "shown" }, ...pictures),
      ...cells,
      ...(this.data.markable ? [this._markCell(row)] : []),
    );
    made.classList.toggle("marked", row.marked);
    made.dataset.index = String(row.index);
    return made;
  }

  /** @param {Row} row */
  _named(row) {
    return [row.place, row.file, row.label !== null ? `label ${row.label}` : ""].filter(Boolean).join(", ");
  }

  /** @param {string} name  @param {Row} row */
  _cell(name, row) {
    const cell = element("td", { role: "cell", className: name });
    cell.dataset.head = HEADS[name];
    if (name === "row") {
      cell.append(element("span", { className: "place", text: row.place }));
      if (row.file) cell.append(element("bdi", { className: "file", text: row.file, title: row.file }));
      if (row.label !== null)
        cell.append(element("span", { className: "label" }, "label ", element("bdi", { text: row.label })));
    } else if (name === "disagreement") {
      cell.append(element("span", { className: "number", text: row.differ ? `${row.differ} differ` : "–" }));
      if (row.suggested !== null)
        cell.append(element("span", { className: "suggested" }, "they say ", element("bdi", { text: row.suggested })));
    } else if (name === "copies") {
      cell.append(...row.badges.map((badge) => element("span", { className: "badge", text: badge })));
    } else cell.append(element("span", { className: "number", text: row[name] || "–" }));
    return cell;
  }

  /** @param {Row} row */
  _markCell(row) {
    const box = element("input", { type: "checkbox", "aria-label": `Mark ${this._named(row)}` });
    box.checked = row.marked;
    box.addEventListener("change", () => this._mark(row, box.checked));
    const note = element("input", {
      type: "text",
      className: "note",
      maxlength: 500,
      placeholder: "note",
      "aria-label": `Note on ${this._named(row)}`,
    });
    note.value = row.note;
    note.addEventListener("change", () => this._send({ action: "note", index: row.index, note: note.value }));
    return element("td", { role: "cell", className: "mark" }, box, note);
  }

  _mark(row, marked) {
    row.marked = marked; // shown at once
    const place = this.data.rows.indexOf(row);
    const shown = /** @type {HTMLElement} */ (this.body.children[place]);
    shown?.classList.toggle("marked", marked);
    const box = shown?.querySelector("input");
    if (box) box.checked = marked;
    this._send({ action: "mark", index: row.index, marked });
  }

  _pages() {
    const { page, pages } = this.data;
    this.pager.hidden = pages < 2;
    const button = (text, to, label) => {
      const made = element("button", { type: "button", className: "button", text, "aria-label": label });
      made.disabled = to < 1 || to > pages || to === page;
      made.addEventListener("click", () => this._send({ action: "page", page: to }));
      return made;
    };
    this.pager.replaceChildren(
      button("« First", 1, "First page"),
      button("‹ Back", page - 1, "Page before"),
      element("span", { text: `page ${whole(page)} of ${whole(pages)}` }),
      button("Next ›", page + 1, "Next page"),
      button("Last »", pages, "Last page"),
    );
  }

  /** @param {HTMLElement} target */
  _focused(target) {
    const index = [...this.body.children].findIndex((row) => row.contains(target));
    if (index >= 0) this._rove(index);
  }

  _rove(index) {
    this.at = index;
    [...this.body.children].forEach((row, i) => row.setAttribute("tabindex", i === index ? "0" : "-1"));
  }

  _focus(index) {
    const row = /** @type {HTMLElement} */ (this.body.children[Math.min(index, this.body.children.length - 1)]);
    row?.focus({ preventScroll: false });
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.tagName === "INPUT") {
      if (event.key === "Escape" || (event.key === "Enter" && this._typing())) this._focus(this.at);
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const asked = keyAction(event.key, this.at, this.data.rows.length, this.data);
    if (!asked) return;
    event.preventDefault();
    if ("focus" in asked) this._focus(asked.focus);
    if ("page" in asked) this._send({ action: "page", page: asked.page });
    if (!this.data.markable) return;
    const row = this.data.rows[this.at];
    if ("mark" in asked && row) this._mark(row, !row.marked);
    if ("note" in asked)
      /** @type {HTMLInputElement} */ (this.body.children[this.at]?.querySelector("input.note"))?.focus();
  }

  destroy() {}
}

export default renderer((root) => new Table(root), ["suspects/table.css"]);
