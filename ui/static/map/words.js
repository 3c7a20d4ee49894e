// What the map is and is not, in sentences for the page.

import { nats, whole } from "../shared/format.js";
import { aboutRings } from "./ink.js";
import { BLEND } from "./layouts.js";

const NEIGHBOURS = "Neighbours are always found in latent space, not on the map.";
const FIELDS = ["method", "i", "j", "colour", "part"];

/** Whether two views show the same. */
export const sameView = (a, b) => FIELDS.every((field) => a?.[field] === b?.[field]);

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

const SLOW =
  "computed by scikit-learn: openTSNE (“t-SNE”) is several times faster; this one cannot place new points, so a picture of your own stands amid its neighbours’ places";

/** The same for a latent of k bits. */
function aboutBits({ view, source, k, plane, base }) {
  const shown =
    {
      line: "the probability q(z0 = 1|x) across, the rate upwards",
      dims: `probabilities q(z = 1|x) of z${view.i} × z${view.j}${k > 2 ? `, the other ${k - 2} held at ${base === null ? "0" : `the code of ${base}`}` : ""}`,
      pca: `PCA of the probabilities q(z = 1|x): ${plane ? percent(plane.explained[0] + plane.explained[1]) : ""} of their variance`,
    }[view.method] ??
    `laid out by the probabilities q(z = 1|x); distances and sizes on this map mean nothing; a place stands for a blend of the ${BLEND} nearest points, weighted by 1/distance²`;
  return `${source} · ${shown} · the codes are ${k} bits: there is no plane between them and no prior ring; a place decodes to its nearest code, each bit 0 below ½ and 1 from there on`;
}

/** What kind of map this is, how it decodes, and what its marks mean. */
export function aboutLayout({ view, source, k, plane, base, shaded, beneath, bits = false }) {
  const linear = ["plane", "dims", "pca"].includes(view.method);
  const parts = bits
    ? [aboutBits({ view, source, k, plane, base })]
    : [
        {
          plane: `${source} · the true plane (d = 2), no projection, decoded exactly`,
          line: `${source} · the one latent dimension across, the rate upwards; decoded exactly`,
          dims: `${source} · z${view.i} × z${view.j}, the other ${k - 2} held at ${base === null ? "0" : `the code of ${base}`}; decoded exactly there`,
          pca: `${source} · PCA: ${plane ? percent(plane.explained[0] + plane.explained[1]) : ""} of the codes’ variance; a place decodes to the point of the plane, exactly`,
        }[view.method] ??
          `${source} · distances and sizes on this map mean nothing, only who is near whom. It has no inverse: a place decodes to a blend of the codes of the ${BLEND} nearest points, weighted by 1/distance²`,
      ];
  if (view.method === "tsne-sklearn") parts.push(SLOW);
  if (linear && !bits) parts.push(aboutRings, "ellipse: q(z|x) at 1 and 2σ");
  if (shaded && view.method !== "line") parts.push(linear ? "shaded: far from any code" : "shaded: far from any point");
  if (linear && beneath === "prior") parts.push("beneath: means of p(x|z), each picture at equal prior mass");
  if (linear && beneath === "window") parts.push("beneath: means of p(x|z) at their places");
  return `${parts.join(" · ")}. ${NEIGHBOURS}`;
}

/** Which of the chosen count, where the legend shows only some classes: `count` of `all`. */
export function aboutIsolated(names, count, all) {
  if (!names.length) return "";
  const listed = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  return `Only ${listed}, as in the legend${count < all ? `: ${whole(count)} of the ${whole(all)} inside` : ""}.`;
}

/** Where a picture from outside landed; `why` it has no place, a sentence. */
export function aboutPicture({ rate, z }, { place, why }, bits = false) {
  const where = place ? "The amber mark shows where it landed." : why;
  return `${where} Rate ${nats(rate)} nats${bits ? "" : `, ‖z‖ = ${Math.hypot(...z).toFixed(2)}`}.`;
}
