// Movement without a hand: easing z to a preset, and cycling through one dimension. Positions by time; no drawing.

export const EASE = 450; // milliseconds
export const PERIOD = 4000; // milliseconds there and back
export const FLIP = 700; // milliseconds between two flips of a bit

/** From one z to another, soft at both ends. at(now) -> {z, done}. */
export function easing(from, to, start, duration = EASE) {
  const begin = Float64Array.from(from);
  return {
    at(now) {
      const t = duration > 0 ? Math.min(1, Math.max(0, (now - start) / duration)) : 1;
      const share = t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2;
      const z = Float64Array.from(to, (value, i) => begin[i] + share * (value - begin[i]));
      return t < 1 ? { z, done: false } : { z: Float64Array.from(to), done: true };
    },
  };
}

/** Up and down the range of one dimension, from where it is. at(now, z) -> {z, done}. */
export function cycling(dimension, value, { low, high }, start, period = PERIOD) {
  const [middle, reach] = [(low + high) / 2, (high - low) / 2];
  const phase = Math.asin(Math.min(1, Math.max(-1, (value - middle) / reach)));
  return {
    dimension,
    at(now, z) {
      const next = Float64Array.from(z);
      next[dimension] = middle + reach * Math.sin(phase + (2 * Math.PI * (now - start)) / period);
      return { z: next, done: false };
    },
  };
}

/** One bit flipped again and again. at(now, z) -> {z, done}. */
export function flipping(dimension, value, start, period = FLIP) {
  return {
    dimension,
    at(now, z) {
      const next = Float64Array.from(z);
      next[dimension] = Math.floor((now - start) / period) % 2 ? value : 1 - value;
      return { z: next, done: false };
    },
  };
}

/** Pictures per second over the last second; NaN until two pictures came without a long pause. */
export class Pace {
  constructor(span = 1000) {
    this.span = span;
    this.times = [];
  }

  tick(now) {
    if (this.times.length && now - this.times.at(-1) > 300) this.times = []; // a new movement
    this.times.push(now);
    while (now - this.times[0] > this.span) this.times.shift();
  }

  get perSecond() {
    const { times } = this;
    const long = times.length > 1 ? times.at(-1) - times[0] : 0;
    return long > 150 ? (1000 * (times.length - 1)) / long : NaN;
  }
}
