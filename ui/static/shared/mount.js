// The life of a component: Streamlit calls its renderer again with every change of data or theme, and the clean-up that
// it returned when the component leaves the page, or late, for a call that was overtaken by a newer one.

import { followTheme } from "./palette.js";

const sheets = new Map(); // one style sheet per file and tab
const mounted = new WeakMap(); // parentElement -> { view, root, call }

function sheet(name) {
  if (!sheets.has(name)) {
    sheets.set(
      name,
      fetch(new URL(`../${name}`, import.meta.url))
        .then((answer) => (answer.ok ? answer.text() : ""))
        .then((text) => {
          const made = new CSSStyleSheet();
          made.replaceSync(text);
          return made;
        })
        .catch((error) => {
          sheets.delete(name);
          throw error;
        }),
    );
  }
  return sheets.get(name);
}

/**
 * A Streamlit renderer. `create(root, component)` builds the view once in `root` and returns
 * `{ update(data, component), destroy() }`; `styles` are files of `ui/static/`, as `map/map.css`.
 */
export function renderer(create, styles = []) {
  return async (component) => {
    const { parentElement } = component;
    const used = await Promise.all(["shared/palette.css", ...styles].map(sheet));
    let state = mounted.get(parentElement);
    if (!state) {
      parentElement.adoptedStyleSheets = used;
      const root = document.createElement("div");
      root.className = "er";
      parentElement.append(root);
      followTheme(root);
      state = { root, call: 0, view: create(root, component) };
      mounted.set(parentElement, state);
    }
    const call = ++state.call;
    followTheme(state.root);
    state.view.update(component.data, component);
    return () => {
      if (state.call !== call) return;
      mounted.delete(parentElement);
      state.view.destroy();
      state.root.remove();
    };
  };
}

/** An element with class, text and attributes. Text only ever becomes text. */
export function element(tag, { className = "", text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
