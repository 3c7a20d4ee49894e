// The two sets of images that a direction is made from: a class, all others, or images picked by hand.

/** What a set is written as in the address. */
export const SET = /^(class:\d{1,5}|rest|\d{1,7}(,\d{1,7})*|picked)$/;
export const SET_WORDS = "a label such as class:3, rest, or image numbers such as 4,12";

/**
 * All images of a label, all that the other set has not, or those picked by hand.
 *
 * @typedef {{ kind: "class" | "rest" | "picked", label?: number, rows?: number[] }} ImageSet
 */

/**
 * What the address says of a set.
 *
 * @returns {ImageSet}
 */
export function readSet(text) {
  if (text.startsWith("class:")) return { kind: "class", label: Number(text.slice(6)) };
  if (text === "rest") return { kind: "rest" };
  return { kind: "picked", rows: text === "picked" ? [] : [...new Set(text.split(",").map(Number))] };
}

export function writeSet(set) {
  if (set.kind === "class") return `class:${set.label}`;
  if (set.kind === "rest") return "rest";
  return set.rows.length ? set.rows.join(",") : "picked";
}

/** Image numbers of both sets, ascending, and why they are no two sets ("" if they are). */
export function rowsOfSets(a, b, codes) {
  const own = (set) => {
    if (set.kind === "picked") return set.rows.filter((row) => row < codes.header.n).sort((x, y) => x - y);
    if (set.kind === "rest" || !codes.labels) return null;
    return rows(codes, (i) => codes.labels[i] === set.label);
  };
  let [first, second] = [own(a), own(b)];
  if (a.kind === "rest" && b.kind === "rest") {
    return { a: [], b: [], problem: "Both sets are “every other image”: choose another for one of them." };
  }
  if (a.kind === "rest") first = others(codes, second ?? []);
  if (b.kind === "rest") second = others(codes, first ?? []);
  first ??= [];
  second ??= [];
  return { a: first, b: second, problem: problemOf(first, second) };
}

/** The label that stands in for the one that `set` names and the data have not: the first that `other` is not; null where
 *  nothing need stand in, "" where there are no labels at all. */
export function standIn(set, other, { labels }) {
  if (set.kind !== "class" || labels?.includes(set.label)) return null;
  if (!labels) return "";
  const there = [...new Set(labels)].sort((x, y) => x - y);
  return there.find((label) => other.kind !== "class" || label !== other.label) ?? there[0];
}

function problemOf(a, b) {
  if (!a.length || !b.length) {
    const empty = a.length ? "Set B is" : b.length ? "Set A is" : "Set A and set B are";
    return `${empty} empty: pick images, or choose a label.`;
  }
  const inA = new Set(a);
  const common = b.filter((row) => inA.has(row)).length;
  return common
    ? `The sets share ${common.toLocaleString("en-US")} ${common === 1 ? "image" : "images"}: choose two that share none.`
    : "";
}

function rows(codes, wanted) {
  const found = [];
  for (let i = 0; i < codes.header.n; i++) if (wanted(i)) found.push(i);
  return found;
}

function others(codes, taken) {
  const out = new Set(taken);
  return rows(codes, (i) => !out.has(i));
}

/** A picked set with `row` put in, or taken out if it is there. */
export const toggled = (set, row) => {
  const kept = set.kind === "picked" ? set.rows : [];
  return { kind: "picked", rows: kept.includes(row) ? kept.filter((one) => one !== row) : [...kept, row] };
};
