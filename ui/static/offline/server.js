// The app's server for a page in a file of its own: it answers from what the file holds. No address here is on a network.
// What it exports is what shared/server.js exports.

import { held, heldPage } from "./held.js";
import { covarianceOf, unpackCodes, untile } from "./unpack.js";
import { readFrame } from "../shared/framing.js";

export const base = "offline:/";

/** The tiles of a PNG as images one behind the other. */
async function readImages(png, tiles) {
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), { colorSpaceConversion: "none" });
  const canvas = Object.assign(document.createElement("canvas"), { width: bitmap.width, height: bitmap.height });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0);
  return untile(context.getImageData(0, 0, bitmap.width, bitmap.height).data, tiles);
}

const json = (value) => new Response(JSON.stringify(value));
const refused = (status, sentence) => new Response(sentence, { status });

/** Answers addresses from what a file holds; `world` is replaced in tests. */
export class FileServer {
  /** @type {Uint8Array<ArrayBuffer> | undefined} the codes as the route sends them */ codes;
  /** @type {Promise<Uint8Array<ArrayBuffer>> | undefined} */ images;

  constructor(world = { held, page: heldPage, images: readImages }) {
    this.world = world;
    this.page = world.page();
  }

  /** @param {string} address  @returns {Promise<Response>} */
  async answer(address) {
    const { pathname, searchParams: query } = new URL(address, base);
    const [, , , what, sha] = pathname.split("/"); // /runs/{name}/{what}/{sha}
    switch (what) {
      case "decoder":
        return sha ? this._decoder() : json(this.page.newest);
      case "codes":
        return new Response((this.codes ??= unpackCodes(this.world.held("codes"))));
      case "images":
        return this._images(Number(query.get("first") ?? 0), Number(query.get("count") ?? Infinity));
      case "plane":
        return json(this.page.planes[query.get("method") ?? "pca"]);
      case "layout":
        return new Response(this.world.held(`layout-${query.get("method")}`));
      case "posterior":
        return this._posterior(Number(query.get("index")));
      default:
        return refused(503, "This page is a file of its own: nothing but its own decoder computes here.");
    }
  }

  _decoder() {
    const bytes = this.world.held("decoder");
    return bytes ? new Response(bytes) : refused(409, `This file holds no decoder: ${this.page.reason}`);
  }

  async _images(first, count) {
    const { newest, columns } = this.page;
    const { n } = readFrame(this.world.held("codes"), "codes").header;
    this.images ??= this.world.images(this.world.held("images"), { ...newest, n, columns });
    const size = newest.height * newest.width * newest.channels;
    return new Response((await this.images).subarray(first * size, (first + count) * size));
  }

  _posterior(index) {
    const bytes = this.world.held("covariances");
    if (!bytes) return refused(404, "This file holds no covariances of q(z|x).");
    return json({ log_variance: null, covariance: covarianceOf(bytes, this.page.newest.k, index) });
  }
}

/** @type {FileServer | null} */
let server = null;

/** The answer for an address.  @param {string} address */
export const ask = (address) => (server ??= new FileServer()).answer(address);

/** The answer for a file of ui/static/.  @param {string} name */
export async function askForFile(name) {
  const bytes = held(name);
  return bytes ? new Response(bytes) : refused(404, `${name} is not in this file`);
}
