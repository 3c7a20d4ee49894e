// A view for a room, by keyboard alone, and a view without controls, for those that a link has led here. On every page;
// it draws nothing until a key asks for the code or the list of keys.

import { intoAddress } from "../shared/address.js";
import { paintCode, shared } from "../shared/link.js";
import { element, renderer } from "../shared/mount.js";
import { qrCode } from "../shared/qr.js";
import { CONTROLS, forClass, mannerOf, nextControls, nextSize, parameters, USUAL } from "./manner.js";

const LOOK_EVERY = 400; // ms between two looks at the address: Python's own changes of it leave the manner out
const KEYS = {
  q: "the code of this view, for the phones of the class",
  c: "what the class may do there",
  "+ −": "larger, smaller type",
  f: "the whole screen",
  "1 … 9": "the pages, in their order, with this run",
  "n p": "the next page, the one before",
  "?": "these keys",
  Escape: "closes this; then ends presenting",
};
const TYPED =
  "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable=true]";

class Show {
  /** Addresses, relative to the application's own. @type {string[]} */
  pages = [];
  origin = ""; // under which others reach the server

  constructor(root) {
    this.manner = mannerOf(location.search);
    this.given = this.manner.controls; // what the code offers to the class
    this.panel = element("div", { className: "panel", role: "dialog", "aria-live": "polite" });
    this.panel.hidden = true;
    root.append(this.panel);
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    document.addEventListener("keydown", (event) => this._press(event), { signal });
    window.addEventListener("popstate", () => this._arrive(), { signal });
    window.addEventListener("er-present", () => this.present(USUAL), { signal });
    this.timer = setInterval(() => this._hold(), LOOK_EVERY);
  }

  update({ pages, origin }) {
    Object.assign(this, { pages, origin });
    this._hold();
    this._apply();
  }

  destroy() {
    clearInterval(this.timer);
    this.listeners.abort();
    this.manner = mannerOf("");
    this._apply();
  }

  /** Shows the view for a room, in type of `size` percent; 0 ends that. */
  present(size) {
    this.manner = { ...this.manner, size };
    intoAddress(parameters(this.manner));
    this._apply();
    if (size) this._say(size);
    else this.close();
  }

  close() {
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  /** The browser's Back or Forward: the manner of the place where it led. */
  _arrive() {
    this.manner = mannerOf(location.search);
    this._apply();
  }

  /** A page that another one led to, or whose address Python has written: it is shown in the same manner. */
  _hold() {
    const { size, controls } = mannerOf(location.search);
    if (size !== this.manner.size || controls !== this.manner.controls) {
      intoAddress(parameters(this.manner));
      this._apply();
    }
  }

  /** What style sheets and assistive technology see of it. */
  _apply() {
    const { size, controls } = this.manner;
    const page = document.documentElement;
    page.style.fontSize = size ? `${size}%` : "";
    page.toggleAttribute("data-er-room", size > 0);
    if (controls) page.dataset.erControls = controls;
    else delete page.dataset.erControls;
    // What scrolls is around this: nothing inert takes a wheel or a finger.
    for (const part of document.querySelectorAll('[data-testid="stMainBlockContainer"]'))
      part.toggleAttribute("inert", controls === "locked");
  }

  _press(event) {
    const { size } = this.manner;
    const typed = event.composedPath()[0];
    const busy = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    if (!size || busy || (typed instanceof Element && typed.matches(TYPED))) return;
    const page = this._called(event.key);
    if (page !== undefined) this._go(page);
    else if (event.key === "q" || event.key === "c") this._code(event.key === "c");
    else if (event.key === "+" || event.key === "=") this.present(nextSize(size, 1));
    else if (event.key === "-" || event.key === "−") this.present(nextSize(size, -1));
    else if (event.key === "f") this._whole();
    else if (event.key === "?") this._list();
    else if (event.key === "Escape" && !this.panel.hidden) this.close();
    else if (event.key === "Escape") this.present(0);
    else return;
    event.preventDefault();
  }

  /** The page that a key leads to; undefined where it leads to none. */
  _called(key) {
    if (/^[1-9]$/.test(key)) return this.pages[Number(key) - 1];
    const way = { n: 1, p: -1 }[key];
    if (!way) return undefined;
    const here = Math.max(0, this.pages.indexOf(location.pathname.split("/").at(-1) ?? ""));
    return this.pages.at((here + way) % this.pages.length);
  }

  /** By Streamlit's own way from page to page, as with Back and Forward: a page load would end the full screen. */
  _go(page) {
    const address = new URL(page || ".", document.baseURI); // "" would be the page that is open
    const run = new URLSearchParams(location.search).get("run");
    if (run) address.searchParams.set("run", run);
    for (const [name, value] of Object.entries(parameters(this.manner)))
      if (value) address.searchParams.set(name, value);
    this.close(); // a code is that of the view before
    history.pushState({}, "", address);
    window.dispatchEvent(new PopStateEvent("popstate"));
  }

  _whole() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen().catch(() => {}); // a frame may forbid it
  }

  /** The code of this view; with `turn` for the next kind of link. A second q closes it. */
  _code(turn) {
    if (!turn && this.panel.dataset.shows === "code" && !this.panel.hidden) {
      this.close();
      return;
    }
    if (turn) this.given = nextControls(this.given);
    const address = forClass(shared(location.href, this.origin), this.given);
    const code = qrCode(address);
    const canvas = element("canvas", { className: "code", role: "img", "aria-label": `QR code of ${address}` });
    if (code) paintCode(canvas, code);
    const about = element("p", { className: "about", text: `The class gets: ${CONTROLS[this.given]}. c changes it.` });
    const words = element("code", { className: "address", text: address });
    this._open("code", ...(code ? [canvas] : []), words, about);
  }

  _list() {
    const rows = Object.entries(KEYS).flatMap(([key, about]) => [
      element("dt", {}, element("kbd", { text: key })),
      element("dd", { text: about }),
    ]);
    this._open("keys", element("dl", {}, ...rows));
  }

  _say(size) {
    this._open("size", element("p", { className: "about", text: `Type at ${size} %. ? lists the keys.` }));
    const shown = this.panel.firstChild;
    setTimeout(() => this.panel.firstChild === shown && this.close(), 2500);
  }

  _open(shows, ...children) {
    this.panel.dataset.shows = shows;
    this.panel.setAttribute("aria-label", { code: "Link for the class", keys: "Keys", size: "Size of type" }[shows]);
    this.panel.replaceChildren(...children);
    this.panel.hidden = false;
  }
}

export default renderer((root) => new Show(root), ["show/show.css"]);
