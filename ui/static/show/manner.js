// How a view is shown, all of it in the address: `show`, the size of its type in percent, for a room; `controls`, what
// others may do where a link leads.

export const SIZES = [100, 120, 140, 160, 180, 200]; // percent
export const USUAL = 140;
export const CONTROLS = {
  "": "as on any page",
  hidden: "the pictures without menus and forms: sliders and maps move",
  locked: "look only: nothing moves",
};

/** The manner that an address asks for: { size, controls }; size 0: not for a room. What is neither is left out. */
export function mannerOf(search) {
  const asked = new URLSearchParams(search);
  const size = Number(asked.get("show"));
  const controls = asked.get("controls") ?? "";
  return { size: SIZES.includes(size) ? size : 0, controls: Object.hasOwn(CONTROLS, controls) ? controls : "" };
}

/** What the address holds of a manner: null takes a value out. */
export const parameters = ({ size, controls }) => ({ show: size ? String(size) : null, controls: controls || null });

/** The address that a class is given of the view at `here`: in ordinary type, with these controls. */
export function forClass(here, controls) {
  const address = new URL(here);
  address.searchParams.delete("show");
  if (controls) address.searchParams.set("controls", controls);
  else address.searchParams.delete("controls");
  return address.href;
}

/** The size of type beside `size`, larger (1) or smaller (-1). */
export function nextSize(size, way) {
  const place = SIZES.indexOf(size) + way;
  return SIZES[Math.max(0, Math.min(SIZES.length - 1, place))];
}

/** The value of `controls` after this one, round and round. */
export function nextControls(controls) {
  const all = Object.keys(CONTROLS);
  return all[(all.indexOf(controls) + 1) % all.length];
}
