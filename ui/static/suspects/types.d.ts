// What Python tells the table of suspects (ui/suspects/table.py). Types alone: no page loads this file.

/** One image; numbers as they are read. */
export interface Row {
  index: number;
  place: string;
  file: string;
  label: string | null;
  /** What the neighbours say, where it is another label. */
  suggested: string | null;
  differ: string;
  rate: string;
  distortion: string;
  elbo: string;
  log_px: string;
  badges: string[];
  marked: boolean;
  note: string;
  /** Data addresses: the image, its reconstruction, the residual. */
  pictures: string[];
}

export interface TableData {
  run: string;
  part: string;
  rows: Row[];
  sort: string;
  ascending: boolean;
  sorts: string[];
  page: number;
  pages: number;
  /** The place of the first row in the list, from 1 on. */
  first: number;
  found: number;
  all: number;
  k: number;
  labelled: boolean;
  markable: boolean;
}
