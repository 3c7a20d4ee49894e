// Pointer, wheel, touch and keys on the map, as what they mean. No drawing here.

const STILL = 4; // pixels that a click may wander
const STEP = 12; // pixels per arrow key
const FAR = 72; // pixels that Shift and an arrow key move the map
const ZOOM = 1.35;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @import { Place } from "./types.js"
 *
 * @typedef {object} Hand  What is asked of the map. Pixels are CSS pixels from the top left corner of the stage.
 * @property {(px: number | null, py?: number) => void} hover  null: the pointer has left
 * @property {(dx: number, dy: number) => void} pan
 * @property {(px: number, py: number, factor: number) => void} zoom
 * @property {(px: number, py: number) => void} choose
 * @property {(points: Place[] | null, done: boolean) => void} shape  a lasso or box as it is drawn
 * @property {() => void} showAll
 * @property {() => void} clear
 */

/**
 * The corners of a box from one corner to the other.
 *
 * @param {Place} from
 * @param {Place} to
 * @returns {Place[]}
 */
export const corners = ([ax, ay], [bx, by]) => [
  [ax, ay],
  [bx, ay],
  [bx, by],
  [ax, by],
];

export class Input {
  /** @type {"pan" | "lasso" | "box"} what a drag does */ mode = "pan";
  /** @type {Map<number, Place>} fingers, pens and mice that are down */ pointers = new Map();
  /** @type {Place} where the first went down */ began;
  /** @type {boolean} whether it has moved since */ wandered;
  /** @type {"lasso" | "box"} */ drawing;
  /** @type {Place[] | null} as far as it is drawn */ shape = null;
  /** @type {Place | null} where pointer or keys have been */ cursor = null;
  /** @type {Place | null} the first corner of a box drawn with the keys */ anchor = null;

  /** @param {HTMLElement} stage  @param {Hand} on */
  constructor(stage, on) {
    this.stage = stage;
    this.on = on;
    const listen = (name, handle, options) =>
      stage.addEventListener(name, (event) => handle.call(this, event), options);
    listen("pointerdown", this._down);
    listen("pointermove", this._move);
    listen("pointerup", this._up);
    listen("pointercancel", this._up);
    listen("pointerleave", this._leave);
    listen("wheel", this._wheel, { passive: false });
    listen("keydown", this._key);
    listen("dblclick", this._double);
    listen("blur", () => this.on.hover(null));
  }

  /** @returns {Place} */
  _at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  _double(event) {
    if (!event.target.closest("button")) this.on.zoom(...this._at(event), 2);
  }

  _down(event) {
    if (event.button > 0 || event.target.closest("button")) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this._at(event));
    this.began = this._at(event);
    this.wandered = false;
    if (this.pointers.size > 1) this._drop();
    else if (this.mode !== "pan" || event.shiftKey) {
      this.drawing = this.mode === "box" ? "box" : "lasso";
      this.shape = [this.began];
    }
  }

  _move(event) {
    const at = this._at(event);
    const before = this.pointers.get(event.pointerId);
    this.cursor = at;
    if (!before) {
      return this.on.hover(...at);
    }
    if (Math.hypot(at[0] - this.began[0], at[1] - this.began[1]) > STILL) this.wandered = true;
    if (this.pointers.size > 1) this._pinch(event.pointerId, before, at);
    else if (this.shape) this._extend(at);
    else if (this.wandered) this.on.pan(at[0] - before[0], at[1] - before[1]);
    this.pointers.set(event.pointerId, at);
    return undefined;
  }

  _extend(at) {
    if (this.drawing === "box") this.shape = corners(this.began, at);
    else this.shape?.push(at);
    this.on.shape(this.shape, false);
  }

  _pinch(id, before, at) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const span = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    this.on.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.on.zoom((at[0] + other[0]) / 2, (at[1] + other[1]) / 2, span(at) / span(before));
    this.wandered = true;
  }

  _up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const at = this._at(event);
    if (this.shape) {
      const shape = this.shape;
      this.shape = null;
      this.on.shape(this.wandered ? shape : null, true);
      if (this.wandered) return;
    }
    if (!this.wandered && event.type === "pointerup") this.on.choose(...at);
  }

  _leave(event) {
    if (!this.pointers.size && event.pointerType === "mouse") this.on.hover(null);
  }

  _drop() {
    if (this.shape) this.on.shape(null, true);
    this.shape = this.anchor = null;
  }

  _wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 32 : 1;
    this.on.zoom(
      ...this._at(event),
      Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * (event.ctrlKey ? 0.008 : 0.0018)),
    );
  }

  _key(event) {
    if (event.target !== this.stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const { clientWidth, clientHeight } = this.stage;
    this.cursor ??= [clientWidth / 2, clientHeight / 2];
    if (this._act(event, this.cursor)) event.preventDefault();
  }

  /** Whether the key means something, and it is done.  @param {KeyboardEvent} event  @param {Place} cursor */
  _act({ key, shiftKey }, cursor) {
    if (key in ARROWS) {
      const [dx, dy] = ARROWS[key];
      if (shiftKey) this.on.pan(-dx * FAR, -dy * FAR);
      else this.cursor = this._step(cursor, dx * STEP, dy * STEP);
      this.on.hover(...(this.cursor ?? cursor));
    } else if (key === "+" || key === "=") this.on.zoom(...cursor, ZOOM);
    else if (key === "-" || key === "_") this.on.zoom(...cursor, 1 / ZOOM);
    else if (key === "0") this.on.showAll();
    else if (key === "Enter") this.on.choose(...cursor);
    else if (key === " ") this._corner(cursor);
    else if (key === "Escape") {
      this._drop();
      this.on.clear();
    } else return false;
    return true;
  }

  /** Where the cursor comes to; at the edge the map moves beneath it.  @returns {Place} */
  _step([x, y], dx, dy) {
    const { clientWidth, clientHeight } = this.stage;
    const to = [x + dx, y + dy];
    /** @type {Place} */
    const cursor = [Math.min(clientWidth - 1, Math.max(0, to[0])), Math.min(clientHeight - 1, Math.max(0, to[1]))];
    if (to[0] !== cursor[0] || to[1] !== cursor[1]) this.on.pan(-dx * 4, -dy * 4);
    if (this.anchor) this.on.shape(corners(this.anchor, cursor), false);
    return cursor;
  }

  /** Space sets a corner of a box, and then the other.  @param {Place} cursor */
  _corner(cursor) {
    if (this.anchor) {
      this.on.shape(corners(this.anchor, cursor), true);
      this.anchor = null;
    } else {
      this.anchor = cursor;
      this.on.shape(corners(cursor, cursor), false);
    }
  }
}
