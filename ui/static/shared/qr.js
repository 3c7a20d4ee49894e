// QR codes (ISO/IEC 18004) of a text's bytes, with error correction M: 15 % of a code may be hidden.

const GREATEST = 25; // version; 997 bytes in 117 x 117 modules: a screen shows no finer one that a phone could read
const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28]; // bytes per block
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21];
const MASKS = [
  (x, y) => (x + y) % 2,
  (_, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (((x / 3) | 0) + ((y / 2) | 0)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
]; // a module is turned over where this is 0

/** The code of a text: rows of 0 and 1 (dark), without the quiet zone of 4; null where the text is too long for one. */
export function qrCode(text, mask = null) {
  const bytes = new TextEncoder().encode(text);
  let version = 1;
  while (version <= GREATEST && dataBytes(version) < bytes.length + (version < 10 ? 2 : 3)) version++;
  if (version > GREATEST) return null;
  const words = interleaved(filled(bytes, version), version);
  const tried = (mask === null ? MASKS.map((_, i) => i) : [mask]).map((i) => drawn(words, version, i));
  return tried.reduce((best, one) => (penalty(one) < penalty(best) ? one : best));
}

const sideOf = (version) => 17 + 4 * version;

/** Bytes that hold data or checks: the modules that no pattern takes, by eights. */
function allBytes(version) {
  let free = 0;
  for (const row of patterns(version).taken) for (const taken of row) free += 1 - taken;
  return free >> 3;
}

const dataBytes = (version) => allBytes(version) - CHECKS[version - 1] * BLOCKS[version - 1];

/** Mode 4 (bytes), their number, they themselves, four zeros, and fillers up to the version's size. */
function filled(bytes, version) {
  const bits = [];
  const put = (value, count) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(4, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => put(byte, 8));
  put(0, 4);
  const made = Array.from({ length: bits.length / 8 }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((sum, bit) => 2 * sum + bit, 0),
  );
  for (let filler = 0xec; made.length < dataBytes(version); filler ^= 0xec ^ 0x11) made.push(filler);
  return made;
}

/** Data in blocks, each with its Reed-Solomon checks, then read across: first bytes of all blocks, second ones, ... */
function interleaved(data, version) {
  const [checks, blocks, all] = [CHECKS[version - 1], BLOCKS[version - 1], allBytes(version)];
  const short = Math.floor(all / blocks) - checks; // data bytes of the first blocks; the last ones have one more
  const longer = all % blocks;
  const made = [];
  for (let i = 0, at = 0; i < blocks; i++) {
    const length = short + (i >= blocks - longer ? 1 : 0);
    const part = data.slice(at, (at += length));
    made.push({ part, rest: remainder(part, generator(checks)) });
  }
  const result = [];
  for (let i = 0; i <= short; i++) for (const { part } of made) if (i < part.length) result.push(part[i]);
  for (let i = 0; i < checks; i++) for (const { rest } of made) result.push(rest[i]);
  return result;
}

/** Product in GF(256), modulo x^8 + x^4 + x^3 + x^2 + 1. */
function times(a, b) {
  let product = 0;
  for (let i = 7; i >= 0; i--) product = (product << 1) ^ ((product >> 7) * 0x11d) ^ (((b >> i) & 1) * a);
  return product;
}

/** (x - 1)(x - 2)(x - 4)..., the coefficients after the leading 1. */
function generator(degree) {
  const made = [...Array(degree - 1).fill(0), 1];
  for (let i = 0, root = 1; i < degree; i++, root = times(root, 2)) {
    for (let j = 0; j < degree; j++) made[j] = times(made[j], root) ^ (made[j + 1] ?? 0);
  }
  return made;
}

function remainder(data, divisor) {
  const rest = divisor.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ rest.shift();
    rest.push(0);
    divisor.forEach((coefficient, i) => (rest[i] ^= times(coefficient, factor)));
  }
  return rest;
}

/** Finders, timing, alignment and version: { dark, taken }, rows of 0 and 1. Taken is also the place of the format. */
function patterns(version) {
  const side = sideOf(version);
  const dark = Array.from({ length: side }, () => new Uint8Array(side));
  const taken = Array.from({ length: side }, () => new Uint8Array(side));
  const set = (x, y, value) => {
    if (dark[y]?.[x] !== undefined) [dark[y][x], taken[y][x]] = [+value, 1];
  };
  const rings = (cx, cy, radius) => {
    for (let y = -radius; y <= radius; y++)
      for (let x = -radius; x <= radius; x++) {
        const ring = Math.max(Math.abs(x), Math.abs(y));
        set(cx + x, cy + y, radius === 4 ? ring !== 2 && ring !== 4 : ring !== 1);
      }
  };
  for (let i = 0; i < side; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [x, y] of [
    [3, 3],
    [side - 4, 3],
    [3, side - 4],
  ])
    rings(x, y, 4);
  const places = alignments(version);
  const last = places.at(-1);
  for (const x of places)
    for (const y of places) {
      const finder = (x === 6 && (y === 6 || y === last)) || (x === last && y === 6);
      if (!finder) rings(x, y, 2);
    }
  for (let i = 0; i < 9; i++) {
    taken[8][i] = taken[i][8] = 1;
    if (i < 8) taken[8][side - 1 - i] = taken[side - 1 - i][8] = 1;
  }
  set(8, side - 8, true);
  if (version > 6) {
    const bits = (version << 12) | rest(version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) {
      const [a, b] = [side - 11 + (i % 3), Math.floor(i / 3)];
      set(a, b, (bits >> i) & 1);
      set(b, a, (bits >> i) & 1);
    }
  }
  return { dark, taken };
}

/** Rows and columns of the centres of the alignment patterns. */
function alignments(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = 2 * Math.floor((8 * version + 3 * count + 5) / (4 * count - 4));
  return [6, ...Array.from({ length: count - 1 }, (_, i) => sideOf(version) - 7 - (count - 2 - i) * step)];
}

/** The `degree` check bits of a BCH code. */
function rest(value, degree, divisor) {
  let left = value;
  for (let i = 0; i < degree; i++) left = (left << 1) ^ ((left >> (degree - 1)) * divisor);
  return left;
}

/** Two columns at a time from the right, upwards and downwards by turns, around what is taken; then mask and format. */
function drawn(words, version, mask) {
  const { dark, taken } = patterns(version);
  const side = sideOf(version);
  let at = 0;
  for (let right = side - 1; right > 0; right -= right === 8 ? 3 : 2) {
    // no pair stands astride column 6, the timing
    const up = ((right + 1) & 2) === 0;
    for (let i = 0; i < side; i++)
      for (const x of [right, right - 1]) {
        const y = up ? side - 1 - i : i;
        if (taken[y][x]) continue;
        dark[y][x] = ((words[at >> 3] >> (7 - (at & 7))) & 1) ^ +(MASKS[mask](x, y) === 0);
        at++;
      }
  }
  const format = ((mask << 10) | rest(mask, 10, 0x537)) ^ 0x5412; // M is written 00
  const bit = (i) => (format >> i) & 1;
  for (let i = 0; i < 15; i++) {
    dark[i < 6 ? i : i < 8 ? i + 1 : side - 15 + i][8] = bit(i); // down column 8
    dark[8][i < 8 ? side - 1 - i : i === 8 ? 7 : 14 - i] = bit(i); // leftwards along row 8
  }
  return dark.map((row) => [...row]);
}

/** How hard a code is to read: long runs, squares, what looks like a finder, more dark than light or less. */
function penalty(code) {
  const side = code.length;
  let dark = 0;
  let points = 0;
  for (const lines of [code, code.map((_, x) => code.map((row) => row[x]))]) {
    for (const line of lines) {
      const text = line.join("");
      for (const run of text.match(/0{5,}|1{5,}/g) ?? []) points += run.length - 2;
      points += 40 * (`0000${text}0000`.match(/(?=10111010000)|(?=00001011101)/g) ?? []).length;
    }
  }
  code.forEach((row, y) =>
    row.forEach((value, x) => {
      dark += value;
      if (x && y && row[x - 1] === value && code[y - 1][x] === value && code[y - 1][x - 1] === value) points += 3;
    }),
  );
  return points + 10 * Math.floor(Math.abs((20 * dark) / side ** 2 - 10));
}
