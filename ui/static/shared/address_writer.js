// Completes the address in place, and tells Python when that is done.

import { intoAddress } from "./address.js";
import { renderer } from "./mount.js";

class Writer {
  update(values, component) {
    const told = JSON.stringify(values);
    if (told === this.told) return;
    this.told = told;
    intoAddress(values);
    component.setTriggerValue("written", true);
  }

  destroy() {}
}

export default renderer(() => new Writer());
