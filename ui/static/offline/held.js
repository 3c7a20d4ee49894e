// The bytes that a page in a file of its own holds, a block of base64 each (vae/exports/offline_shell.py).

/** The bytes of base64.  @param {string} text */
export function fromBase64(text) {
  const signs = atob(text);
  const bytes = new Uint8Array(signs.length);
  for (let i = 0; i < signs.length; i++) bytes[i] = signs.charCodeAt(i);
  return bytes;
}

/** The bytes called `name`, or null where the file holds none.  @param {string} name */
export function held(name) {
  const block = document.querySelector(`script[data-held="${CSS.escape(name)}"]`);
  return block && fromBase64(block.textContent ?? "");
}

/** @typedef {ReturnType<typeof heldPage>} HeldPage */

/** What the page knows of its run (vae/exports/offline_page.py). */
export function heldPage() {
  /** @type {{ run: string, newest: import("../shared/types.js").ModelShape & { sha: string, step: number | null },
   *   support: "real" | "binary", factorises: boolean, labels: boolean, columns: number, planes: Record<string, unknown>,
   *   methods: import("../map/types.js").Method[], reason: string, status: Record<string, unknown>,
   *   curves: Record<string, unknown> }} */
  const page = JSON.parse(new TextDecoder().decode(held("page") ?? new Uint8Array()));
  return page;
}
