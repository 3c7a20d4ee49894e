// What a point's colour says: a label, or a number on a ramp.

/** Ten colours found by search: as far apart as can be for full, protan and deutan colour vision, by tone of ground. */
const CLASSES = {
  light: ["#8b53f7", "#fa8e45", "#218f90", "#9b2b42", "#789eff", "#b06a02", "#3f1772", "#68c5b1", "#5a5590", "#5a1b08"],
  dark: ["#655be8", "#e89e8f", "#2a9ad2", "#d2638c", "#b4c5ff", "#9e9c1e", "#993f9c", "#a1eecb", "#9a5d27", "#dde22b"],
};
/** viridis without its palest end, which the light ground would swallow; on a dark ground without its darkest. */
const VIRIDIS = [
  "#440154",
  "#482878",
  "#3e4989",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6ece58",
  "#b5de2b",
  "#fde725",
];
const ENDS = { light: [0, 0.88], dark: [0.18, 1] };
export const FAINT = { light: "#d3cec3", dark: "#3a3e47" };
export const STEPS = 256;

const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const write = (rgb) => `#${rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("")}`;

/** #rrggbb as the painter wants it, 0xBBGGRR. */
export function packed(hex) {
  const [r, g, b] = parse(hex);
  return r | (g << 8) | (b << 16);
}

/** The colour of a class; beyond ten they come again lighter or darker. */
export function classColour(index, tone) {
  const base = CLASSES[tone][index % CLASSES[tone].length];
  const round = Math.floor(index / CLASSES[tone].length);
  if (!round) return base;
  const towards = round % 2 ? (tone === "dark" ? 255 : 0) : tone === "dark" ? 60 : 235;
  const share = Math.min(0.6, 0.28 * Math.ceil(round / 2));
  return write(parse(base).map((v) => v + (towards - v) * share));
}

/** The colour `share` of the way from one to another. */
export const mixed = (from, to, share) => {
  const [a, b] = [parse(from), parse(to)];
  return write(a.map((v, i) => v + (b[i] - v) * share));
};

/** The ramp at 0..1. */
export function rampColour(at, tone) {
  const [low, high] = ENDS[tone];
  const place = Math.min(1, Math.max(0, low + (high - low) * at)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(place));
  return mixed(VIRIDIS[below], VIRIDIS[below + 1], place - below);
}

/** Where the ramp begins and ends: the middle 98 % of the values, so that a few far ones do not flatten the rest. */
export function rampRange(values) {
  const step = Math.max(1, Math.floor(values.length / 20_000));
  const some = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) some.push(values[i]);
  some.sort((a, b) => a - b);
  if (!some.length) return { low: 0, high: 1 };
  const low = some[Math.floor(0.01 * (some.length - 1))];
  const high = some[Math.ceil(0.99 * (some.length - 1))];
  return high > low ? { low, high } : { low: low - 0.5, high: high + 0.5 };
}

/**
 * What to colour by: "label", "rate", "distortion" or "z3" (`bits`: z3 is a probability).
 *
 * @param {import("../shared/types.js").CodeRows} codes
 * @param {string} by
 * @param {import("./types.js").Tone} tone
 * @returns {import("./types.js").Colouring}
 */
export function colouring(codes, by, tone, bits = false) {
  const { header, labels } = codes;
  if (by === "label" && labels) {
    const counts = new Map();
    for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
    const found = [...counts.keys()].sort((a, b) => a - b);
    const place = new Map(found.map((label, i) => [label, Math.min(i, STEPS - 1)]));
    const name = (label) => header.classes?.[label] ?? String(label);
    return {
      kinds: Uint8Array.from(labels, (label) => place.get(label) ?? 0),
      palette: found.slice(0, STEPS).map((_, i) => classColour(i, tone)),
      classes: found.slice(0, STEPS).map((label, i) => ({ index: i, name: name(label), count: counts.get(label) })),
      range: null,
      title: "label",
      unit: "",
    };
  }
  const ramp = quantity(codes, by, bits);
  if (!ramp)
    return {
      kinds: new Uint8Array(header.n),
      palette: [tone === "dark" ? "#8ab8dd" : "#2c5f8a"],
      classes: null,
      range: null,
      title: "",
      unit: "",
    };
  const { values, title, unit } = ramp;
  const range = rampRange(values);
  const scale = (STEPS - 1) / (range.high - range.low);
  const kinds = Uint8Array.from(values, (v) =>
    Math.min(STEPS - 1, Math.max(0, Math.round((v - range.low) * scale) || 0)),
  );
  return {
    kinds,
    palette: Array.from({ length: STEPS }, (_, i) => rampColour(i / (STEPS - 1), tone)),
    classes: null,
    range,
    title,
    unit,
  };
}

/** The numbers behind a ramp; null for what the codes do not have. */
function quantity({ header, loc, rate, distortion }, by, bits) {
  if (by === "rate") return { values: rate, title: "rate", unit: "nats" };
  if (by === "distortion") return { values: distortion, title: "distortion", unit: "nats" };
  const dimension = /^z(\d+)$/.exec(by);
  const j = dimension ? Number(dimension[1]) : -1;
  if (!(j >= 0 && j < header.k)) return null;
  const values = new Float32Array(header.n);
  for (let i = 0; i < header.n; i++) values[i] = loc[i * header.k + j];
  return { values, title: by, unit: bits ? "probability of a 1" : "prior standard deviations" };
}
