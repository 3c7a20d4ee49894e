// The scale of C: logarithmic, with the value marked at which the loss is best or is the ELBO. No drawing here.

/** Place of a value on the track, 0 to 1; values beyond the range stand at its ends. */
export function place(value, low, high) {
  return Math.min(1, Math.max(0, Math.log(value / low) / Math.log(high / low)));
}

/** The value at a place of the track, with three significant digits. */
export function valueAt(at, low, high) {
  const clamped = Math.min(1, Math.max(0, at));
  return Number((low * (high / low) ** clamped).toPrecision(3));
}

/**
 * One key press: small steps are a twentieth of a decade, large ones half; both land on a grid through 1 and 10. The
 * slack allows for the three digits to which the values of the grid are rounded.
 */
export function stepped(value, direction, large, low, high) {
  const perDecade = large ? 2 : 20;
  const at = Math.log10(value) * perDecade;
  const next = direction > 0 ? Math.floor(at + 0.06) + 1 : Math.ceil(at - 0.06) - 1;
  return Math.min(high, Math.max(low, Number((10 ** (next / perDecade)).toPrecision(3))));
}

/**
 * Where the marker stands. Where C belongs to the model: at the C that makes the squared error of now cost least,
 * D / (2 · its mean); else at 1, where the loss is −ELBO. Null while it is not known.
 */
export function optimum(ownsC, pixels, squaredError) {
  if (!ownsC) return 1;
  const best = pixels / (2 * squaredError);
  return Number.isFinite(best) && best > 0 ? best : null;
}

const APART = 2; // times the best C, or a half of it: nearer than that the noise is as wide as the errors

/** How the noise at C compares with the errors that remain, whose variance is 1 / (2 · best); "" while none is known. */
export function comparison(C, best) {
  if (best === null) return "";
  if (C > APART * best) return ", finer than the errors that remain";
  return C < best / APART ? ", wider than the errors that remain" : ", about as wide as the errors that remain";
}

/**
 * The two parts of a Gaussian distortion, C·‖x − f(z)‖² and (D/2)·log(π/C) = (D/2)·log(2πc), in nats. Where C moved
 * within the record the mean of the second is the record's `normaliser`; histories without it know only the last C.
 */
export function gaussianParts(C, { distortion, normaliser, squared_error: squaredError }, pixels) {
  if (Number.isFinite(normaliser)) return { squared: distortion - normaliser, constant: normaliser };
  return { squared: C * squaredError, constant: (pixels / 2) * Math.log(Math.PI / C) };
}

const LOWEST = 1e-30; // C that may be typed: C_LIMITS of vae/config.py
const HIGHEST = 1e30;

/**
 * What somebody typed as C: {value, problem}. `value` is a number or "fit", null if it cannot be one: then `problem`
 * says why. An empty field is neither. Decimal commas, thousands and the page's own minus are understood. `fits`:
 * whether training can learn C.
 */
export function readTyped(text, ownsC, fits = ownsC) {
  let cleaned = text.trim().replaceAll("−", "-");
  if (!cleaned) return { value: null, problem: "" };
  if (/^fit$/i.test(cleaned)) {
    if (fits) return { value: "fit", problem: "" };
    const problem = ownsC ? "A training loop of your own cannot fit C." : "Only a Gaussian likelihood can fit C.";
    return { value: null, problem };
  }
  const thousands = /^[1-9]\d{0,2}(,\d{3})+(\.\d*)?$/.test(cleaned);
  cleaned = thousands ? cleaned.replaceAll(",", "") : cleaned.replace(",", ".");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cleaned)) {
    return { value: null, problem: `C is a positive number such as 2 or 0.05${fits ? ", or fit" : ""}.` };
  }
  const value = Number(cleaned);
  if (value >= LOWEST && value <= HIGHEST) return { value, problem: "" };
  return { value: null, problem: "C must be positive, from 1e−30 to 1e30." };
}
