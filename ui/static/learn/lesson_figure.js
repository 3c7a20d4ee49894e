// A figure of the Learn page: an SVG that Python wrote, in the colours of the page's theme.

import { renderer } from "../shared/mount.js";

export default renderer(
  (root) => {
    root.classList.add("lesson-figure");
    return {
      update({ svg }) {
        const drawn = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
        root.replaceChildren(document.importNode(drawn, true));
      },
      destroy() {},
    };
  },
  ["learn/lesson_figure.css"],
);
