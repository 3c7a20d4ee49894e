// What the modules of the Map page hand to one another. Types alone: no page loads this file.

import type { Handle } from "../decoder/client.js";
import type { Codes } from "../shared/codes.js";
import type { MapCanvas } from "./canvas.js";
import type { Vector } from "../shared/types.js";

/** Across and upwards. */
export type Place = [x: number, y: number];

export type Tone = "light" | "dark";

/** A box in the data's coordinates, y upwards. */
export interface Bounds {
  left: number;
  right: number;
  bottom: number;
  top: number;
}

/** What is shown, as it stands in the address. */
export interface MapView {
  method: string;
  /** The two dimensions of "dims". */
  i: number;
  j: number;
  colour: string;
  part: string;
}

/** What Python tells of a kind of map (ui/map/view.py, vae/space/projections.py). */
export interface Method {
  name: string;
  title: string;
  kind: "linear" | "fitted" | "line";
  about: string;
}

/** What Python says of the map (ui/components/map.py). */
export interface MapData {
  run: string;
  k: number;
  support: "real" | "binary";
  methods: Method[];
  view: MapView;
  problem: string;
  /** Whether the finding "holes" is kept for the newest weights. */
  holes: boolean;
  /** Whether there is no server: nothing can be encoded. */
  offline?: boolean;
}

/** A kind of map: how codes become places, and which code a place stands for. */
export interface Layout {
  /** Names of the axes, "" where they mean nothing. */
  axes: [across: string, upwards: string];
  /** Whether the latent is made of bits: places are those of probabilities, and stand for the nearest code. */
  bits: boolean;
  /** Whether a place decodes to itself. */
  exact: boolean;
  /** Whether it is a plane of latent space: then it has `point`, `ellipse` and `priorCentre`. */
  linear: boolean;
  places(loc: Float32Array): Float32Array;
  place(z: Vector, rate?: number): Place | null;
  /** The same array each time; null where nothing is near. */
  code(x: number, y: number): Float64Array | null;
  point?(x: number, y: number): Float64Array;
  ellipse?(spread: Spread): Ellipse;
  readonly priorCentre?: Place | null;
  /** Its places, where they follow no formula. */
  xy?: Float32Array;
}

/** The spread of a q(z|x): logarithms of its variances, or its whole covariance (k·k numbers). */
export interface Spread {
  log_variance?: ArrayLike<number> | null;
  covariance?: ArrayLike<number> | null;
}

export interface Ellipse {
  major: number;
  minor: number;
  angle: number;
}

/** Principal components as the server computes them. */
export interface Plane {
  method: string;
  mean: number[];
  components: [number[], number[]];
  explained: [number, number];
}

/** How far a process that computes a map has come. */
export interface FitStatus {
  state: "absent" | "starting" | "fitting" | "finished" | "stopped" | "failed";
  iteration: number;
  total: number;
  kl?: number | null;
  n?: number;
  seconds?: number;
  message?: string;
  tag?: string;
}

/** Colours of points: an index for each, and what the indices stand for. */
export interface Colouring {
  kinds: Uint8Array;
  palette: string[];
  classes: { index: number; name: string; count: number }[] | null;
  range: { low: number; high: number } | null;
  title: string;
  unit: string;
  /** What the ends of the range mean, where that needs words. */
  ends?: [low: string, high: string];
}

/** What the finding "holes" keeps (ui/live/holes.py): log q(z)/p(z) by its classifier, in nats. */
export interface Holes {
  k: number;
  m: number;
  /** Of each held-out image's code, (n,). */
  score: Float32Array;
  /** Draws from the prior, (m, k), and their scores. */
  prior: Float32Array;
  priorScore: Float32Array;
}

/** A point and how far away it is. */
export interface Near {
  index: number;
  distance: number;
}

/** Where the pointer is on the map. */
export interface Pointed {
  x: number;
  y: number;
  /** Decimals that tell neighbouring pixels apart. */
  digits: number;
  near?: Near;
}

/** The map that is shown: of which weights and part, and of which fit its places are. */
export interface ShownMap {
  layout: Layout;
  /** The newest weights. */
  sha: string;
  part: string;
  /** Of the process whose places it shows; null where it has a formula. */
  method: string | null;
  finished?: boolean;
  /** The weights of the places. */
  fitSha?: string;
}

/** A picture of one's own: what the server answered, and for which map. */
export interface Picture extends Spread {
  z: number[];
  rate: number;
  place: Place | null;
  /** As the model sees it, bytes. */
  image: number[];
  note: string;
  blob: Blob;
  drawn: boolean;
  of: ShownMap;
  /** Why it could not be placed. */
  lost?: string;
  /** Whether it is of older weights. */
  stale?: boolean;
}

/** A mark of what came from outside. */
export interface Arrival {
  place: Place | null;
  spread: Spread | null;
}

/** A picture of the decoder beneath the points; x and y its middle. */
export interface Tile {
  key: string;
  x: number;
  y: number;
  width: number;
  height: number;
  left?: number;
  top?: number;
}

/** What a file of the chosen points says of their places. */
export interface Placed {
  xy: Float32Array;
  method: string;
  names: string[];
}

export type Describe = (index: number) => string;

/** What a map is drawn of. */
export interface MapSource {
  run: string;
  sha: string;
  codes: Codes;
  view: MapView;
  kind: Method["kind"];
  /** The code at which a pair of dimensions holds the others. */
  base: Float64Array;
  bits?: boolean;
}

/** What the parts of the page ask of the whole (map.js). */
export interface MapState {
  readonly codes: Codes | null;
  readonly layout: Layout | null;
  readonly decoder: Handle;
  readonly canvas: MapCanvas;
  readonly view: MapView;
  readonly bits: boolean;
}
