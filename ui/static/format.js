// Numbers as people read them. Minus is the real minus sign, so that figures of one width line up.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const signed = (text) => text.replace("-", "−");

/** A whole number with thousands separators. */
export const whole = (value) => signed(grouped.format(value));

/** Nats (or any measured number) with digits that fit its size: 0.042, 4.71, 94.3, −1,204. */
export function nats(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 999.95) return whole(value);
  const text = value.toFixed(size >= 9.995 ? 1 : size >= 0.1 || size === 0 ? 2 : 3);
  return signed(Number(text) === 0 ? text.replace("-", "") : text);
}

/** C (or any positive number of unknown size) with three significant digits: 0.0125, 2.00, 36.2, 1,000. */
export function significant(value) {
  if (!Number.isFinite(value)) return "–";
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
    return signed(value.toExponential(2).replace("e+", "e"));
  }
  const digits = value === 0 ? 2 : 2 - Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3)))));
  return digits <= 0 ? whole(Number(value.toPrecision(3))) : signed(value.toFixed(digits));
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
