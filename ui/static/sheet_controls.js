// The controls that the modes of the Explore page share. Native elements under our look, so that keys and words work.

import { element } from "./mount.js";

let made = 0;

/** A choice of few, all visible. options: {value: text}. Returns {root, set(value)}. */
export function segmented(label, options, onChange) {
  const name = `er-choice-${++made}`;
  const inputs = Object.entries(options).map(([value, text]) => {
    const input = element("input", { type: "radio", name, value });
    input.addEventListener("change", () => onChange(value));
    return { input, item: element("label", {}, input, element("span", { text })) };
  });
  const root = element("div", { className: "segmented", role: "radiogroup", "aria-label": label }, ...inputs.map(({ item }) => item));
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

/** A whole number from 0 on. Returns {root, set(value)}; `onChange(number)` for what is one. */
export function wholeField(label, onChange, most = 999_999) {
  const input = element("input", { inputmode: "numeric", autocomplete: "off", spellcheck: "false", maxlength: "6" });
  const read = () => (/^\d{1,6}$/.test(input.value.trim()) ? Math.min(most, Number(input.value)) : null);
  input.addEventListener("input", () => input.setAttribute("aria-invalid", String(read() === null)));
  input.addEventListener("change", () => read() !== null && onChange(read()));
  const set = (value) => {
    if (input.matches(":focus") && read() === value) return;
    input.value = String(value);
    input.removeAttribute("aria-invalid");
  };
  return { root: element("label", { className: "field" }, element("span", { text: label }), input), input, set };
}

export function button(text, onClick, { quiet = false, title = "" } = {}) {
  const root = element("button", { type: "button", className: quiet ? "button quiet" : "button", text, ...(title && { title }) });
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
