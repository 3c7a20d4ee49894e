// The real image whose code is nearest to z, beside the decoded one.

/** @import { Codes } from "../shared/codes.js" */
/** @import { HeldOut } from "./held_out.js" */
/** @import { Images } from "./images.js" */
/** @import { Picture } from "./picture.js" */
/** @import { Support } from "./supports.js" */
/** @import { Vector } from "../shared/types.js" */

export class NearestImage {
  /** @type {number | null} the image that is shown, or fetched to be */ wanted = null;

  /** @param {Support} kind  @param {HeldOut} heldOut  @param {Images} images  @param {Picture} picture */
  constructor(kind, heldOut, images, picture) {
    this.kind = kind;
    this.heldOut = heldOut;
    this.images = images;
    this.picture = picture;
  }

  /** Another run. */
  clear() {
    this.wanted = null;
    this.picture.sayReal("");
    this.picture.clearReal();
  }

  /**
   * Show the nearest to z; its pixels are not asked for while z moves. `sha`: the weights that decode z.
   *
   * @param {Vector} z
   * @param {string} sha
   * @param {boolean} moving
   */
  show(z, sha, moving) {
    const { codes } = this.heldOut;
    const found = codes && this.kind.nearest(codes.loc, z.length, z);
    if (!codes || !found) return;
    const { index, distance } = found;
    const title = this.images.title(index);
    const old = this.heldOut.sha === sha ? "" : ", by the codes of an earlier snapshot";
    this.picture.sayReal(`${title}, ${this.kind.distance(distance)}${old}`, `Start from ${title}`);
    if (index === this.wanted) return;
    const bytes = this.heldOut.here(index);
    this.wanted = bytes || !moving ? index : null;
    if (bytes) this.picture.showReal(index, bytes, codes.header);
    else this._fetch(codes, index);
  }

  /** @param {Codes} codes  @param {number} index */
  async _fetch(codes, index) {
    this.picture.clearReal();
    if (this.wanted === null) return; // z moves: later
    try {
      const bytes = await codes.image(index);
      if (codes === this.heldOut.codes && index === this.wanted) this.picture.showReal(index, bytes, codes.header);
    } catch (error) {
      this.wanted = null;
      this.picture.sayReal(error.message);
    }
  }
}
