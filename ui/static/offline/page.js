// A page in a file of its own: mounts the app's components where the file has places for them, and stands in for Python
// between them. One z is the page's: what comes to rest in one component moves the others.

import { heldPage } from "./held.js";
import curves from "../train/charts.js";
import map from "../map/map.js";
import samples from "../sheets/prior.js";
import sliders from "../explore/explore.js";
import traversal from "../sheets/traversal.js";
import { followTheme } from "../shared/palette.js";

/** The view that the address asks for, as far as this run has it. */
export function viewOf(query, { methods, labels, newest: { k } }) {
  const among = (name, allowed, usual) => (allowed.includes(query.get(name)) ? query.get(name) : usual);
  const dimensions = Array.from({ length: k }, (_, d) => String(d));
  const [i, j] = [Number(among("i", dimensions, "0")), Number(among("j", dimensions, String(Math.min(1, k - 1))))];
  return {
    method: among(
      "method",
      methods.map(({ name }) => name),
      methods[0].name,
    ),
    i,
    j: i === j && k > 1 ? (i + 1) % k : j,
    colour: among(
      "colour",
      ["label", "rate", "distortion", ...dimensions.map((d) => `z${d}`)],
      labels ? "label" : "rate",
    ),
    part: "test",
  };
}

/** One component of the app in its place. */
class Part {
  constructor(host, draw, data, received) {
    this.parentElement = host.attachShadow({ mode: "open" });
    this.draw = draw;
    this.data = data;
    this.setStateValue = (_, value) => received(value);
    this.setTriggerValue = () => {};
  }

  /** Draw it, with other data where they are given. */
  show(change = {}) {
    this.data = { ...this.data, ...change };
    return this.draw(this);
  }
}

class Page {
  constructor(held, query) {
    const { run, support, factorises, newest } = held;
    const { k } = newest;
    const z = query.get("z") ?? "";
    const start = Object.fromEntries(query);
    const view = viewOf(query, held);
    const common = { run, k, support, factorises };
    this.kinds = {
      sliders: [sliders, { ...common, rates: null, z, echo: false }, (sent) => this._moved("sliders", sent.z)],
      map: [
        map,
        { ...common, methods: held.methods, view, problem: "", holes: false, offline: true },
        (sent) => this._viewed(sent),
      ],
      samples: [samples, { ...common, start }, (sent) => this._moved("samples", sent.z, sent.open)],
      traversal: [traversal, { ...common, start }, (sent) => this._moved("traversal", sent.z, sent.open, sent)],
      curves: [curves, { run, ...held.curves }, () => {}],
    };
    /** @type {Record<string, Part>} */
    this.parts = {};
  }

  /** Mount every component that the file has a place for, from above, each when the one before stands. */
  async mount(places) {
    for (const place of places) {
      const name = place.dataset.component;
      const part = (this.parts[name] = new Part(place, ...this.kinds[name]));
      await part.show();
      await new Promise(requestAnimationFrame);
    }
  }

  /** z has come to rest in one of them; `open`: go to the sliders with it. */
  _moved(from, z, open = false, sent = null) {
    const { sliders: hand, traversal: sheet } = this.parts;
    if (sent && sheet) sheet.data.start = sent;
    if (z === undefined) return;
    if (from === "sliders") Object.assign(hand.data, { z, echo: true });
    else if (z !== hand?.data.z) hand?.show({ z, echo: false });
    if (from !== "traversal") sheet?.show({ start: { ...sheet.data.start, z } });
    if (open) document.getElementById("sliders")?.scrollIntoView({ behavior: "smooth" });
  }

  _viewed(view) {
    this.parts.map.data.view = view;
  }

  /** Other colours: canvases are drawn anew. */
  repaint() {
    followTheme(document.body);
    for (const part of Object.values(this.parts)) part.show();
  }
}

/** The switch between light and dark; at first the system decides. */
function switchTheme(button, page) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const paint = () => {
    button.textContent = dark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`);
    page.repaint();
  };
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    paint();
  });
  system.addEventListener("change", paint);
  button.hidden = false;
  paint();
}

if (globalThis.document?.querySelector("script[data-held]")) {
  const page = new Page(heldPage(), new URLSearchParams(location.search));
  switchTheme(document.getElementById("theme"), page);
  page.mount(document.querySelectorAll("[data-component]"));
}
