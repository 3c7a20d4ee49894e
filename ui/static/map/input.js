// Pointer, wheel, touch and keys on the map, as what they mean. No drawing here.

const STILL = 4; // pixels that a click may wander
const STEP = 12; // pixels per arrow key
const FAR = 72; // pixels that Shift and an arrow key move the map
const ZOOM = 1.35;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The corners of a box from one corner to the other. */
export const corners = ([ax, ay], [bx, by]) => [
  [ax, ay],
  [bx, ay],
  [bx, by],
  [ax, by],
];

/**
 * `on`: hover(px, py) or hover(null), pan(dx, dy), zoom(px, py, factor), choose(px, py), shape(points or null, done),
 * fit(), clear(). Pixels are CSS pixels from the top left corner of `stage`.
 */
export class Input {
  constructor(stage, on) {
    Object.assign(this, { stage, on, mode: "pan", pointers: new Map(), shape: null, cursor: null, anchor: null });
    const listen = (name, handle, options) =>
      stage.addEventListener(name, (event) => handle.call(this, event), options);
    listen("pointerdown", this._down);
    listen("pointermove", this._move);
    listen("pointerup", this._up);
    listen("pointercancel", this._up);
    listen("pointerleave", this._leave);
    listen("wheel", this._wheel, { passive: false });
    listen("keydown", this._key);
    listen("dblclick", (event) => event.target.closest("button") || this.on.zoom(...this._at(event), 2));
    listen("blur", () => this.on.hover(null));
  }

  _at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
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
    else this.shape.push(at);
    this.on.shape(this.shape, false);
  }

  _pinch(id, before, at) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const span = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    this.on.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.on.zoom(...middle, span(at) / span(before));
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
    if (!this._act(event, clientWidth, clientHeight)) return;
    event.preventDefault();
  }

  _act(event, width, height) {
    const { key, shiftKey } = event;
    if (key in ARROWS) {
      const [dx, dy] = ARROWS[key];
      if (shiftKey) this.on.pan(-dx * FAR, -dy * FAR);
      else this._step(dx * STEP, dy * STEP, width, height);
      this.on.hover(...this.cursor);
    } else if (key === "+" || key === "=") this.on.zoom(...this.cursor, ZOOM);
    else if (key === "-" || key === "_") this.on.zoom(...this.cursor, 1 / ZOOM);
    else if (key === "0") this.on.fit();
    else if (key === "Enter") this.on.choose(...this.cursor);
    else if (key === " ") this._corner();
    else if (key === "Escape") {
      this._drop();
      this.on.clear();
    } else return false;
    return true;
  }

  /** Move the cursor; at the edge the map moves beneath it. */
  _step(dx, dy, width, height) {
    const to = [this.cursor[0] + dx, this.cursor[1] + dy];
    this.cursor = [Math.min(width - 1, Math.max(0, to[0])), Math.min(height - 1, Math.max(0, to[1]))];
    if (to[0] !== this.cursor[0] || to[1] !== this.cursor[1]) this.on.pan(-dx * 4, -dy * 4);
    if (this.anchor) this.on.shape(corners(this.anchor, this.cursor), false);
  }

  /** Space sets a corner of a box, and then the other. */
  _corner() {
    if (this.anchor) {
      this.on.shape(corners(this.anchor, this.cursor), true);
      this.anchor = null;
    } else {
      this.anchor = this.cursor;
      this.on.shape(corners(this.cursor, this.cursor), false);
    }
  }
}
