// The tone of the ground a component stands on. It follows the app's theme, whatever the system prefers.

/** Relative luminance (0 black, 1 white) of a CSS colour as computed styles give it, or null if it is not one. */
export function luminance(colour) {
  const text = colour.trim();
  const hex = /^#([0-9a-f]{6}|[0-9a-f]{3})/i.exec(text);
  let parts;
  if (hex) {
    const digits = hex[1].length === 3 ? [...hex[1]].map((d) => d + d).join("") : hex[1];
    parts = [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16));
  } else {
    const numbers = /^rgba?\(([^)]*)\)/i.exec(text);
    if (!numbers) return null;
    parts = numbers[1]
      .split(/[\s,/]+/)
      .slice(0, 3)
      .map(Number);
  }
  if (parts.length < 3 || !parts.every(Number.isFinite)) return null;
  const [r, g, b] = parts.map((p) => (p / 255 <= 0.04045 ? p / 255 / 12.92 : ((p / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** A custom property as a colour that canvases and `luminance` read, however it is written. */
function computed(root, property) {
  const probe = document.createElement("span");
  probe.style.color = `var(${property}, #fff)`;
  root.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Give `root` (an element with class "er") the tone of Streamlit's background colour. */
export function followTheme(root) {
  const light = luminance(computed(root, "--st-background-color"));
  root.dataset.tone = light !== null && light < 0.2 ? "dark" : "light";
}

/** The size of the page's type, 1 where it is the usual: canvases, which know no rem, draw their words by it. */
export const typeScale = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 || 1;

/**
 * The computed colours by idea, for canvases.
 *
 * @returns {import("./types.js").Palette}
 */
export function colours(root) {
  const names = [
    "distortion",
    "rate",
    "elbo",
    "prior",
    "posterior",
    "sample",
    "text",
    "ground",
    "card",
    "faint",
    "hair",
    "track",
  ];
  const found = Object.fromEntries(names.map((name) => [name, computed(root, `--er-${name}`)]));
  return /** @type {import("./types.js").Palette} */ ({
    ...found,
    font: getComputedStyle(root).fontFamily,
    type: typeScale(),
  });
}
