// Completes the address in place, and tells Python when that is done.

import { intoAddress } from "./address.js";
import { renderer } from "./mount.js";

class Writer {
  update(values, component) {
    const sent = JSON.stringify(values);
    if (sent === this.sent) return;
    this.sent = sent;
    intoAddress(values);
    component.setTriggerValue("written", true);
  }

  destroy() {}
}

export default renderer(() => new Writer());
