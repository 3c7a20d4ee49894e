// The live connection for a page in a file of its own: the history that the file holds, told once. What it exports is
// what shared/live.js exports.

import { held, heldPage } from "./held.js";

const told = {
  /** Tell a follower (store.js) all that there is, unless it knows; returns what ends that. */
  watch(run, follower) {
    queueMicrotask(() => {
      const { newest, status } = heldPage();
      follower.link(true);
      if (follower.resume().file) return;
      const lines = JSON.parse(new TextDecoder().decode(held("history")));
      follower.receive({ run, file: "held", offset: 1, lines });
      follower.receive({ run, status, knobs: null, weights: newest.sha, viewers: 1 });
    });
    return () => {};
  },
};

export const connection = () => told;
