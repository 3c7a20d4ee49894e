// Codes of bits as numbers: all of them in an order, their probabilities under q(z|x) and under its mean over the data.

/** Codes of k bits shown at once at most: all of them, or a sample. */
export const SHOWN = 256;

/** n as its Gray code: neighbours differ in one bit. */
const gray = (n) => n ^ (n >> 1);

/** The k bits of n, the first the most significant. */
const bitsOf = (n, k) => Array.from({ length: k }, (_, i) => (n >> (k - 1 - i)) & 1);

/** All codes of k bits, (2^k, k), for a sheet of `columns` (a power of two): in the order of numbers ("plain"), or such
 *  that neighbours, across and down, differ in one bit ("gray"). */
export function allCodes(k, columns, order) {
  const across = Math.log2(columns);
  const place = (n) => (order === "gray" ? (gray(n >> across) << across) | gray(n & (columns - 1)) : n);
  return Float32Array.from({ length: 2 ** k }, (_, n) => place(n)).reduce(
    (codes, n, row) => {
      codes.set(bitsOf(n, k), row * k);
      return codes;
    },
    new Float32Array(2 ** k * k),
  );
}

/** Of each code (m, k) under the mean over n images of Π Ber(q): (m,). `loc` (n, k): the probabilities of a 1. */
export function aggregate(codes, loc, k) {
  const [m, n] = [codes.length / k, loc.length / k];
  const sums = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    for (let row = 0; row < m; row++) {
      let p = 1;
      for (let j = 0; j < k; j++) p *= codes[row * k + j] ? loc[i * k + j] : 1 - loc[i * k + j];
      sums[row] += p;
    }
  }
  return sums.map((sum) => sum / n);
}

/** −Σ p log p, nats. */
export const entropy = (probabilities) => -probabilities.reduce((sum, p) => (p > 0 ? sum + p * Math.log(p) : sum), 0);
