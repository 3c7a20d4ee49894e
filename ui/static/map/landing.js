// A picture from outside on the map: encoded by the server, marked where it lies, and said so beside its thumbnail.

import { Arrive, encode } from "./arrive.js";
import { OwnPicture, encodeAddress } from "./own.js";
import { aboutPicture } from "./words.js";

/** @import { MapCanvas } from "./canvas.js" */
/** @import { Picture, ShownMap } from "./types.js" */

export class Landing {
  /** @type {string} */ run;
  /** @type {boolean} whether codes are bits */ bits;

  /**
   * `map()` answers what is shown, null while nothing is; `landed(z)` is called with the code of a new picture.
   *
   * @param {MapCanvas} canvas
   * @param {{ map: () => ShownMap | null, landed: (z: Float64Array) => void }} on
   */
  constructor(canvas, on) {
    this.canvas = canvas;
    this.on = on;
    this.own = new OwnPicture({ encode: (blob, drawn) => this._send(blob, drawn), changed: () => this.mark() });
    this.arrive = new Arrive({
      send: (blob, drawn) => this._send(blob, drawn),
      landed: (answer) => this._landed(answer),
    });
  }

  /** Another run. */
  open(run, bits) {
    this.run = run;
    this.bits = bits;
    this.arrive.reset();
  }

  /** @returns {Promise<Picture>} */
  async _send(blob, drawn) {
    const of = this.on.map();
    if (!of) throw new Error("The codes are not there yet.");
    return { ...(await encode(encodeAddress(this.run, of, drawn), blob)), of, blob, drawn };
  }

  /** @param {Picture | null} answer */
  _landed(answer) {
    this.own.take(answer);
    this.mark();
    if (!answer) return "";
    this.on.landed(Float64Array.from(answer.z));
    return this.arrive.note.textContent;
  }

  /** The picture's mark on the map of now, or none, and the sentence about it. */
  mark() {
    const { own, canvas } = this;
    const map = this.on.map();
    const found = map && own.locate(map);
    const { picture } = own;
    canvas.arrivals = [];
    if (found && picture) {
      canvas.arrivals = [{ place: found.place, spread: picture.log_variance || picture.covariance ? picture : null }];
      this.arrive.note.textContent = aboutPicture(picture, found, this.bits);
    }
    canvas.wake("over");
  }
}
