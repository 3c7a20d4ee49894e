// Numbers as people read them. Minus is the real minus sign, so that figures of one width line up.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const signed = (text) => text.replaceAll("-", "−");
const exponential = (value) => signed(value.toExponential(2).replace("e+", "e"));

/** Decimals of a number of nats below a thousand. */
function decimals(value) {
  const size = Math.abs(value);
  return size >= 9.995 ? 1 : size >= 0.1 || size === 0 ? 2 : 3;
}

/** A whole number with thousands separators. */
export const whole = (value) => signed(grouped.format(value));

/** Nats (or any measured number) with digits that fit its size: 0.042, 4.71, 94.3, −1,204, 1.98 M, 2.00e9. */
export function nats(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 999.5e6) return exponential(value);
  if (size >= 999_999.5) return `${signed((value / 1e6).toPrecision(3))} M`;
  if (size >= 999.95) return whole(value);
  const text = value.toFixed(decimals(value));
  return signed(Number(text) === 0 ? text.replace("-", "") : text);
}

/** @type {Map<number, Intl.NumberFormat>} */
const formats = new Map(); // making one costs more than drawing a chart

/** The format of numbers with thousands separators and so many decimals. */
export function fixed(/** @type {number} */ places) {
  let format = formats.get(places);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
    formats.set(places, format);
  }
  return format;
}

/** A sum and its two parts as texts, rounded so that the parts shown add up to the sum shown. */
export function addends(sum, part) {
  if (!(Math.max(Math.abs(sum), Math.abs(part)) < 999_999.5)) return [nats(part), nats(sum - part)];
  const places = Math.abs(sum) >= 999.95 ? 0 : decimals(sum);
  const rounded = (value) => Number(value.toFixed(places)) + 0; // never −0
  const first = rounded(part);
  return [first, rounded(rounded(sum) - first)].map((value) => signed(fixed(places).format(value)));
}

/** C (or any positive number of unknown size) with three significant digits: 0.0125, 2.00, 36.2, 1,000, 8.29e5. */
export function significant(value) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 99_950)) return exponential(value);
  const digits = value === 0 ? 2 : 2 - Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  return digits <= 0 ? whole(Number(value.toPrecision(3))) : signed(value.toFixed(digits));
}

/** C in as few signs as three digits allow: 2, 36.2, 1000, 5e6. */
export function terse(value) {
  const rounded = Number(value.toPrecision(3));
  const plain = rounded === 0 || (Math.abs(rounded) >= 1e-3 && Math.abs(rounded) < 1e5);
  return signed(plain ? String(rounded) : rounded.toExponential().replace("e+", "e"));
}

const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** A number where there is little room: 305, −20.9K. */
export const compact = (value) => signed(short.format(value));

/** A length of time in seconds: "38 s", "4 min 10 s", "1 h 12 min". */
export function duration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.floor(Math.round(seconds) / 60);
  if (minutes < 10) return `${minutes} min ${Math.round(seconds) % 60} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
