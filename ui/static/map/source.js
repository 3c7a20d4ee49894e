// Where the places of a map come from: a formula, a plane that the server finds, or a process that computes them.

import { fetchBytes } from "../shared/codes.js";
import { Fit } from "./layout_fit.js";
import { FittedLayout, LineLayout, LinearLayout } from "./layouts.js";

const text = new TextDecoder();

/**
 * The spread of one image's q(z|x): it came with the codes, or the server tells it; null: then without an ellipse.
 *
 * @returns {Promise<Spread | null>}
 */
export async function spreadOf(run, sha, part, { logVariance, header: { k } }, index) {
  if (logVariance) return { log_variance: logVariance.subarray(index * k, index * k + k) };
  try {
    const spread = JSON.parse(
      text.decode(await fetchBytes(`runs/${encodeURIComponent(run)}/posterior/${sha}?part=${part}&index=${index}`)),
    );
    return spread.covariance ? spread : null;
  } catch {
    return null;
  }
}

/** @import { Codes } from "../shared/codes.js" */
/** @import { FitStatus, MapSource, Plane, Spread } from "./types.js" */

export class LayoutSource {
  /** @type {Map<string, Plane>} the server's answers, by address */ planes = new Map();
  /** @type {Plane | null} the newest of them */ plane = null;
  calls = 0;
  /** @type {Fit | null} */ fit;
  /** @type {{ run: string, sha: string, part: string, method: string }} what the fit was asked for */ asked;
  /** @type {string} the same but for the weights */ followed;
  /** @type {Codes} */ codes;
  /** @type {boolean} */ bits;
  /** @type {Float32Array | null} the newest of the fit */ places;
  /** @type {FitStatus | null} */ status;
  /** @type {boolean} whether the fit is of older weights */ outdated;

  /**
   * `on`: place(layout, { fit, glide, method: whose places they are, if not of the view's }), status(of a fit or null, whether it is of older weights), start() (nobody has computed it yet),
   * touched() (whether the user has moved the map), problem(sentence).
   */
  constructor(on, fetch = fetchBytes) {
    this.on = on;
    this.fetch = fetch;
  }

  close() {
    this.calls += 1;
    this.fit?.close();
    this.fit = null;
  }

  /** A fit was asked for: look for it. */
  expect() {
    this.fit?.expect();
  }

  /**
   * `fit`: show all of it. `kind` of the view’s method: linear, fitted or line, as Python tells. `base`: the code at which a
   * pair of dimensions holds the others. `bits`: codes are 0 and 1.
   *
   * @param {MapSource} source
   * @param {boolean} fit
   */
  async show({ run, sha, codes, view, kind, base, bits = false }, fit) {
    const { method, part } = view;
    this.bits = bits;
    const { k } = codes.header;
    if (this.fit && this.followed === [run, part, method].join()) return void this._renew(sha, codes);
    this.close();
    const call = this.calls;
    if (kind !== "fitted") this.on.status(null);
    if (method === "line") return void this.on.place(new LineLayout(codes.rate, bits), { fit });
    if (method === "plane") return void this.on.place(LinearLayout.pair(2, 0, 1), { fit });
    if (method === "dims") return void this.on.place(LinearLayout.pair(k, view.i, view.j, base, bits), { fit });
    const start = await this._plane(run, sha, part, kind === "linear" ? method : null);
    if (call !== this.calls) return;
    if (kind === "linear") return void (start && this.on.place(start, { fit }));
    if (!start) return;
    this.on.place(new FittedLayout(start.places(codes.loc), codes.loc, k, bits), { fit, method: this.plane.method });
    this._follow({ run, sha, part, method }, codes);
  }

  /** Newer weights: a map of a process stays where it is, now standing for the newer codes of the same images. */
  _renew(sha, codes) {
    this.outdated = sha !== this.fit.sha;
    this.codes = codes;
    if (this.places) this._put(this.places, { fit: false, glide: false });
    if (this.status) this.on.status(this.status, this.outdated);
  }

  _put(places, how) {
    this.places = places;
    this.on.place(new FittedLayout(places, this.codes.loc, this.codes.header.k, this.bits), how);
  }

  /** A linear projection of the codes; null: the one that a process's places set out from. */
  async _plane(run, sha, part, method) {
    const address = `runs/${encodeURIComponent(run)}/plane/${sha}?part=${part}${method ? `&method=${method}` : ""}`;
    try {
      if (!this.planes.has(address)) this.planes.set(address, JSON.parse(text.decode(await this.fetch(address))));
      this.plane = this.planes.get(address);
      return LinearLayout.pca(this.plane, this.bits);
    } catch (error) {
      this.on.problem(error.message);
      return null;
    }
  }

  /** The places of a fit as they come; it is started where there are none. */
  _follow(asked, codes) {
    let [started, shown] = [false, 0];
    this.codes = codes;
    this.places = this.status = null;
    this.outdated = false;
    this.followed = [asked.run, asked.part, asked.method].join();
    this.asked = asked;
    this.fit = new Fit(
      asked,
      {
        received: (status, places) => {
          if (places?.length === 2 * codes.header.n && (status.iteration > 0 || status.state === "finished")) {
            this._put(places, { fit: shown === 0 || !this.on.touched() });
            shown += 1;
          }
          this.status = status;
          this.on.status(status, this.outdated);
          if (status.state !== "absent" || started) return;
          started = true;
          this.on.start();
        },
        failed: (sentence) => this.on.problem(sentence),
      },
      this.fetch,
    );
  }
}
