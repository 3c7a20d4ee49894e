// The controls that the modes of the Explore page share. Native elements under our look, so that keys and words work.

import { element } from "../shared/mount.js";

let made = 0;

/** A choice of few, all visible. options: {value: text}. Returns {root, set(value)}. */
export function segmented(label, options, onChange) {
  const name = `er-choice-${++made}`;
  const inputs = Object.entries(options).map(([value, text]) => {
    const input = element("input", { type: "radio", name, value });
    input.addEventListener("change", () => onChange(value));
    return { input, item: element("label", {}, input, element("span", { text })) };
  });
  const root = element(
    "div",
    { className: "segmented", role: "radiogroup", "aria-label": label },
    ...inputs.map(({ item }) => item),
  );
  return { root, set: (value) => inputs.forEach(({ input }) => (input.checked = input.value === String(value))) };
}

/** A choice from a list. options: [[value, text]]. Returns {root, set(value), options(list)}. */
export function choice(label, options, onChange, { hideLabel = false } = {}) {
  const select = element("select", hideLabel ? { "aria-label": label } : {});
  select.addEventListener("change", () => onChange(select.value));
  const fill = (list) => {
    const text = JSON.stringify(list);
    if (text === select.dataset.list) return;
    select.dataset.list = text;
    select.replaceChildren(...list.map(([value, words]) => element("option", { value, text: words })));
  };
  fill(options);
  const root = hideLabel ? select : element("label", { className: "field" }, element("span", { text: label }), select);
  return { root, select, options: fill, set: (value) => (select.value = String(value)) };
}

/** The whole number that somebody typed, 0 to `most`; null if it is none. */
export function parseWhole(typed, most) {
  const text = typed.trim();
  return /^\d{1,15}$/.test(text) && Number(text) <= most ? Number(text) : null;
}

/**
 * A field for a whole number from 0 to `most`. Returns {root, input, problem, set(value)}; `onChange(number)` for what is
 * one, with Enter also for the same one again. What is none stays to be mended, and `problem` says what was expected.
 */
export function wholeField(label, onChange, { most = 999_999, name = label } = {}) {
  const input = element("input", {
    inputmode: "numeric",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: "24",
    placeholder: "–",
    "aria-label": name,
  });
  const problem = element("p", { className: "er-note problem", role: "status" });
  let shown;
  const complain = (wrong) => {
    input.setAttribute("aria-invalid", String(wrong));
    const expected = `${label}: expected a whole number from 0 to ${most.toLocaleString("en-US")}, not “${input.value.trim()}”.`;
    problem.textContent = wrong ? expected : "";
  };
  const take = () => {
    const value = parseWhole(input.value, most);
    complain(value === null);
    if (value === null) return;
    shown = String(value);
    onChange(value);
  };
  const isShown = () => String(parseWhole(input.value, most)) === shown;
  input.addEventListener("input", () => parseWhole(input.value, most) !== null && complain(false));
  input.addEventListener("change", () => isShown() || take());
  input.addEventListener("keydown", (event) => event.key === "Enter" && take());
  const set = (value) => {
    if (String(value) === shown) return; // what somebody types meanwhile stays
    shown = input.value = String(value);
    complain(false);
  };
  return {
    root: element("label", { className: "field" }, element("span", { text: label }), input),
    input,
    problem,
    set,
  };
}

export function button(text, onClick, { quiet = false, title = "" } = {}) {
  const root = element("button", {
    type: "button",
    className: quiet ? "button quiet" : "button",
    text,
    ...(title && { title }),
  });
  root.addEventListener("click", onClick);
  return root;
}

/**
 * A slider that moves while it is dragged. `onInput(value)` at every move, at most once a frame; `onRelease(value)` when
 * it comes to rest. Double click, or the key 0: back to `rest`.
 */
export function slider(label, { low, high, step, rest = null, onInput, onRelease }) {
  const input = element("input", { type: "range", min: low, max: high, step, "aria-label": label });
  let frame = 0;
  const moved = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      onInput(Number(input.value));
    });
  };
  input.addEventListener("pointerdown", () => getSelection()?.removeAllRanges()); // else a selected page is dragged, not the slider
  input.addEventListener("input", moved);
  input.addEventListener("change", () => onRelease(Number(input.value)));
  const back = () => {
    if (rest === null) return;
    input.value = rest;
    moved();
    onRelease(rest);
  };
  input.addEventListener("dblclick", back);
  input.addEventListener("keydown", (event) => event.key === "0" && back());
  const set = (value, words) => {
    input.value = value;
    input.setAttribute("aria-valuetext", words);
    input.style.setProperty("--at", `${(100 * (value - low)) / (high - low)}%`);
  };
  return { root: input, set, stop: () => cancelAnimationFrame(frame) };
}
