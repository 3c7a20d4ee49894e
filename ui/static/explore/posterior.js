// q(z|x) of the held-out image in use: taken from its codes, and its covariance, where q does not factorise, from the
// server.

import { choleskyOf } from "../latent/space.js";

/** @import { HeldOut } from "./held_out.js" */
/** @import { Support } from "./supports.js" */
/** @import { Posterior } from "../shared/types.js" */

export class ImagePosterior {
  /** @type {number | null} the image in use */ index = null;
  /** @type {Posterior | null} */ known = null;

  /** `onKnown()` is called when it is another one, or more is known of it. */
  constructor(heldOut, onKnown) {
    /** @type {HeldOut} */
    this.heldOut = heldOut;
    this.onKnown = onKnown;
  }

  clear() {
    this.index = this.known = null;
  }

  /** Take over that of image `index`.  @param {number} index  @param {Support} kind  @param {boolean} factorises */
  read(index, kind, factorises) {
    const { codes } = this.heldOut;
    if (!codes) return;
    const { k } = codes.header;
    const row = (values) => Float64Array.from(values.subarray(index * k, (index + 1) * k));
    const loc = row(codes.loc);
    const scale = codes.logVariance && row(codes.logVariance).map((v) => Math.exp(0.5 * v));
    this.index = index;
    this.known = { loc, scale, code: kind.codeOf(loc) };
    this.onKnown();
    if (!factorises) this._fetchCovariance(codes, k);
  }

  async _fetchCovariance(codes, k) {
    const { known, index } = this;
    const covariance = await codes.covariance(index).catch(() => null); // none: there are newer weights, or no server
    if (!covariance || !known || known !== this.known) return;
    known.scale = Float64Array.from({ length: k }, (_, i) => Math.sqrt(covariance[i * k + i]));
    known.L = choleskyOf(covariance, k);
    this.onKnown();
  }
}
