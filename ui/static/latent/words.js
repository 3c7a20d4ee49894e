// What the page says of the server and of the weights that it shows; the same words in every mode.

import { whole } from "../shared/format.js";

/** "weights of step 14,063", or "" where nobody knows the step. */
export const weightsWord = (step) => (Number.isFinite(step) && step !== null ? `weights of step ${whole(step)}` : "");

/** What goes on without the server where the page decodes (`place`, see decoder/client.js); "" while it answers. */
export function awayWord(linked, place) {
  if (linked !== false) return "";
  return place === "page"
    ? "The server does not answer: decoding goes on in this page, training and the other pages wait for it."
    : "The server does not answer: trying again.";
}
