// Both planes side by side: rate against squared error, rate against distortion; a point is a run.

import { download, downloadPng } from "../shared/download.js";
import { contextOf, element, renderer } from "../shared/mount.js";
import { colours, typeScale } from "../shared/palette.js";
import { SvgContext } from "../shared/svg_context.js";
import { markAt, neighbour, shownIn } from "./layout.js";
import { arrange, drawPlane } from "./plane.js";

const TITLES = { squared_error: "Rate – error plane", distortion: "Rate – distortion plane" };
const [SAVED, GAP] = [{ width: 620, height: 430 }, 20]; // of a plane in a file, pixels

/**
 * @typedef {object} TermsData  What Python says (ui/components/planes.py).
 * @property {string} title
 * @property {import("./layout.js").Point[]} points
 * @property {{ C: number, rate: number, squared_error: number, distortion: number }[]} linear
 * @property {string} chosen  a run's name, ""
 */

class Terms {
  constructor(root, component) {
    this.root = root;
    this.send = component.setStateValue;
    this.hover = "";
    this.planes = /** @type {const} */ (["squared_error", "distortion"]).map((kind) => this._plane(kind));
    this.card = element("div", { className: "card" });
    this.card.hidden = true;
    this.live = element("p", { className: "words", "aria-live": "polite" });
    this.legend = element("p", { className: "er-note legend" });
    this.figures = element(
      "div",
      { className: "planes", tabindex: "0", role: "group", "aria-label": "Runs between rate and distortion" },
      ...this.planes.map(({ figure }) => figure),
      this.card,
    );
    root.append(element("section", { className: "terms" }, this.figures, this._tools(), this.live));
    this.observer = new ResizeObserver(() => this._soon());
    for (const { canvas } of this.planes) this.observer.observe(canvas);
    this.figures.addEventListener("keydown", (event) => this._key(event));
  }

  _plane(kind) {
    const canvas = element("canvas", { role: "img" });
    const figure = element(
      "figure",
      { className: `er-card plane ${kind}` },
      element("figcaption", { className: "er-title", text: TITLES[kind] }),
      canvas,
    );
    const plane = { kind, canvas, figure, plan: null };
    canvas.addEventListener("pointermove", (event) => this._over(plane, event));
    canvas.addEventListener("pointerleave", () => this._over(plane, null));
    canvas.addEventListener("click", (event) => {
      const mark = plane.plan && this._markAt(plane.plan, event);
      if (mark) this._choose(mark.point.name);
    });
    return plane;
  }

  _tools() {
    const save = ["PNG", "SVG"].map((kind) => {
      const made = element("button", { type: "button", text: kind, "aria-label": `Save the planes as ${kind}` });
      made.addEventListener("click", () => this._save(kind));
      return made;
    });
    return element("div", { className: "tools" }, this.legend, element("span", { text: "Save the planes:" }), ...save);
  }

  update(/** @type {TermsData} */ data) {
    this.data = data;
    this.chosen = data.chosen;
    this.palette = colours(this.root);
    const gaussian = shownIn(data.points, "squared_error").length > 0;
    this.planes[0].figure.hidden = !gaussian;
    this.figures.classList.toggle("one", !gaussian);
    const hollow = data.points.some(({ unsettled }) => unsettled) ? "Hollow: not converged. " : "";
    const grey = data.linear.length ? "Grey dashes: the best linear decoder, closed form. " : "";
    this.legend.textContent = `${hollow}${grey}Dotted: equal ELBO, slope −1. Numbers at points: C. Gold: slope −1/C.`;
    for (const plane of this.planes) plane.plan = null;
    this._soon();
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }

  _soon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  draw() {
    if (!this.data) return;
    this.type = typeScale(); // all is drawn larger by it
    const ratio = (devicePixelRatio || 1) * this.type;
    for (const plane of this.planes) {
      const { canvas, kind } = plane;
      const [width, height] = [canvas.clientWidth / this.type, canvas.clientHeight / this.type];
      if (!width) continue;
      if (canvas.width !== Math.round(width * ratio)) plane.plan = null;
      if (!plane.plan || plane.plan.width !== width || plane.plan.height !== height) {
        Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
        plane.plan = arrange(this.data.points, kind, width, height, this._measure(), this.chosen);
        canvas.setAttribute("aria-label", `${TITLES[kind]}: ${plane.plan.marks.length} runs`);
      }
      const context = contextOf(canvas);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      drawPlane(context, plane.plan, this._look());
    }
  }

  _look() {
    return { palette: this.palette, linear: this.data.linear, chosen: this.chosen, hover: this.hover };
  }

  _measure() {
    const context = contextOf(this.planes[1].canvas);
    context.font = `650 11px ${this.palette.font}`;
    return (text) => context.measureText(text).width;
  }

  _markAt({ marks }, { offsetX, offsetY }) {
    return markAt(marks, offsetX / this.type, offsetY / this.type);
  }

  _over({ plan, canvas }, event) {
    const mark = event && plan ? this._markAt(plan, event) : null;
    canvas.style.cursor = mark ? "pointer" : "default";
    const name = mark?.point.name ?? "";
    if (name === this.hover) return;
    this.hover = name;
    this.card.hidden = !mark;
    if (mark) this._show(mark.point, canvas, mark);
    this._soon();
  }

  /** The card of a point: its picture, its name, its numbers. */
  _show(point, canvas, { x, y }) {
    const source = `runs/${encodeURIComponent(point.name)}/thumbnail.png?v=${point.step}`;
    const pictures = point.step === null ? [] : [element("img", { alt: "", src: source })];
    const words = [point.words, point.unsettled && `Not taken as converged: ${point.unsettled}.`].filter(Boolean);
    this.card.replaceChildren(
      ...pictures,
      element("b", { text: point.name }),
      ...words.map((text) => element("span", { text })),
    );
    const [box, outer] = [canvas.getBoundingClientRect(), this.figures.getBoundingClientRect()];
    const left = box.left - outer.left + x * this.type + 14;
    this.card.style.left = `${Math.max(0, Math.min(left, outer.width - this.card.offsetWidth - 4))}px`;
    this.card.style.top = `${box.top - outer.top + y * this.type + 14}px`;
  }

  _key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const name = neighbour(this.data.points, this.chosen, by);
    if (name) this._choose(name);
  }

  _choose(name) {
    const point = this.data.points.find((one) => one.name === name);
    this.chosen = name;
    this.live.textContent = `${name}: ${point.words}`;
    for (const plane of this.planes) plane.plan = null; // its label comes first
    this._soon();
    this.send("view", { run: name, moment: Date.now() });
  }

  _save(kind) {
    const name = this.data.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
    if (kind === "SVG") download(new Blob([this.svg()], { type: "image/svg+xml" }), `${name}.svg`);
    else this._savePng(name);
  }

  /** Both planes as SVG, the title above. */
  svg() {
    const planes = this.planes.filter(({ figure }) => !figure.hidden);
    const [width, height] = [planes.length * (SAVED.width + GAP) + GAP, SAVED.height + 2 * GAP + 24];
    const measure = this._measure();
    const context = new SvgContext(width, height, (text) => measure(text));
    context.fillStyle = this.palette.ground;
    context.fillRect(0, 0, width, height);
    context.fillStyle = this.palette.text;
    context.font = `650 14px ${this.palette.font}`;
    context.fillText(this.data.title, GAP, 28);
    planes.forEach(({ kind }, i) => {
      const plan = arrange(this.data.points, kind, SAVED.width, SAVED.height, measure, this.chosen);
      context.save();
      context.translate(GAP + i * (SAVED.width + GAP), 44);
      drawPlane(context, plan, { ...this._look(), hover: "" });
      context.restore();
    });
    return context.text();
  }

  _savePng(name) {
    const picture = new Image();
    picture.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width: 2 * picture.width, height: 2 * picture.height });
      contextOf(canvas).drawImage(picture, 0, 0, canvas.width, canvas.height);
      downloadPng(canvas, name);
    });
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(this.svg())}`;
  }
}

export default renderer((root, component) => new Terms(root, component), ["terms/terms.css"]);
