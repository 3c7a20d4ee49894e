// A place to drop pictures on: files, folders with all that is in them, a zip, parquet. Each file goes to the server as
// the body of a request of its own, a few at a time; then Python hears that all are there.

import { whole } from "../shared/format.js";
import { element, renderer } from "../shared/mount.js";

const AT_ONCE = 4; // requests

/** Whether a file is an operating system's, not a person's. */
export const isHidden = (path) =>
  path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX" || part === "Thumbs.db");

/** All files below the entries of a drop: [{ path, file }]. Throws a sentence where there are more than `most`. */
export async function filesBelow(entries, most) {
  const found = [];
  const look = async (entry, folder) => {
    const path = folder + entry.name;
    if (isHidden(path)) return;
    if (entry.isFile) {
      found.push({ path, file: await new Promise((done, fail) => entry.file(done, fail)) });
      if (found.length > most) throw new Error(tooMany(most));
      return;
    }
    const reader = entry.createReader(); // gives a hundred or so at a time, at last none
    for (;;) {
      const some = await new Promise((done, fail) => reader.readEntries(done, fail));
      if (!some.length) return;
      for (const one of some) await look(one, `${path}/`);
    }
  };
  for (const entry of entries) await look(entry, "");
  return found;
}

const tooMany = (most) => `More than ${whole(most)} files are too many to drop; pack them into a zip.`;

/** Why so many files of so many bytes are not sent; "" where they are. */
export function refusal(files, mostFiles, mostBytes) {
  if (!files.length) return "There was no file in it.";
  if (files.length > mostFiles) return tooMany(mostFiles);
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  return bytes > mostBytes
    ? `${(bytes / 1e9).toFixed(1)} GB are too much to drop; at most ${(mostBytes / 1e9).toFixed(0)} GB.`
    : "";
}

class Drop {
  constructor(root, component) {
    this.component = component;
    this.token = "";
    this.mostBytes = this.mostFiles = 0;
    this.sending = null;
    this.what = element("p", { className: "what", text: "Drop pictures here" });
    this.note = element("p", { className: "er-note" });
    const pick = (text, attributes) => {
      const input = element("input", { type: "file", multiple: "", hidden: "", "aria-label": text, ...attributes });
      const made = element("button", { className: "button", type: "button", text });
      made.addEventListener("click", () => input.click());
      input.addEventListener("change", () => {
        const files = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
        input.value = "";
        this.send(files.filter(({ path }) => !isHidden(path)));
      });
      return [made, input];
    };
    this.buttons = element(
      "div",
      { className: "buttons" },
      ...pick("Choose files", { accept: ".png,.jpg,.jpeg,.zip,.parquet,.npz,.npy" }),
      ...pick("Choose a folder", { webkitdirectory: "" }),
    );
    this.bar = element("progress", { hidden: "", max: "1", value: "0", "aria-label": "Sent" });
    this.cancel = element("button", { className: "button", type: "button", text: "Cancel", hidden: "" });
    this.cancel.addEventListener("click", () => this._abort());
    this.problem = element("p", { className: "problem", role: "alert", hidden: "" });
    this.zone = element(
      "div",
      { className: "zone", role: "group", "aria-label": "Drop pictures here" },
      this.what,
      this.buttons,
      this.note,
      this.bar,
      this.cancel,
      this.problem,
    );
    root.append(this.zone);
    this.zone.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.zone.classList.add("over");
    });
    this.zone.addEventListener("dragleave", () => this.zone.classList.remove("over"));
    this.zone.addEventListener("drop", (event) => this._dropped(event));
  }

  update({ token, most_bytes, most_files, words }, component) {
    this.component = component;
    this.words = words;
    if (words) {
      this.what.textContent = words.what;
      this.zone.setAttribute("aria-label", words.what);
    }
    /** @type {NodeListOf<HTMLButtonElement | HTMLInputElement>} */
    const folders = this.buttons.querySelectorAll("button:last-of-type, input[webkitdirectory]");
    for (const folder of folders) {
      folder.disabled = Boolean(words);
      folder.hidden ||= Boolean(words); // one of files only
    }
    if (words) this.buttons.querySelector("input").accept = words.accept;
    if (this.token !== token) this._abort();
    Object.assign(this, { token, mostBytes: most_bytes, mostFiles: most_files });
    if (!this.sending) this._idle();
  }

  _idle() {
    const most = `up to ${(this.mostBytes / 1e9).toFixed(0)} GB`;
    this.note.textContent = this.words
      ? `${this.words.note}; ${most}.`
      : `PNG and JPEG files, a folder of them, a .zip, .parquet, .npz or .npy; ${most} and ${whole(this.mostFiles)} files.`;
    this.bar.hidden = this.cancel.hidden = true;
    this.buttons.hidden = false;
  }

  async _dropped(event) {
    event.preventDefault();
    this.zone.classList.remove("over");
    const plain = [...event.dataTransfer.files].map((file) => ({ path: file.name, file }));
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    try {
      await this.send(entries.length ? await filesBelow(entries, this.mostFiles) : plain);
    } catch (error) {
      this._say(error.message);
    }
  }

  /** Sends [{ path, file }] in place of what was sent before. */
  async send(files) {
    this._abort();
    this._say(refusal(files, this.mostFiles, this.mostBytes));
    if (!this.problem.hidden) return;
    const sending = (this.sending = new AbortController());
    const address = (name) => new URL(`own/drop/${this.token}${name}`, document.baseURI);
    this.buttons.hidden = true;
    this.bar.hidden = this.cancel.hidden = false;
    const total = files.reduce((sum, { file }) => sum + file.size, 0) || 1;
    let next = 0;
    let sent = 0;
    let bytes = 0;
    const worker = async () => {
      while (next < files.length) {
        const { path, file } = files[next++];
        await this._put(address(`?name=${encodeURIComponent(path)}`), "PUT", file, sending.signal);
        sent += 1;
        bytes += file.size;
        this.bar.value = bytes / total;
        this.note.textContent = `${whole(sent)} of ${whole(files.length)} files, ${(bytes / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
      }
    };
    try {
      await this._put(address(""), "DELETE", undefined, sending.signal);
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      this.sending = null;
      this._idle();
      this.component.setTriggerValue("dropped", { token: this.token, files: files.length });
    } catch (error) {
      sending.abort();
      if (this.sending !== sending) return; // cancelled, or overtaken by another drop
      this.sending = null;
      this._idle();
      this._say(error.message);
    }
  }

  async _put(address, method, body, signal) {
    let answer;
    try {
      answer = await fetch(address, { method, body, signal });
    } catch {
      throw new Error("The server does not answer, or a file could not be read; try again.");
    }
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300) || `The server answered ${answer.status}.`);
  }

  _abort() {
    const sending = this.sending;
    this.sending = null;
    sending?.abort();
    if (this.mostBytes) this._idle();
  }

  _say(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
  }

  destroy() {
    this._abort();
  }
}

export default renderer((root, component) => new Drop(root, component), ["own/drop.css"]);
