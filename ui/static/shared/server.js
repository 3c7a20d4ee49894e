// What the modules ask of the app goes through here. A page in a file of its own answers itself (offline/server.js).

/** The app's base: modules are at <base>/modules/<version>/<folder>/. */
export const base = new URL("../../../", import.meta.url);

/** The answer for an address below the base.  @param {string} address  @param {RequestInit} [options] */
export const ask = (address, options) => fetch(new URL(address, base), options);

/** The answer for a file of ui/static/, as "decoder/kernel.wasm".  @param {string} name */
export const askForFile = (name) => fetch(new URL(`../${name}`, import.meta.url));
