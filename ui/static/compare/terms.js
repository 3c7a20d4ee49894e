// Terms: what both runs cost on the same images, their differences with errors, and how far the comparison is.

import { element, renderer } from "../shared/mount.js";
import { sameSides } from "./kept_decoder.js";
import { openPair } from "./pair.js";
import { counted, withError } from "./words.js";

const LISTED = 12; // matched dimensions that are listed

/** @import { CompareData, ComparisonHeader } from "./types.js" */

class Terms {
  /** @type {CompareData} */ data;
  /** @type {{ pair: import("./pair.js").SharedPair, close: () => void } | null} */ opened = null;
  /** @type {object | null} what is drawn */ drawn = null;

  constructor(root) {
    this.status = element("span", { role: "status" });
    this.bar = element("progress", { max: "1", value: "0", "aria-label": "Progress of the comparison" });
    this.button = element("button", { className: "button", type: "button" });
    this.button.addEventListener("click", () => this._press());
    this.line = element("div", { className: "line" }, this.status, this.bar, this.button);
    this.lead = element("p", { className: "lead" });
    this.body = element("tbody");
    const head = ["", "A", "B", "B − A"].map((text) => element("th", { scope: "col", text }));
    this.table = element(
      "table",
      {},
      element("caption", { className: "er-note" }),
      element("thead", {}, element("tr", {}, ...head)),
      this.body,
    );
    this.notes = element("div", { className: "notes" });
    this.matches = element("ol", { className: "matches" });
    this.matchesTitle = element("h3", { className: "er-title", text: "Which dimension is which" });
    this.found = element(
      "div",
      { className: "found" },
      element("div", {}, this.lead, element("div", { className: "scroll" }, this.table)),
      element("div", {}, this.notes, this.matchesTitle, this.matches),
    );
    root.append(element("section", { className: "terms" }, this.line, this.found));
  }

  update(data) {
    const same = sameSides(this.data, data);
    this.data = data;
    if (same) return;
    this.opened?.close();
    this.drawn = null;
    this.opened = openPair(data, () => this._draw());
    this._draw();
  }

  destroy() {
    this.opened?.close();
  }

  _press() {
    const { pair } = this.opened;
    if (pair.state === "working") pair.stop();
    else pair.compute();
  }

  _draw() {
    const { pair } = this.opened ?? {};
    if (!pair) return;
    const { state, outdated } = pair;
    this.line.hidden = state === "done" && !outdated;
    this.bar.hidden = state !== "working";
    this.bar.value = pair.fraction;
    this.button.hidden = state === "waiting";
    this.button.textContent = state === "working" ? "Stop" : "Compare anew";
    const said = {
      waiting: pair.words || "Fetching both decoders…",
      working: `Comparing: ${pair.words}`,
      stopped: "Stopped before the comparison was there.",
      failed: pair.words,
      done: outdated ? "There are newer weights by now; what is shown compares those of before." : "",
    }[state];
    if (this.status.textContent !== said) this.status.textContent = said;
    this.found.hidden = !pair.comparison;
    if (pair.comparison && pair.comparison !== this.drawn) {
      this.drawn = pair.comparison;
      this._fill(pair.comparison.header);
    }
  }

  /** @param {ComparisonHeader} header */
  _fill(header) {
    this.lead.textContent = header.about_terms;
    this.table.caption.textContent = `Means over ${header.source}, ± their standard errors. ${header.noise}`;
    this.body.replaceChildren(
      ...header.terms.map((term) => {
        const unsure = header.incomparable && (term.name === "elbo" || term.name === "distortion");
        const cells = [
          withError(term.a, term.a_error),
          withError(term.b, term.b_error),
          unsure ? "not one unit" : withError(term.difference, term.error, true),
        ];
        return element(
          "tr",
          { className: term.name },
          element("th", { scope: "row" }, `${term.title}, `, element("small", { text: term.unit })),
          ...cells.map((text) => element("td", { text })),
        );
      }),
    );
    this.notes.replaceChildren(element("p", { text: header.about_movement }));
    this._match(header);
  }

  _match({ matches, k }) {
    const more = matches.length - LISTED;
    this.matches.replaceChildren(
      ...matches.slice(0, LISTED).map(({ a, b, sign, correlation }) => {
        const fill = element("span", { className: "fill" });
        fill.style.width = `${100 * Math.abs(correlation)}%`;
        return element(
          "li",
          {},
          element("span", { text: `z${a} of A` }),
          element("span", { text: `${sign < 0 ? "−" : ""}z${b} of B` }),
          element("span", { className: "room", "aria-hidden": "true" }, fill),
          element("span", { className: "value", text: Math.abs(correlation).toFixed(2) }),
        );
      }),
    );
    const left = Math.abs(k[0] - k[1]);
    this.matchesTitle.title = "Pairs with the largest sum of correlations over the images; − where one runs against";
    this.matches.append(
      element("li", {
        className: "er-note",
        text:
          "Correlation of both over the images; − where one runs against the other." +
          (more > 0 ? ` ${counted(more, "weaker pair")} not listed.` : "") +
          (left
            ? ` ${counted(left, "dimension")} of ${k[0] > k[1] ? "A" : "B"} ${left > 1 ? "have" : "has"} none.`
            : ""),
      }),
    );
  }
}

export default renderer((root) => new Terms(root), ["compare/terms.css"]);
