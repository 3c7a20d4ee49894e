// A picture of one's own on the map: its place, and of which map and weights that is.

/** @import { Picture, ShownMap } from "./types.js" */

/** Where a picture is sent for its place on this map. */
export const encodeAddress = (run, { sha, part, method }, drawn) =>
  `runs/${encodeURIComponent(run)}/encode/${sha}?part=${part}${drawn ? "&drawn=1" : ""}${method ? `&method=${method}` : ""}`;

/** Where the picture lies on this map; null: nobody knows.  @param {Picture} picture  @param {ShownMap} map */
export function placeOn({ z, rate, place, of, stale }, { layout, part, method, fitSha }) {
  if (!method) return stale ? null : layout.place(z, rate);
  return of.method === method && of.part === part && of.sha === fitSha ? place : null;
}

/** Whether the server could say more for this map than it was asked.  @param {Picture} picture  @param {ShownMap} map */
export function outOfDate({ of }, { sha, part, method, finished, fitSha }) {
  if (of.sha !== sha) return true;
  return (
    Boolean(method) &&
    finished &&
    fitSha === sha &&
    !(of.method === method && of.part === part && of.finished && of.fitSha === fitSha)
  );
}

/** Why it has no place on this map, a sentence.  @param {Picture} picture  @param {ShownMap} map */
export function whyNowhere({ lost }, { sha, finished, fitSha }, asking = false) {
  if (asking) return "Its place on this map is being looked up.";
  if (lost) return `It has no mark on this map: ${lost}`;
  if (!finished) return "This map is not finished yet, so it has no mark on it.";
  return fitSha === sha
    ? "This map cannot place it, so it has no mark."
    : "This map is of older weights, so it has no mark on it.";
}

export class OwnPicture {
  /** @type {Picture | null} */ picture = null;
  /** @type {string | null} the map that the server is asked about */ asking = null;
  calls = 0;

  /**
   * `encode`: on the map of now; `changed`: there is a newer answer.
   *
   * @param {{ encode: (blob: Blob, drawn: boolean) => Promise<Picture>, changed: () => void }} on
   */
  constructor(on) {
    this.on = on;
  }

  /** Another picture, or null. */
  take(picture) {
    this.calls += 1;
    this.asking = null;
    this.picture = picture;
  }

  /**
   * The place on this map, or null and why; asked for again where the map is another.
   *
   * @param {ShownMap} map
   */
  locate(map) {
    const { picture } = this;
    if (!picture) return null;
    if (outOfDate(picture, map)) this._ask(picture, map);
    const place = placeOn(picture, map);
    return { place, why: place ? "" : whyNowhere(picture, map, Boolean(this.asking)) };
  }

  async _ask(picture, map) {
    const key = [map.sha, map.part, map.method, map.finished, map.fitSha].join();
    if (key === this.asking) return;
    this.asking = key;
    const call = ++this.calls;
    let newer;
    try {
      newer = await this.on.encode(picture.blob, picture.drawn);
    } catch (error) {
      newer = {
        ...picture,
        of: map,
        place: null,
        lost: error.message,
        stale: picture.stale || picture.of.sha !== map.sha,
      };
    }
    if (call !== this.calls) return;
    this.asking = null;
    this.picture = newer;
    this.on.changed();
  }
}
