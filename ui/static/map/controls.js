// The map's switches: kind of map, colours, dimensions, part of the data, what lies beneath; tools in its corner.

import { whole } from "../shared/format.js";
import { element } from "../shared/mount.js";

const ICONS = {
  pan: "M8 1v14M1 8h14M8 1 6 3.2M8 1l2 2.2M8 15l-2-2.2M8 15l2-2.2M1 8l2.2-2M1 8l2.2 2M15 8l-2.2-2M15 8l-2.2 2",
  lasso:
    "M6.2 11.3C3.2 11 1 9.3 1 7c0-2.800 3.100-5 7-5s7 2.200 7 5-3.100 5-7 5c-.7 0-1.300-.1-1.800-.2M6.200 11.300a1.400 1.400 0 1 1-2.600-.9 1.400 1.400 0 0 1 2.600.9c-.1 1.500-.8 2.700-2.200 3.400",
  box: "M2 4V2h2M7 2h2M12 2h2v2M14 7v2M14 12v2h-2M9 14H7M4 14H2v-2M2 9V7",
  closer: "M8 2v12M2 8h12",
  farther: "M2 8h12",
  whole: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
};

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", width: "16", height: "16", "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({
    d: ICONS[name],
    fill: "none",
    stroke: "currentColor",
    "stroke-width": "1.5",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  }))
    path.setAttribute(key, value);
  svg.append(path);
  return svg;
}

export class Controls {
  /** `on`: method(name), colour(by), dims(i, j), others(at), part(name), beneath(kind), shade(bool), draws(bool), mode(name), zoom(factor), showAll(). */
  constructor(on) {
    this.on = on;
    this.methods = element("div", { className: "switch", role: "group", "aria-label": "Kind of map" });
    this.colour = this._select("Colour by", (value) => on.colour(value));
    this.first = this._select("Across", () => this._dims());
    this.second = this._select("Up", () => this._dims());
    this.others = this._select("Others", (value) => on.others(value));
    this.part = this._select("Images", (value) => on.part(value));
    this.beneath = this._select("Beneath", (value) => on.beneath(value));
    this.shade = element("input", { type: "checkbox", checked: "" });
    this.shade.addEventListener("change", () => on.shade(this.shade.checked));
    this.draws = element("input", { type: "checkbox" });
    this.draws.addEventListener("change", () => on.draws(this.draws.checked));
    this.dimsBox = element(
      "span",
      { className: "row" },
      this.first.box,
      element("span", { text: "×", "aria-hidden": "true" }),
      this.second.box,
      this.others.box,
    );
    this.bar = element("div", { className: "bar-row" }, this.methods, this.dimsBox, this.colour.box, this.part.box);
    const shade = element("label", { className: "check" }, this.shade, "shade far from data");
    this.drawsBox = element("label", { className: "check", hidden: "" }, this.draws, "draws from the prior");
    this.below = element("div", { className: "bar-row below" }, this.beneath.box, shade, this.drawsBox);
    this._options(this.others, [
      ["0", "at 0"],
      ["chosen", "at the chosen image’s code"],
    ]);
    this._tools();
  }

  _select(name, act) {
    const select = element("select", { "aria-label": name });
    select.addEventListener("change", () => act(select.value));
    const box = element("label", { className: "choice" }, element("span", { text: name }), select);
    return { select, box };
  }

  _options({ select }, options, chosen) {
    select.replaceChildren(...options.map(([value, text]) => element("option", { value, text })));
    if (chosen !== undefined) select.value = chosen;
  }

  _tools() {
    const tool = (name, text, act) => {
      const made = element(
        "button",
        { type: "button", className: "tool", title: text, "aria-label": text },
        icon(name),
      );
      made.addEventListener("click", act);
      return made;
    };
    const mode = (name, text) => tool(name, text, () => this.mode(name));
    this.modes = {
      pan: mode("pan", "Move the map"),
      lasso: mode("lasso", "Lasso: select by drawing around"),
      box: mode("box", "Box: select a rectangle"),
    };
    this.tools = element(
      "div",
      { className: "tools", role: "group", "aria-label": "Tools of the map" },
      ...Object.values(this.modes),
      tool("closer", "Zoom in (+)", () => this.on.zoom(1.5)),
      tool("farther", "Zoom out (−)", () => this.on.zoom(1 / 1.5)),
      tool("whole", "Show all (0)", () => this.on.showAll()),
    );
    this.mode("pan");
  }

  /** The score tells of places that the prior reaches and codes do not: with it come the draws. */
  _drawsOn() {
    this.draws.checked = true;
    this.on.draws(true);
  }

  mode(name) {
    for (const [key, button] of Object.entries(this.modes ?? {}))
      button.setAttribute("aria-pressed", String(key === name));
    this.on.mode?.(name);
  }

  _dims() {
    let [i, j] = [Number(this.first.select.value), Number(this.second.select.value)];
    if (i === j) j = (i + 1) % this.k;
    this.on.dims(i, j);
  }

  /** Switches as the view is. `methods`: those offered, each { name, title, kind, about } as Python tells; codes: for what there is to colour by. */
  show({ methods, parts, view, k, codes, bits = false, holes = false }) {
    this.k = k;
    this.drawsBox.hidden = !holes;
    if (holes && view.colour === "hole" && this.seen !== "hole") this._drawsOn();
    this.seen = view.colour;
    const beneath = [
      ["off", "nothing"],
      ["window", "pictures that fill the window"],
      ...(bits ? [] : [["prior", "pictures at the prior’s quantiles"]]),
    ];
    if (beneath.length !== this.beneath.select.length) this._options(this.beneath, beneath);
    this.methods.replaceChildren(
      ...methods.map(({ name, title, about }) => {
        const button = element("button", {
          type: "button",
          text: title,
          title: about,
          "aria-pressed": String(name === view.method),
        });
        button.addEventListener("click", () => this.on.method(name));
        return button;
      }),
    );
    this.methods.hidden = methods.length < 2;
    const dimensions = Array.from({ length: k }, (_, d) => [String(d), `z${d}`]);
    this._options(this.first, dimensions, String(view.i));
    this._options(this.second, dimensions, String(view.j));
    this.dimsBox.hidden = view.method !== "dims";
    this.others.box.hidden = k < 3;
    this.others.select.value = view.others ?? "0";
    const labels = !codes || codes.labels ? [["label", "label"]] : [];
    this._options(
      this.colour,
      [
        ...labels,
        ["rate", "rate"],
        ["distortion", "distortion"],
        ...(holes ? [["hole", "hole score"]] : []),
        ...dimensions.map(([d, name]) => [`z${d}`, name]),
      ],
      view.colour,
    );
    this._options(
      this.part,
      parts.map((name) => [name, name === "test" ? "held-out" : "training"]),
      view.part,
    );
    this.part.box.hidden = parts.length < 2;
    this.beneath.box.hidden = methods.find(({ name }) => name === view.method)?.kind !== "linear";
  }
}

/** The line on a fit under way or done, with its button. */
export class FitLine {
  /** `on`: start(), stop(). */
  constructor(on) {
    this.on = on;
    this.text = element("span", { role: "status" });
    this.progress = element("progress", { max: "1", value: "0", "aria-label": "Progress of the map" });
    this.button = element("button", { type: "button", className: "button" });
    this.button.addEventListener("click", () => (this.working ? on.stop() : on.start()));
    this.box = element("div", { className: "fit", hidden: "" }, this.text, this.progress, this.button);
  }

  hide() {
    this.box.hidden = true;
  }

  /** status as the server tells it; `title` of the method; `outdated`: it is of older weights. */
  show(status, title, outdated = false) {
    const { state, iteration, total, kl, n, seconds, message } = status;
    this.working = state === "starting" || state === "fitting";
    this.box.hidden = false;
    this.progress.hidden = !this.working;
    if (total) this.progress.value = iteration / total;
    else this.progress.removeAttribute("value");
    const step = total ? `step ${whole(iteration)} of ${whole(total)}` : "";
    const objective = kl === null || kl === undefined ? "" : ` · KL ${kl.toFixed(2)} nats`;
    this.text.textContent =
      {
        absent: `${title} has not been computed for these codes`,
        starting: `${title} starts from the PCA`,
        fitting: iteration ? `${title} converges: ${step}${objective}` : `${title} begins: looking for neighbours`,
        finished: `${title} of ${whole(n)} points, computed in ${Math.max(1, Math.round(seconds))} s${objective}`,
        stopped: `${title} stopped at ${step || "its start"}${objective}. ${message}`,
        failed: message || `${title} could not be computed`,
      }[state] ?? message;
    if (outdated && !this.working) this.text.textContent += " · of older weights, decoded by the newest";
    this.button.textContent = this.working ? "Stop" : state === "absent" ? "Compute" : "Start over";
    this.button.hidden = state === "finished" && !outdated;
  }
}
