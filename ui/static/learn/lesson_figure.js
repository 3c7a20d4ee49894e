// A figure that Python wrote as SVG, in the colours of the page's theme; with a name, it can be saved under it.

import { element, renderer } from "../shared/mount.js";
import { saveFigure } from "./figure_save.js";

/** A button for each kind of file. */
function saving(/** @type {HTMLElement} */ root, /** @type {() => string} */ name) {
  const buttons = ["PNG", "SVG"].map((kind) => {
    const made = element("button", { type: "button", text: kind, "aria-label": `Save the figure as ${kind}` });
    made.addEventListener("click", () => {
      const figure = root.querySelector("svg");
      if (figure) saveFigure(kind, figure, getComputedStyle(root).getPropertyValue("--er-ground"), name());
    });
    return made;
  });
  return element("div", { className: "save" }, element("span", { text: "Save" }), ...buttons);
}

export default renderer(
  (root) => {
    root.classList.add("lesson-figure");
    let called = "";
    const tools = saving(root, () => called);
    return {
      update({ svg, name = "" }) {
        called = name;
        const drawn = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
        root.replaceChildren(document.importNode(drawn, true), ...(name ? [tools] : []));
      },
      destroy() {},
    };
  },
  ["learn/lesson_figure.css"],
);
