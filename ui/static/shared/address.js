// The page's address, so that a link brings the view back.

/**
 * Write values into the address; null takes one out. Python writes the same ones when it hears of them, but as new
 * entries of the browser's history; where they stand there already it writes nothing, so that Back leaves the view
 * instead of taking back one drag of many.
 */
export function intoAddress(values) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  history.replaceState(history.state, "", address);
}
