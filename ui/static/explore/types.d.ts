// What the modules of the sliders' mode hand to one another. Types alone: no page loads this file.

/** What Python says (ui/components/explore.py). */
export interface ExploreData {
  run: string;
  k: number;
  /** Nats. */
  rates: number[] | null;
  /** z as the address has it. */
  z: string;
  support: "real" | "binary";
  /** Whether q does. */
  factorises: boolean;
  /** Whether z is the one that was released here last. */
  echo: boolean;
}

/** A movement without a hand; see motion.js. */
export interface Motion {
  at(now: number, z: Float64Array): { z: Float64Array; done: boolean };
  /** The one that moves, if it is one. */
  dimension?: number;
  /** Whether Python knows already where it ends. */
  quiet?: boolean;
}
