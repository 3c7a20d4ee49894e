// Which of many are shown: by a rule that the page can state, not the prettiest.

const WORST = 0.1; // share of the draws, those that lie farthest from codes

/** `count` of the tenth of the first `m` draws that have the lowest scores, evenly through it, the lowest first. */
export function farthest(scores, m, count) {
  const order = Array.from({ length: m }, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  const worst = order.slice(0, Math.max(count, Math.floor(WORST * m)));
  return spread(worst.length, count).map((at) => worst[at]);
}

/** `count` of n, evenly through them. */
export function spread(n, count) {
  return Array.from({ length: Math.min(count, n) }, (_, i) => Math.floor((i * n) / Math.min(count, n)));
}
