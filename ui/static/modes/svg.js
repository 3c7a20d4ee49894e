// Small drawings of lines and text.

const NAMESPACE = "http://www.w3.org/2000/svg";

/** An SVG element with attributes, and text where it is given. */
export function svg(tag, attributes = {}, text) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
