import assert from "node:assert/strict";
import test from "node:test";

import { shared } from "../../../ui/static/shared/link.js";

test("a link is the view's address, under the origin that others reach", () => {
  const here = "http://localhost:8501/elbo/explore?run=a&z=1_-0.5#there";
  assert.equal(shared(here, ""), here);
  assert.equal(shared(here, "http://192.0.2.7:8501"), "http://192.0.2.7:8501/elbo/explore?run=a&z=1_-0.5");
});
