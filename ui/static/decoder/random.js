// A seeded generator: one seed gives one sample, on every machine. sfc32 (Doty-Humphrey, PractRand; public domain).

/** A function that gives uniform numbers in [0, 1), multiples of 2⁻³². `seed` is a whole number. */
export function seededUniform(seed) {
  let a = seed | 0,
    b = Math.floor(seed / 2 ** 32) | 0,
    c = 0x9e3779b9 | 0,
    counter = 1;
  const next = () => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 15; i++) next(); // until every bit of the seed has reached every bit of the state
  return next;
}

/** A function that gives standard normal numbers, in pairs by Box and Muller's transform. */
export function seededNormal(seed) {
  const uniform = seededUniform(seed);
  /** @type {number | null} */
  let spare = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
