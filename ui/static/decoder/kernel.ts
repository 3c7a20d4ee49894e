// The decoder's arithmetic in SIMD WebAssembly. kernel.wasm is committed; to build it again, from this folder and with
// AssemblyScript 0.28.20 (`npm ci` in ui/, then ui/node_modules/.bin/asc):
//
//   asc kernel.ts -o kernel.wasm -O3 --runtime stub --enable simd --importMemory --noAssert
//
// Nothing here allocates: network.js plans the memory and passes addresses (bytes). All numbers are float32.
// Matrices of weights lie in panels of 8 columns, [M/8][K][8], M padded to a multiple of 8: read from front to back.

/** y (rows, M) = x (rows, K) · w (K, M) + b (M); b = 0 stands for no bias. Rows of x begin xStride numbers apart. */
export function matmul(x: usize, xStride: i32, w: usize, b: usize, y: usize, rows: i32, K: i32, M: i32): void {
  const xStep = (<usize>xStride) << 2,
    yStep = (<usize>M) << 2;
  let row = 0;
  for (; row + 4 <= rows; row += 4) {
    // 4 rows x 8 columns stay in registers
    const x1 = x + xStep,
      x2 = x1 + xStep,
      x3 = x2 + xStep;
    let p = w;
    for (let m: usize = 0; m < yStep; m += 32) {
      let a0 = b ? v128.load(b + m) : f32x4.splat(0),
        a1 = b ? v128.load(b + m, 16) : f32x4.splat(0);
      let b0 = a0,
        b1 = a1,
        c0 = a0,
        c1 = a1,
        d0 = a0,
        d1 = a1;
      for (let k: usize = 0, end = (<usize>K) << 2; k < end; k += 4, p += 32) {
        const w0 = v128.load(p),
          w1 = v128.load(p, 16);
        let s = v128.load32_splat(x + k);
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
      let out = y + m;
      v128.store(out, a0);
      v128.store(out, a1, 16);
      out += yStep;
      v128.store(out, b0);
      v128.store(out, b1, 16);
      out += yStep;
      v128.store(out, c0);
      v128.store(out, c1, 16);
      out += yStep;
      v128.store(out, d0);
      v128.store(out, d1, 16);
    }
    x = x3 + xStep;
    y += yStep << 2;
  }
  for (; row < rows; row++, x += xStep, y += yStep) {
    let p = w;
    for (let m: usize = 0; m < yStep; m += 32) {
      let a0 = b ? v128.load(b + m) : f32x4.splat(0),
        a1 = b ? v128.load(b + m, 16) : f32x4.splat(0);
      for (let k: usize = 0, end = (<usize>K) << 2; k < end; k += 4, p += 32) {
        const s = v128.load32_splat(x + k);
        a0 = f32x4.add(a0, f32x4.mul(s, v128.load(p)));
        a1 = f32x4.add(a1, f32x4.mul(s, v128.load(p, 16)));
      }
      v128.store(y + m, a0);
      v128.store(y + m, a1, 16);
    }
  }
}

/**
 * The second half of a transposed convolution: out (outHeight, outWidth, channels) = bias, plus every input position's
 * block of taps (size, size, channels), from `taps` (height·width, M), where it lands: row y·stride − padding + ky.
 */
export function fold(
  taps: usize,
  bias: usize,
  out: usize,
  height: i32,
  width: i32,
  channels: i32,
  size: i32,
  stride: i32,
  padding: i32,
  M: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const pixel = (<usize>channels) << 2,
    all = <usize>(outHeight * outWidth) * pixel;
  memory.copy(out, bias, pixel);
  for (let done = pixel; done < all; done <<= 1) memory.copy(out + done, out, min(done, all - done));
  for (let y = 0; y < height; y++)
    for (let ky = 0; ky < size; ky++) {
      const outY = y * stride - padding + ky;
      if (outY < 0 || outY >= outHeight) continue;
      for (let x = 0; x < width; x++) {
        // taps along kx are neighbours in both places: one run of numbers
        const left = x * stride - padding;
        const first = max(0, -left),
          last = min(size, outWidth - left);
        let from = taps + ((<usize>((y * width + x) * M + (ky * size + first) * channels)) << 2);
        let to = out + <usize>(outY * outWidth + left + first) * pixel;
        let count = (last - first) * channels;
        for (; count >= 4; count -= 4, from += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
        for (; count > 0; count--, from += 4, to += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
      }
    }
}

/** x = max(x, 0) in place; count is a multiple of 4. */
export function relu(x: usize, count: i32): void {
  for (const end = x + ((<usize>count) << 2); x < end; x += 16) v128.store(x, f32x4.max(v128.load(x), f32x4.splat(0)));
}
