// What the map is and is not, in sentences for the page.

import { nats, whole } from "../shared/format.js";
import { aboutRings } from "./ink.js";
import { BLEND } from "./layouts.js";

const NEIGHBOURS = "Neighbours are always found in latent space, not on the map.";
const FIELDS = ["method", "i", "j", "colour", "part"];

/** Whether two views show the same. */
export const sameView = (a, b) => FIELDS.every((field) => a?.[field] === b?.[field]);

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

/** What a pair of dimensions shows of the others. */
const held = (k, base) => `the other ${k - 2} held at ${base === null ? "0" : `the code of ${base}`}`;

const carried = (plane) => (plane ? percent(plane.explained[0] + plane.explained[1]) : "");

/** The same for a latent of k bits. */
function aboutBits({ view, method, source, k, plane, base }) {
  const own = {
    line: "the probability q(z0 = 1|x) across, the rate upwards",
    dims: `probabilities q(z = 1|x) of z${view.i} × z${view.j}${k > 2 ? `, ${held(k, base)}` : ""}`,
  };
  const projected =
    method.kind === "linear"
      ? `, of the probabilities q(z = 1|x), with ${carried(plane)} of their variance`
      : `; laid out by the probabilities q(z = 1|x); a place stands for a blend of the ${BLEND} nearest points, weighted by 1/distance²`;
  return `${source} · ${own[view.method] ?? `${method.about}${projected}`} · the codes are ${k} bits: there is no plane between them and no prior ring; a place decodes to its nearest code, each bit 0 below ½ and 1 from there on`;
}

/** The same for real codes. */
function aboutReal({ view, method, source, k, plane, base }) {
  const own = {
    plane: `${method.about}, decoded exactly`,
    line: `${method.about}; decoded exactly`,
    dims: `z${view.i} × z${view.j}, ${held(k, base)}; decoded exactly there`,
  };
  const projected =
    method.kind === "linear"
      ? `, with ${carried(plane)} of their variance; a place decodes to the point of the plane, exactly`
      : `; it has no inverse: a place decodes to a blend of the codes of the ${BLEND} nearest points, weighted by 1/distance²`;
  return `${source} · ${own[view.method] ?? `${method.about}${projected}`}`;
}

/** What kind of map this is, how it decodes, and what its marks mean. `method`: { name, title, kind, about }. */
export function aboutLayout({ view, method, source, k, plane, base, shaded, beneath, draws = 0, bits = false }) {
  const linear = method.kind === "linear";
  const parts = [(bits ? aboutBits : aboutReal)({ view, method, source, k, plane, base })];
  if (linear && !bits) parts.push(aboutRings, "ellipse: q(z|x) at 1 and 2σ");
  if (shaded && method.kind !== "line") parts.push(linear ? "shaded: far from any code" : "shaded: far from any point");
  if (draws) parts.push(`rings: ${whole(draws)} draws from the prior, each decodes itself at a click`);
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
