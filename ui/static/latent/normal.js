// The prior N(0, I_k) in numbers: its quantiles, and how long its draws are. As in tests/oracles/latent_geometry.py.

/** Between which lengths ‖z‖ nine of ten draws from N(0, I_k) lie. */
export const normRange = (k) => [normQuantile(k, 0.05), normQuantile(k, 0.95)];

function normQuantile(k, p) {
  if (k === 1) return normalQuantile((1 + p) / 2);
  if (k === 2) return Math.sqrt(-2 * Math.log1p(-p));
  const h = 2 / (9 * k);
  return Math.sqrt(k * Math.max(0, 1 - h + normalQuantile(p) * Math.sqrt(h)) ** 3);
}

/** The share of draws from N(0, I_k) that are shorter than `length`: ‖z‖² is chi-squared, so the regularised incomplete
 *  gamma function P(a, x) = Σ_n x^(a+n) e^−x / Γ(a+n+1) at a = k/2, x = length²/2. */
export function shareShorter(k, length) {
  const [a, x] = [k / 2, (length * length) / 2];
  if (x === 0) return 0;
  if (x > a && x - a - a * Math.log(x / a) > 40) return 1; // Chernoff: fewer than e^−40 are longer
  let log = a * Math.log(x) - x - logGammaOfHalf(k + 2); // terms by their logarithms: the first may be far below 1e-308
  let [sum, n] = [Math.exp(log), 0];
  while (a + n < x || (sum > 0 && Math.exp(log) > 1e-17 * sum)) {
    n += 1;
    log += Math.log(x / (a + n));
    sum += Math.exp(log);
  }
  return Math.min(1, sum);
}

/** log Γ(k/2), k = 1, 2, ... */
function logGammaOfHalf(k) {
  let sum = k % 2 ? 0.5 * Math.log(Math.PI) : 0;
  for (let at = k % 2 ? 0.5 : 1; at < k / 2 - 0.25; at++) sum += Math.log(at);
  return sum;
}

/** How long a code is beside the prior's draws: "longer than 97.3 of 100 draws from the prior". */
export function lengthWords(k, length) {
  const shorter = shareShorter(k, length);
  const [word, share] = shorter < 0.5 ? ["shorter", 1 - shorter] : ["longer", shorter];
  return `${word} than ${share > 0.999 ? "over 99.9" : (100 * share).toFixed(1)} of 100 draws from the prior`;
}

/** @typedef {[numerator: number[], denominator: number[]]} Ratio coefficients of two polynomials */

/** @type {Ratio} */
const AROUND = [
  // coefficients of Wichura (1988), algorithm AS 241: numerator and denominator, constants first
  [
    3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
  ],
  [
    1, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
    3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852854561e3,
  ],
];
/** @type {Ratio} */
const BESIDE = [
  [
    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4,
  ],
  [
    1, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1,
    1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9,
  ],
];
const polynomial = (coefficients, x) => coefficients.reduceRight((sum, value) => sum * x + value, 0);
const ratio = (/** @type {Ratio} */ [above, below], x) => polynomial(above, x) / polynomial(below, x);

/** The standard normal's quantile, for p from 1e-11 to 1 − 1e-11, to the last digits. */
export function normalQuantile(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * ratio(AROUND, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(Math.min(p, 1 - p)));
  return Math.sign(q) * ratio(BESIDE, r - 1.6);
}
