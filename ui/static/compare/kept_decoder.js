// The decoder of one of the two: of a run's newest weights, which follows its training, or of a moment that it kept.

import { Handle, SharedDecoder, openDecoder } from "../decoder/client.js";

/** @import { SideData } from "./types.js" */

/** The decoder of a moment: nothing newer ever takes its place. */
export class KeptDecoder extends SharedDecoder {
  /** @param {SideData} side  @param {ConstructorParameters<typeof SharedDecoder>[1]} [world] */
  constructor({ run, sha, step, k, image }, world) {
    super(run, world);
    this.moment = { sha, step, k, ...image };
  }

  address(path) {
    return super.address(`at/${this.moment.sha}/${path}`);
  }

  _received() {}

  leave(handle) {
    this.handles.delete(handle);
    if (this.handles.size) return;
    this.source?.close();
    this.source = null;
    this.current = false;
    clearTimeout(this.retry);
    kept.delete(idOf(this.moment.sha, this.run));
  }

  async _load() {
    if (this.model) return void this._install(this.model);
    const answer = await this.world.fetch(this.address("decoder"));
    if (answer.status === 409) this._install({ ...this.moment, decoder: null, reason: await answer.text() });
    else if (answer.ok) this._install(await this._open(this.moment, await answer.arrayBuffer()));
    else if (answer.status >= 500) throw new TypeError(`HTTP ${answer.status}`);
    else this._fail(await answer.text());
  }
}

const kept = new Map(); // those in use
const idOf = (sha, run) => `${sha}/${run}`;

/**
 * The decoder of a side; `onModel` as openDecoder calls it.
 *
 * @param {SideData} side
 * @param {{ onModel?: (handle: Handle) => void }} [on]
 */
export function openSide(side, on = {}) {
  if (!side.sha) return openDecoder(side.run, on);
  const id = idOf(side.sha, side.run);
  if (!kept.has(id)) kept.set(id, new KeptDecoder(side));
  return new Handle(kept.get(id), on.onModel);
}

/** Whether both sides of one are those of the other. */
export const sameSides = (one, other) =>
  Boolean(one && other) &&
  ["a", "b"].every((side) => idOf(one[side].sha, one[side].run) === idOf(other[side].sha, other[side].run));
