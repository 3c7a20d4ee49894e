// What several modules hand to one another, written down once. Types alone: no page loads this file.

/** Height, width and channels (1 or 3) of an image whose bytes lie in this order. */
export interface ImageShape {
  height: number;
  width: number;
  channels: number;
}

/** The shape of a model: k latent dimensions, and its images. */
export interface ModelShape extends ImageShape {
  k: number;
}

/** A code z, or what lies in its space: k numbers. */
export type Vector = Float64Array | Float32Array | number[];

/** What the rows of codes are, as the server describes them (ui/live/codes.py). */
export interface CodesHeader extends ModelShape {
  n: number;
  /** The images' source in words. */
  source: string;
  /** "test", "train": the parts of the data that have codes. */
  parts: string[];
  /** Names of the labels, where they have any. */
  classes: string[] | null;
  /** The user's own file, where the images' rows in it are known. */
  rows_of: string | null;
  /** Bytes of the names of the images' files; 0 where they are not known. */
  file_bytes?: number;
  labels: boolean;
  label_bytes: 1 | 2;
  log_variance: boolean;
  /** Nats per dimension; of the marginals where `marginals` says so. */
  rate_per_dim: number[] | null;
  marginals: boolean;
}

/** Codes of n images, one row each; see codes.js. */
export interface CodeRows {
  header: CodesHeader;
  /** E_q[z], (n, k). */
  loc: Float32Array<ArrayBuffer>;
  /** log Var_q[z], (n, k), where q factorises. */
  logVariance: Float32Array<ArrayBuffer> | null;
  /** Nats. */
  rate: Float32Array<ArrayBuffer>;
  distortion: Float32Array<ArrayBuffer>;
  /** Indices into the header's classes. */
  labels: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | null;
  /** Rows in the header's `rows_of`. */
  rows: Uint32Array<ArrayBuffer> | null;
  /** The names of the images' files. */
  files?: string[] | null;
}

/** q(z|x) of one image: its mean, or the probabilities of bits; and its spread, where there is one and it is known. */
export interface Posterior {
  loc: Vector;
  /** The code to start from: the mean, or the likeliest bits. */
  code?: Vector;
  /** Standard deviations of the marginals. */
  scale?: Float64Array | null;
  /** Lower triangular, L Lᵀ = the covariance, (k, k) row by row. */
  L?: Float64Array;
}

/** A slider's range: from low to high, N(loc, scale²) behind it. */
export interface Range {
  low: number;
  high: number;
  loc: number;
  scale: number;
}

/** What Streamlit gives to a renderer: the data from Python, and ways back to it. */
export interface Component<Data = unknown> {
  parentElement: ShadowRoot;
  data: Data;
  /** A value that stays until it is another. */
  setStateValue(name: string, value: unknown): void;
  /** A value of one rerun. */
  setTriggerValue(name: string, value: unknown): void;
}

/** What a renderer keeps on the page. */
export interface View<Data = unknown> {
  update(data: Data, component: Component<Data>): void;
  destroy(): void;
}

/** A timer of the browser, or of Node, where it need not keep the process alive. */
export type Timer = number & { unref?(): void };

/** The page's colours by idea, and its font; see palette.js. */
export interface Palette {
  type: number; // the size of the page's type, 1 the usual
  distortion: string;
  rate: string;
  elbo: string;
  prior: string;
  posterior: string;
  sample: string;
  text: string;
  ground: string;
  card: string;
  faint: string;
  hair: string;
  track: string;
  font: string;
}

/** An answer of the server that is no success. */
export interface AnswerError extends Error {
  status?: number;
}
