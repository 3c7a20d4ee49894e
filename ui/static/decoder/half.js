// Half precision (IEEE 754 binary16) to float32. Exact: every half is a float32.

const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);
const SCALE = 2 ** 112; // the two exponents' biases differ by 127 − 15; multiplying also makes subnormals normal

/** Write the halves, given as a Uint16Array, into `out` (Float32Array of the same length). */
export function expandHalves(halves, out) {
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const special = (half & 0x7c00) === 0x7c00; // infinite or not a number
    bits[0] = ((half & 0x8000) << 16) | ((half & 0x7fff) << 13) | (special ? 0x7f800000 : 0);
    out[i] = special ? scratch[0] : scratch[0] * SCALE;
  }
  return out;
}
