// The life of a component: Streamlit calls its renderer again with every change of data or theme, and the clean-up that
// it returned when the component leaves the page, or late, for a call that was overtaken by a newer one.

import { followTheme } from "./palette.js";
import { askForFile } from "./server.js";

const sheets = new Map(); // one style sheet per file and tab
const mounted = new WeakMap(); // parentElement -> { view, root, call }

function sheet(name) {
  if (!sheets.has(name)) {
    sheets.set(
      name,
      askForFile(name)
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

/** @import { Component, View } from "./types.js" */

/**
 * A Streamlit renderer. `create(root, component)` builds the view once in `root`; `styles` are files of `ui/static/`,
 * as `map/map.css`.
 *
 * @template [Data=unknown]
 * @param {(root: HTMLDivElement, component: Component<Data>) => View<Data>} create
 */
export function renderer(create, styles = []) {
  return async (/** @type {Component<Data>} */ component) => {
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

/**
 * An element with class, text and attributes. Text only ever becomes text.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {{ className?: string, text?: string | number, [attribute: string]: string | number | undefined }} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, { className = "", text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = String(text);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** What draws on a canvas. */
export const contextOf = (/** @type {HTMLCanvasElement} */ canvas) =>
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** The element that has the keys, in the tree that `node` is in. */
export const activeIn = (node) => /** @type {ShadowRoot | Document} */ (node.getRootNode()).activeElement;
