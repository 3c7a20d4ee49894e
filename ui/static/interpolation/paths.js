// Straight and spherical paths between two codes, in the letters of tests/oracles/latent_geometry.py, which says why.

import { norm } from "../latent/space.js";

const PARALLEL = 1e-7; // radians between two directions below which the arc between them is straight

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** (1 − t) a + t b. */
export const lerp = (a, b, t) => Array.from(a, (value, i) => (1 - t) * value + t * b[i]);

/** The direction along the great circle at constant speed, the length evenly from ‖a‖ to ‖b‖; straight where a
 *  direction is missing. Give a and b as ordinary arrays, so that the numbers stay in double precision. */
export function slerp(a, b, t) {
  const [lengthA, lengthB] = [norm(a), norm(b)];
  if (lengthA === 0 || lengthB === 0) return lerp(a, b, t);
  const u = Array.from(a, (value) => value / lengthA);
  const v = Array.from(b, (value) => value / lengthB);
  const { across, angle } = arc(u, v);
  if (angle < PARALLEL || !across) return lerp(a, b, t);
  const length = (1 - t) * lengthA + t * lengthB;
  const [cos, sin] = [Math.cos(t * angle), Math.sin(t * angle)];
  return u.map((value, i) => length * (cos * value + sin * across[i]));
}

/** The angle between unit vectors, and the unit vector at right angles to u towards v (null where there is none). */
function arc(u, v) {
  const angle = 2 * Math.atan2(norm(u.map((value, i) => value - v[i])), norm(u.map((value, i) => value + v[i])));
  let across = v.map((value, i) => value - dot(u, v) * u[i]);
  if (Math.PI - angle < PARALLEL) {
    // opposite: through the axis that is most across u
    let axis = 0;
    u.forEach((value, i) => Math.abs(value) < Math.abs(u[axis]) && (axis = i));
    across = u.map((value, i) => (i === axis ? 1 : 0) - u[axis] * value);
  }
  const length = norm(across);
  return { across: length > 1e-12 ? across.map((value) => value / length) : null, angle };
}

/** The two paths on offer, by the names used in the URL. */
export const PATHS = { straight: lerp, spherical: slerp };

/** The angle between two codes in degrees; NaN where one of them is 0. */
export function degrees(a, b) {
  const [lengthA, lengthB] = [norm(a), norm(b)];
  const { angle } = arc(
    Array.from(a, (value) => value / lengthA),
    Array.from(b, (value) => value / lengthB),
  );
  return (angle * 180) / Math.PI;
}
