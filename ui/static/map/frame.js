// Where the parts of the Map page stand: switches, map and legend on the left, what they tell on the right.

import { element } from "../shared/mount.js";

/** Put the parts of `map` (map.js) into `root`, with its notes. */
export function assemble(map, root) {
  map.note = element("p", { className: "er-note about" });
  map.problem = element("p", { className: "er-note problem", role: "status" });
  map.waiting = element("p", { className: "absent", text: "Fetching the codes…" });
  const { stage } = map.canvas;
  stage.append(map.waiting, map.controls.tools);
  stage.addEventListener("dragover", (event) => event.preventDefault());
  stage.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!map.data.offline) map.landing.arrive.take(event.dataTransfer.files[0]);
  });
  const keys = element("p", {
    className: "er-note keys",
    text: "Keys on the map: arrows move the pointer, Shift and arrows the map, + and − zoom, 0 shows all, Enter chooses, space sets the corners of a box, Escape clears.",
  });
  const left = element(
    "div",
    { className: "left" },
    map.controls.bar,
    map.fitLine.box,
    stage,
    map.focus.legend.box,
    map.controls.below,
    map.problem,
    map.note,
    keys,
  );
  const right = element(
    "div",
    { className: "right" },
    map.side.box,
    map.sheet.box,
    map.focus.selection.box,
    map.landing.arrive.box,
  );
  root.append(element("div", { className: "map" }, left, right));
}
