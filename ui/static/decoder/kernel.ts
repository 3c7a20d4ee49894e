// The decoder's arithmetic in SIMD WebAssembly. kernel.wasm is committed; to build it again, from this folder and with
// AssemblyScript 0.28.20 (`npm ci` in ui/, then ui/node_modules/.bin/asc):
//
//   asc kernel.ts -o kernel.wasm -O3 --runtime stub --enable simd --importMemory --noAssert
//
// Nothing here allocates: network.js plans the memory and passes addresses (bytes). All numbers are float32.
// Matrices of weights lie in panels of 8 columns, [M/8][K][8], M padded to a multiple of 8: read from front to back.

const CACHED = 1 << 15; // numbers

/**
 * y (rows, M) = x (rows, runs·K) · w (runs·K, M) + b (M); b = 0 stands for no bias. Rows of x begin xStride numbers
 * apart, rows of y yStride. A row of x is `runs` runs of K neighbours, the runs runStride apart: the window of a
 * convolution lies so in its image. What M lacks to a whole panel is computed and not stored.
 */
export function matmul(
  x: usize,
  xStride: i32,
  runs: i32,
  runStride: i32,
  w: usize,
  b: usize,
  y: usize,
  yStride: i32,
  rows: i32,
  K: i32,
  M: i32,
): void {
  const xStep = (<usize>xStride) << 2,
    yStep = (<usize>yStride) << 2,
    step = (<usize>runStride) << 2,
    length = (<usize>K) << 2,
    panel = (<usize>runs * length) << 3;
  // as many rows at a time as stay in the cache while all weights pass by once
  const chunk = max(4, (CACHED / (runs * K)) & ~3);
  for (let begin = 0; begin < rows; begin += chunk) {
    const end = min(rows, begin + chunk);
    for (let m = 0, p = w; m < M; m += 8, p += panel) {
      const bias = b + ((<usize>m) << 2),
        column = y + ((<usize>m) << 2);
      const first = b ? v128.load(bias) : f32x4.splat(0),
        second = b ? v128.load(bias, 16) : f32x4.splat(0);
      for (let row = begin; row < end && rows >= 4; row += 4) {
        // 4 rows x 8 columns stay in registers; the last block may begin among rows that are done
        const top = <usize>min(row, rows - 4);
        const from = x + top * xStep;
        let a0 = first,
          a1 = second,
          b0 = first,
          b1 = second,
          c0 = first,
          c1 = second,
          d0 = first,
          d1 = second;
        let q = p;
        for (let run = 0, x0 = from; run < runs; run++, x0 += step) {
          const x1 = x0 + xStep,
            x2 = x1 + xStep,
            x3 = x2 + xStep;
          for (let k: usize = 0; k < length; k += 4, q += 32) {
            const w0 = v128.load(q),
              w1 = v128.load(q, 16);
            let s = v128.load32_splat(x0 + k);
            a0 = f32x4.add(a0, f32x4.mul(s, w0));
            a1 = f32x4.add(a1, f32x4.mul(s, w1));
            s = v128.load32_splat(x1 + k);
            b0 = f32x4.add(b0, f32x4.mul(s, w0));
            b1 = f32x4.add(b1, f32x4.mul(s, w1));
            s = v128.load32_splat(x2 + k);
            c0 = f32x4.add(c0, f32x4.mul(s, w0));
            c1 = f32x4.add(c1, f32x4.mul(s, w1));
            s = v128.load32_splat(x3 + k);
            d0 = f32x4.add(d0, f32x4.mul(s, w0));
            d1 = f32x4.add(d1, f32x4.mul(s, w1));
          }
        }
        let out = column + top * yStep;
        put(out, a0, a1, M - m);
        out += yStep;
        put(out, b0, b1, M - m);
        out += yStep;
        put(out, c0, c1, M - m);
        out += yStep;
        put(out, d0, d1, M - m);
      }
      for (let row = begin; row < end && rows < 4; row++) {
        let a0 = first,
          a1 = second,
          q = p;
        for (let run = 0, x0 = x + <usize>row * xStep; run < runs; run++, x0 += step)
          for (let k: usize = 0; k < length; k += 4, q += 32) {
            const s = v128.load32_splat(x0 + k);
            a0 = f32x4.add(a0, f32x4.mul(s, v128.load(q)));
            a1 = f32x4.add(a1, f32x4.mul(s, v128.load(q, 16)));
          }
        put(column + <usize>row * yStep, a0, a1, M - m);
      }
    }
  }
}

/** The first `count` of eight numbers, all of them from 8 on. */
function put(out: usize, first: v128, second: v128, count: i32): void {
  if (count >= 8) {
    v128.store(out, first);
    v128.store(out, second, 16);
    return;
  }
  if (count & 4) {
    v128.store(out, first);
    first = second;
    out += 16;
  }
  if (count & 2) {
    v128.store64_lane(out, first, 0);
    first = i64x2.shuffle(first, first, 1, 1);
    out += 8;
  }
  if (count & 1) v128.store32_lane(out, first, 0);
}

/**
 * The second half of a transposed convolution: out (outHeight, outWidth, channels) = bias, plus every input position's
 * block of taps (sizeY, sizeX, channels), from `taps` (height·width, M), where it lands: row y·strideY − top + ky.
 */
export function fold(
  taps: usize,
  bias: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  sizeY: i32,
  sizeX: i32,
  strideY: i32,
  strideX: i32,
  top: i32,
  left: i32,
  M: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixel = (<usize>channels) << 2,
    all = <usize>(outHeight * outWidth) * pixel;
  memory.copy(out, bias, pixel);
  for (let done = pixel; done < all; done <<= 1) memory.copy(out + done, out, min(done, all - done));
  for (let y = 0; y < height; y++)
    for (let ky = 0; ky < sizeY; ky++) {
      const outY = y * strideY - top + ky;
      if (outY < 0 || outY >= outHeight) continue;
      for (let x = 0; x < width; x++) {
        // taps along kx are neighbours in both places: one run of numbers
        const begin = x * strideX - left;
        const first = max(0, -begin),
          last = min(sizeX, outWidth - begin);
        let from = taps + ((<usize>((y * width + x) * M + (ky * sizeX + first) * channels)) << 2);
        let to = out + <usize>(outY * outWidth + begin + first) * pixel;
        let count = (last - first) * channels;
        for (; count >= 4; count -= 4, from += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
        for (; count > 0; count--, from += 4, to += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
      }
    }
}

/** out (outHeight, outWidth, channels) = 0, x where it lands with its corner at (top, left): padding, or cropping. */
export function pad(
  x: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  top: i32,
  left: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixel = (<usize>channels) << 2,
    row = <usize>outWidth * pixel;
  const first = max(0, left),
    last = min(outWidth, left + width);
  memory.fill(out, 0, <usize>outHeight * row);
  if (last <= first) return;
  for (let y = max(0, top), end = min(outHeight, top + height); y < end; y++)
    memory.copy(
      out + <usize>y * row + <usize>first * pixel,
      x + <usize>((y - top) * width + first - left) * pixel,
      <usize>(last - first) * pixel,
    );
}

/** out = each pixel's nearest in x, floor(y · height / outHeight). */
export function nearest(
  x: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixel = (<usize>channels) << 2,
    row = <usize>outWidth * pixel;
  let before = -1;
  for (let y = 0; y < outHeight; y++, out += row) {
    const from = <i32>((<i64>y * height) / outHeight);
    if (from === before) {
      memory.copy(out, out - row, row);
      continue;
    }
    before = from;
    for (let c = 0, to = out; c < outWidth; c++) {
      let p = x + <usize>(from * width + <i32>((<i64>c * width) / outWidth)) * pixel;
      let count = channels;
      for (; count >= 4; count -= 4, p += 16, to += 16) v128.store(to, v128.load(p));
      for (; count > 0; count--, p += 4, to += 4) store<f32>(to, load<f32>(p));
    }
  }
}

/** out = x between its pixels, linear along both sides; a place in x is y · stepY + firstY, no less than 0. */
export function bilinear(
  x: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  stepY: f64,
  firstY: f64,
  stepX: f64,
  firstX: f64,
): void {
  const pixel = (<usize>channels) << 2;
  for (let y = 0; y < outHeight; y++) {
    const placeY = max(0.0, y * stepY + firstY),
      y0 = min(<i32>placeY, height - 1),
      y1 = min(y0 + 1, height - 1);
    const v = <f32>(placeY - y0),
      above: f32 = 1.0 - v;
    for (let c = 0; c < outWidth; c++) {
      const placeX = max(0.0, c * stepX + firstX),
        x0 = min(<i32>placeX, width - 1),
        x1 = min(x0 + 1, width - 1);
      const u = <f32>(placeX - x0),
        before: f32 = 1.0 - u;
      const a = x + <usize>(y0 * width + x0) * pixel,
        b = x + <usize>(y0 * width + x1) * pixel,
        d = x + <usize>(y1 * width + x0) * pixel,
        e = x + <usize>(y1 * width + x1) * pixel;
      const wa = before * above,
        wb = u * above,
        wd = before * v,
        we = u * v;
      let i: usize = 0;
      for (; i + 16 <= pixel; i += 16, out += 16) {
        const upper = f32x4.add(
          f32x4.mul(f32x4.splat(wa), v128.load(a + i)),
          f32x4.mul(f32x4.splat(wb), v128.load(b + i)),
        );
        const lower = f32x4.add(
          f32x4.mul(f32x4.splat(wd), v128.load(d + i)),
          f32x4.mul(f32x4.splat(we), v128.load(e + i)),
        );
        v128.store(out, f32x4.add(upper, lower));
      }
      for (; i < pixel; i += 4, out += 4)
        store<f32>(
          out,
          wa * load<f32>(a + i) + wb * load<f32>(b + i) + (wd * load<f32>(d + i) + we * load<f32>(e + i)),
        );
    }
  }
}

/** out = x + y; counts here and below are multiples of 4, and out may be x. */
export function add(x: usize, y: usize, out: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16, y += 16, out += 16)
    v128.store(out, f32x4.add(v128.load(x), v128.load(y)));
}

/** out = x ⊙ y. */
export function multiply(x: usize, y: usize, out: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16, y += 16, out += 16)
    v128.store(out, f32x4.mul(v128.load(x), v128.load(y)));
}

/** out (rows, period) = x ⊙ scale + shift, scale and shift (period). */
export function affine(x: usize, scale: usize, shift: usize, out: usize, rows: i32, period: i32): void {
  for (let row = 0; row < rows; row++) {
    let i: usize = 0;
    const end = (<usize>period) << 2;
    for (; i + 16 <= end; i += 16, x += 16, out += 16)
      v128.store(out, f32x4.add(f32x4.mul(v128.load(x), v128.load(scale + i)), v128.load(shift + i)));
    for (; i < end; i += 4, x += 4, out += 4)
      store<f32>(out, load<f32>(x) * load<f32>(scale + i) + load<f32>(shift + i));
  }
}

/**
 * out (positions, groups, width) = x, each group's mean over positions and width taken off, over its standard deviation
 * (its variance by the count, and eps), ⊙ scale + shift, (groups, width). Sums are kept in double precision.
 */
export function normalise(
  x: usize,
  scale: usize,
  shift: usize,
  out: usize,
  positions: i32,
  groups: i32,
  width: i32,
  eps: f64,
): void {
  const step = (<usize>(groups * width)) << 2,
    length = (<usize>width) << 2,
    count = <f64>positions * width;
  for (let group = 0; group < groups; group++, x += length, out += length, scale += length, shift += length) {
    const mean = sumOfPowers(x, positions, step, length, 0, false) / count;
    const variance = sumOfPowers(x, positions, step, length, <f32>mean, true) / count;
    const off = <f32>mean,
      unit = <f32>(1 / sqrt(variance + eps));
    for (let position = 0, p = x, q = out; position < positions; position++, p += step, q += step) {
      let i: usize = 0;
      for (; i + 16 <= length; i += 16) {
        const s = f32x4.mul(f32x4.sub(v128.load(p + i), f32x4.splat(off)), f32x4.splat(unit));
        v128.store(q + i, f32x4.add(f32x4.mul(s, v128.load(scale + i)), v128.load(shift + i)));
      }
      for (; i < length; i += 4)
        store<f32>(q + i, (load<f32>(p + i) - off) * unit * load<f32>(scale + i) + load<f32>(shift + i));
    }
  }
}

/** Σ (x − off), or Σ (x − off)², over rows of `length` bytes that are `step` apart. */
function sumOfPowers(x: usize, rows: i32, step: usize, length: usize, off: f32, squared: bool): f64 {
  let low = f64x2.splat(0),
    high = f64x2.splat(0),
    rest: f64 = 0;
  for (let row = 0; row < rows; row++, x += step) {
    let i: usize = 0;
    for (; i + 16 <= length; i += 16) {
      let d = f32x4.sub(v128.load(x + i), f32x4.splat(off));
      if (squared) d = f32x4.mul(d, d);
      low = f64x2.add(low, f64x2.promote_low_f32x4(d));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(d, d, 1, 1)));
    }
    for (; i < length; i += 4) {
      const d = <f64>(load<f32>(x + i) - off);
      rest += squared ? d * d : d;
    }
  }
  low = f64x2.add(low, high);
  return rest + f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
}

/** x = max(x, 0) in place. */
export function relu(x: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) v128.store(x, f32x4.max(v128.load(x), f32x4.splat(0)));
}

/** Where x < 0: slope · x. */
export function leakyRelu(x: usize, count: i32, slope: f32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) {
    const s = v128.load(x);
    v128.store(x, v128.bitselect(f32x4.mul(s, f32x4.splat(slope)), s, f32x4.lt(s, f32x4.splat(0))));
  }
}

/** Where x < 0: alpha · (e^x − 1). */
export function elu(x: usize, count: i32, alpha: f32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) {
    const s = v128.load(x);
    const below = f32x4.mul(f32x4.splat(alpha), f32x4.sub(exp(f32x4.min(s, f32x4.splat(0))), f32x4.splat(1)));
    v128.store(x, v128.bitselect(below, s, f32x4.lt(s, f32x4.splat(0))));
  }
}

/** 1 / (1 + e^−x). */
export function sigmoid(x: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) v128.store(x, logistic(v128.load(x)));
}

/** x / (1 + e^−x). */
export function silu(x: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) {
    const s = v128.load(x);
    v128.store(x, f32x4.mul(s, logistic(s)));
  }
}

/** tanh |x| = (1 − e) / (1 + e), e = e^−2|x|; below 0.625 by Cephes' polynomial, which keeps a small x's digits. */
export function tanh(x: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) {
    const s = v128.load(x),
      size = f32x4.abs(s),
      square = f32x4.mul(s, s);
    const e = exp(f32x4.neg(f32x4.add(size, size)));
    let far = f32x4.div(f32x4.sub(f32x4.splat(1), e), f32x4.add(f32x4.splat(1), e));
    far = v128.bitselect(f32x4.neg(far), far, f32x4.lt(s, f32x4.splat(0)));
    let near = f32x4.add(f32x4.splat(2.06390887954e-2), f32x4.mul(square, f32x4.splat(-5.70498872745e-3)));
    near = f32x4.add(f32x4.splat(-5.37397155531e-2), f32x4.mul(square, near));
    near = f32x4.add(f32x4.splat(1.33314422036e-1), f32x4.mul(square, near));
    near = f32x4.add(f32x4.splat(-3.33332819422e-1), f32x4.mul(square, near));
    near = f32x4.add(s, f32x4.mul(f32x4.mul(s, square), near));
    v128.store(x, v128.bitselect(near, far, f32x4.lt(size, f32x4.splat(0.625))));
  }
}

/**
 * x Φ(x) with the normal's distribution Φ: erf by Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most. `curved`: by
 * x σ(2 √(2/π) (x + 0.044715 x³)), the form with a tanh.
 */
export function gelu(x: usize, count: i32, curved: bool): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) {
    const s = v128.load(x);
    v128.store(x, f32x4.mul(s, curved ? logistic(cubic(s)) : distribution(s)));
  }
}

function cubic(s: v128): v128 {
  const cube = f32x4.mul(f32x4.mul(s, s), s);
  return f32x4.mul(f32x4.splat(1.5957691216), f32x4.add(s, f32x4.mul(f32x4.splat(0.044715), cube)));
}

function distribution(s: v128): v128 {
  const size = f32x4.mul(f32x4.abs(s), f32x4.splat(0.70710678118));
  const t = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), f32x4.mul(f32x4.splat(0.3275911), size)));
  let tail = f32x4.add(f32x4.splat(-1.453152027), f32x4.mul(t, f32x4.splat(1.061405429)));
  tail = f32x4.add(f32x4.splat(1.421413741), f32x4.mul(t, tail));
  tail = f32x4.add(f32x4.splat(-0.284496736), f32x4.mul(t, tail));
  tail = f32x4.mul(t, f32x4.add(f32x4.splat(0.254829592), f32x4.mul(t, tail)));
  tail = f32x4.mul(f32x4.mul(f32x4.splat(0.5), tail), exp(f32x4.neg(f32x4.mul(size, size))));
  return v128.bitselect(tail, f32x4.sub(f32x4.splat(1), tail), f32x4.lt(s, f32x4.splat(0)));
}

function logistic(s: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp(f32x4.neg(s))));
}

/** e^x = 2^n e^r with n whole and |r| <= ½ log 2, e^r by a polynomial (Cephes' expf: 1e-7 of the value). */
function exp(s: v128): v128 {
  s = f32x4.max(f32x4.min(s, f32x4.splat(88)), f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(s, f32x4.splat(1.44269504088896341)));
  let r = f32x4.sub(s, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
  let p = f32x4.add(f32x4.splat(1.3981999507e-3), f32x4.mul(r, f32x4.splat(1.98756915e-4)));
  p = f32x4.add(f32x4.splat(8.3334519073e-3), f32x4.mul(r, p));
  p = f32x4.add(f32x4.splat(4.1665795894e-2), f32x4.mul(r, p));
  p = f32x4.add(f32x4.splat(1.6666665459e-1), f32x4.mul(r, p));
  p = f32x4.add(f32x4.splat(5.0000001201e-1), f32x4.mul(r, p));
  p = f32x4.add(f32x4.add(f32x4.splat(1), r), f32x4.mul(f32x4.mul(r, r), p));
  return f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23));
}
