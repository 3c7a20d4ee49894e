// What a reconstruction lacks and what it adds, pixel by pixel, in colours.

/** @typedef {[number, number, number]} Rgb */

const channelsOf = (image) => image.data.length / 4;

/** x − f(z) of each pixel, the mean over its channels: (pixels,), −255 to 255. Bytes of x and the ImageData of f(z). */
export function residualOf(bytes, image, { channels }) {
  return Float32Array.from({ length: channelsOf(image) }, (_, pixel) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += bytes[pixel * channels + c] - image.data[4 * pixel + c];
    return sum / channels;
  });
}

/** The largest size of any of them, at least 1: both residuals are drawn on one scale. */
export const reachOf = (...residuals) =>
  Math.max(1, ...residuals.map((values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));

/**
 * RGBA bytes: `ground` where nothing is lacking, towards `lacking` where x is brighter, `added` where it is darker.
 *
 * @param {Float32Array} residual  @param {number} reach  @param {{ ground: Rgb, lacking: Rgb, added: Rgb }} inks
 */
export function paintResidual(residual, reach, { ground, lacking, added }) {
  const data = new Uint8ClampedArray(4 * residual.length);
  residual.forEach((value, pixel) => {
    const ink = value > 0 ? lacking : added;
    const share = Math.min(1, Math.abs(value) / reach);
    for (let c = 0; c < 3; c++) data[4 * pixel + c] = ground[c] + (ink[c] - ground[c]) * share;
    data[4 * pixel + 3] = 255;
  });
  return data;
}

/** "#rrggbb" or "rgb(r, g, b)" as numbers; middle grey where it is neither. @returns {Rgb} */
export function rgbOf(colour) {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour.trim());
  if (hex) return /** @type {Rgb} */ (hex.slice(1, 4).map((part) => parseInt(part, 16)));
  const numbers = /^rgba?\(([\d.]+)[, ]+([\d.]+)[, ]+([\d.]+)/.exec(colour.trim());
  return numbers ? /** @type {Rgb} */ (numbers.slice(1, 4).map(Number)) : [128, 128, 128];
}
