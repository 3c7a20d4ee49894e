// Numbers and counts of the Compare page as people read them.

import { whole } from "../shared/format.js";

/** Whether six decimals show an error: a smaller one is of rounding, not of sampling. */
const isShown = (error) => error >= 5e-7 && Number.isFinite(error);

/** Decimals that show two digits of an error, six at most; two where there is none. */
const decimalsFor = (error) => (isShown(error) ? Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(error)))) : 2);

/** `−2.31 ± 0.12`; the number alone where no error is known. `signed`: with a + where it is above 0. */
export function withError(value, error, signed = false) {
  if (value === null || !Number.isFinite(value)) return "–";
  const digits = decimalsFor(error);
  const write = (number) =>
    number
      .toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .replace(/^-(?=[0.,]*$)/, "")
      .replace("-", "−");
  const plus = signed && Number(value.toFixed(digits)) > 0 ? "+" : "";
  return plus + write(value) + (isShown(error) ? ` ± ${write(error)}` : "");
}

/** `1 image`, `2,000 images`. */
export const counted = (count, thing) => `${whole(count)} ${thing}${count === 1 ? "" : "s"}`;

/** What a lasso holds: how far these moved, and how many of their neighbours stayed, beside all images. */
export function aboutSelection(n, moved, allMoved, kept, allKept, count) {
  const share = ({ mean, error }) => withError(100 * mean, 100 * error);
  return (
    `${n === 1 ? "It moved" : "They moved"} by ${withError(moved.mean, moved.error)} prior standard deviations ` +
    `(all images: ${allMoved.mean.toFixed(2)}); of ${n === 1 ? "its" : "their"} ${count} nearest ` +
    `${share(kept)} % stayed (all: ${(100 * allKept.mean).toFixed(0)} %).`
  );
}

/** What a side is called in a saved picture: its run, and the step of one of its moments. */
export const named = ({ run, step }) => (step === null || step === undefined ? run : `${run} at step ${step}`);
