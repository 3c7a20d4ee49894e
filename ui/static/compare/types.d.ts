// What the modules of the Compare page hand to one another. Types alone: no page loads this file.

import type { ImageShape } from "../shared/types.js";

export type Support = "real" | "binary";

/** What z of A means for B. */
export type Meaning = "aligned" | "numbers";

/** Means over the images and their standard errors; null where there is none. */
export interface Term {
  name: "elbo" | "distortion" | "rate" | "squared_error";
  title: string;
  unit: string;
  a: number;
  a_error: number | null;
  b: number;
  b_error: number | null;
  /** B − A. */
  difference: number;
  error: number | null;
  n: number;
}

/** A dimension of A and the one of B that goes with it. */
export interface Match {
  a: number;
  b: number;
  sign: 1 | -1;
  correlation: number;
}

/** What stands before the numbers (ui/live/comparison.py). */
export interface ComparisonHeader {
  state: "done";
  names: [string, string];
  n: number;
  k: [number, number];
  supports: [Support, Support];
  source: string;
  terms: Term[];
  incomparable: string;
  noise: string;
  about_terms: string;
  about_movement: string;
  about_neighbours: Record<string, string>;
  neighbours: number[];
  matches: Match[];
  turns: boolean;
  axes: [string, string];
  origins: [[number, number] | null, [number, number] | null];
}

/** One of the two runs, as Python tells. */
export interface SideData {
  run: string;
  k: number;
  rates: number[] | null;
  support: Support;
  factorises: boolean;
  image: ImageShape;
  /** Of a moment that it kept; null: the newest weights. */
  step: number | null;
  /** Of a moment's weights; null: the newest. */
  sha: string | null;
}

/** What Python says to every part of the page. */
export interface CompareData {
  /** Of A: its name, for what goes back to Python. */
  run: string;
  a: SideData;
  b: SideData;
  start: Record<string, string>;
}
