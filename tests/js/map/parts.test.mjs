import assert from "node:assert/strict";
import test from "node:test";

import { normalQuantile } from "../../../ui/static/latent/normal.js";
import { readCodes } from "../../../ui/static/shared/codes.js";
import { brightOnDark, refusal } from "../../../ui/static/map/arrive.js";
import { LayoutFit, readLayout } from "../../../ui/static/map/layout_fit.js";
import { Input, corners } from "../../../ui/static/map/input.js";
import { countLabels, exportFile, placeNames, spread } from "../../../ui/static/map/selection.js";
import { describeImage, writeBits, writeCode } from "../../../ui/static/map/side.js";
import { BENEATH, quantileTiles, windowTiles } from "../../../ui/static/map/tiles.js";
import { View } from "../../../ui/static/map/view.js";
import { classColour } from "../../../ui/static/map/colours.js";
import { luminance } from "../../../ui/static/shared/palette.js";

const headed = (header, ...parts) => {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil((4 + json.length) / 8) * 8).fill(32);
  new DataView(padded.buffer).setUint32(0, padded.length - 4, true);
  padded.set(json, 4);
  const bytes = parts.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return Uint8Array.from([...padded, ...bytes.flatMap((part) => [...part, ...new Uint8Array(-part.length & 3)])]);
};

test("each image's row in the user's own file comes after the labels", () => {
  const header = {
    n: 3,
    k: 1,
    labels: true,
    label_bytes: 1,
    log_variance: false,
    rows_of: "faces.npz",
  };
  const nats = Float32Array.of(7, 8, 9);
  const codes = readCodes(headed(header, nats, nats, nats, Uint8Array.of(3, 1, 2), Uint32Array.of(70000, 0, 5)));
  assert.deepEqual(
    [[...codes.labels], [...codes.rows]],
    [
      [3, 1, 2],
      [70000, 0, 5],
    ],
  );
});

test("the names of files come last, a line each", () => {
  const header = { n: 3, k: 1, labels: false, log_variance: false, rows_of: "pets", file_bytes: 0 };
  const nats = Float32Array.of(7, 8, 9);
  const names = new TextEncoder().encode("cat/0.png\ngröße.jpg\nc");
  header.file_bytes = names.length;
  const rows = Uint32Array.of(2, 1, 0);
  assert.deepEqual(readCodes(headed(header, nats, nats, nats, rows, names)).files, ["cat/0.png", "größe.jpg", "c"]);
  const short = names.subarray(0, 14);
  header.file_bytes = 14;
  assert.throws(() => readCodes(headed(header, nats, nats, nats, rows, short)), RangeError);
  header.file_bytes = 0;
  assert.equal(readCodes(headed(header, nats, nats, nats, rows)).files, null);
});

test("codes come as views on their bytes", () => {
  const header = {
    n: 3,
    k: 2,
    labels: true,
    label_bytes: 1,
    log_variance: true,
  };
  const bytes = headed(
    header,
    Float32Array.of(1, 2, 3, 4, 5, 6),
    Float32Array.of(-1, -2, -3, -4, -5, -6),
    Float32Array.of(7, 8, 9),
    Float32Array.of(-7, -8, -9),
    Uint8Array.of(3, 1, 2),
  );
  for (const given of [bytes, Uint8Array.from([0, ...bytes]).subarray(1)]) {
    const codes = readCodes(given);
    assert.deepEqual([...codes.loc], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...codes.logVariance], [-1, -2, -3, -4, -5, -6]);
    assert.deepEqual([...codes.rate], [7, 8, 9]);
    assert.deepEqual([...codes.distortion], [-7, -8, -9]);
    assert.deepEqual([...codes.labels], [3, 1, 2]);
    assert.equal(codes.rows, null);
  }
  assert.throws(() => readCodes(bytes.subarray(0, bytes.length - 4)), RangeError);
  const bare = readCodes(
    headed(
      { ...header, labels: false, log_variance: false },
      Float32Array.of(1, 2, 3, 4, 5, 6),
      Float32Array.of(7, 8, 9),
      Float32Array.of(1, 1, 1),
    ),
  );
  assert.equal(bare.logVariance, null);
  assert.equal(bare.labels, null);
  const wide = readCodes(
    headed(
      { ...header, label_bytes: 2, log_variance: false },
      new Float32Array(6),
      new Float32Array(3),
      new Float32Array(3),
      Uint16Array.of(0, 300, 7),
    ),
  );
  assert.deepEqual([...wide.labels], [0, 300, 7]);
});

test("a layout's places are read, or their absence", () => {
  const full = readLayout(headed({ state: "fitting", places: true }, Float32Array.of(1, 2, 3, 4)));
  assert.deepEqual([...full.places], [1, 2, 3, 4]);
  assert.equal(readLayout(headed({ state: "absent", places: false })).places, null);
  assert.throws(() => readLayout(headed({ places: true }, Float32Array.of(1))), RangeError);
});

test("a fit is followed until it ends, and only its new places are asked for", async () => {
  const states = ["absent", "fitting", "fitting", "finished"];
  const asked = [];
  const received = [];
  await new Promise((done) => {
    const fit = new LayoutFit(
      { run: "a b", sha: "s", part: "test", method: "tsne" },
      {
        received: (status) => {
          received.push(status.state);
          if (status.state === "absent") fit.expect();
          if (status.state === "finished") setTimeout(done, 500);
        },
        failed: assert.fail,
      },
      async (address) => {
        asked.push(address);
        const state = states[Math.min(asked.length - 1, 3)];
        return headed({ state, tag: `t${asked.length}`, places: false });
      },
    );
  });
  assert.deepEqual(received, states);
  assert.match(asked[0], /^runs\/a%20b\/layout\/s\?part=test&method=tsne&seen=$/);
  assert.match(asked[2], /seen=t2$/);
});

test("what the server refuses is told once, an absent server is asked again", async () => {
  for (const [error, least] of [
    [Object.assign(new Error("no such weights"), { status: 404 }), 1],
    [new Error("away"), 2],
  ]) {
    const told = [];
    const fit = new LayoutFit(
      { run: "a", sha: "s", part: "test", method: "tsne" },
      { received: assert.fail, failed: (text) => told.push(text) },
      async () => {
        throw error;
      },
    );
    await new Promise((done) => setTimeout(done, 700));
    fit.close();
    assert.equal(told[0], error.message);
    assert.ok(least === 1 ? told.length === 1 : told.length >= 2, String(told));
  }
});

test("pictures at the prior's quantiles share its mass equally", () => {
  const tiles = quantileTiles([1, -2], 5);
  assert.equal(tiles.length, 25);
  assert.deepEqual([tiles[0].x, tiles[0].y], [1, -2]);
  const column = [...new Set(tiles.map((tile) => tile.x.toFixed(6)))].map(Number).sort((a, b) => a - b);
  assert.ok(Math.abs(column[4] - 1 - normalQuantile(0.9)) < 1e-5);
});

test("pictures in the window cover it, and stay where they are while it moves", () => {
  const view = Object.assign(new View(), {
    width: 600,
    height: 500,
    scale: 90,
    whole: 90,
    x: 0.3,
    y: -0.2,
  });
  const tiles = windowTiles(view);
  const covered = (x, y) =>
    tiles.some((t) => Math.abs(x - t.x) <= t.width / 2 + 1e-9 && Math.abs(y - t.y) <= t.height / 2 + 1e-9);
  const { left, right, bottom, top } = view.bounds;
  for (let i = 0; i <= 20; i++)
    assert.ok(covered(left + ((right - left) * i) / 20, bottom + ((top - bottom) * (20 - i)) / 20));
  const before = new Map(tiles.map((t) => [t.key, t]));
  view.pan(100, 40);
  const kept = windowTiles(view).filter((t) => before.has(t.key));
  assert.ok(kept.length > tiles.length / 2);
  for (const t of kept) assert.deepEqual([t.x, t.y], [before.get(t.key).x, before.get(t.key).y]);
});

test("each colour of a point stands out from black and from white pictures beneath", () => {
  const card = { light: [0xf3, 0xf0, 0xe9], dark: [0x1e, 0x21, 0x28] };
  for (const tone of ["light", "dark"]) {
    for (const extreme of [0, 255]) {
      const ground = luminance(`rgb(${card[tone].map((v) => v + (extreme - v) * BENEATH[tone]).join()})`);
      for (let i = 0; i < 10; i++) {
        const [a, b] = [ground, luminance(classColour(i, tone))].sort((x, y) => x - y);
        assert.ok(
          (b + 0.05) / (a + 0.05) > 1.3,
          `${classColour(i, tone)} on ${extreme} ${tone}: ${(b + 0.05) / (a + 0.05)}`,
        );
      }
    }
  }
});

test("a selection is counted, thinned and written out", () => {
  const labels = Uint8Array.of(7, 7, 9, 7, 4);
  assert.deepEqual(countLabels(Uint32Array.of(0, 1, 2, 4), labels), [
    { label: 7, count: 2, share: 0.5 },
    { label: 4, count: 1, share: 0.25 },
    { label: 9, count: 1, share: 0.25 },
  ]);
  assert.deepEqual(spread(Uint32Array.of(1, 2, 3, 4, 5, 6), 3), [1, 3, 5]);
  assert.deepEqual(spread(Uint32Array.of(8), 60), [8]);
  const codes = {
    labels: Uint8Array.of(0, 1),
    header: { k: 3, classes: ['a "b"', "c"], source: "2 images" },
    rate: Float32Array.of(1.5, 2.5),
    distortion: Float32Array.of(-3, -4),
    loc: Float32Array.of(1, 2, 3, 4, 5, -6),
  };
  const placed = {
    xy: Float32Array.of(0.5, 1, -2, 3),
    method: "pca",
    names: placeNames("pca", ["first component", "second component"]),
  };
  const csv = exportFile("csv", "run", Uint32Array.of(0, 1), codes, placed);
  assert.equal(
    csv.text,
    'run,index,label,rate,distortion,z0,z1,z2,pca_1,pca_2\n"run",0,"a ""b""",1.5,-3,1,2,3,0.5,1\n"run",1,"c",2.5,-4,4,5,-6,-2,3\n',
  );
  const json = JSON.parse(exportFile("json", "run", Uint32Array.of(1), codes, placed).text);
  assert.deepEqual([json.run, json.map, json.indices], ["run", { method: "pca", places: ["pca_1", "pca_2"] }, [1]]);
  assert.deepEqual(json.images[0], {
    index: 1,
    label: "c",
    rate: 2.5,
    distortion: -4,
    z0: 4,
    z1: 5,
    z2: -6,
    pca_1: -2,
    pca_2: 3,
  });
  assert.equal(csv.name, "run-pca-2-images.csv");
  const own = {
    ...codes,
    rows: Uint32Array.of(70, 1234),
    header: { ...codes.header, rows_of: "faces.npz, x_test" },
  };
  assert.match(
    exportFile("csv", "run", Uint32Array.of(1), own, placed).text,
    /^run,index,row,row_of,label,.*\n"run",1,1234,"faces.npz, x_test","c",/,
  );
  const file = JSON.parse(exportFile("json", "run", Uint32Array.of(1), own, placed).text);
  assert.deepEqual(
    [file.rows_of, file.images[0].row, file.images[0].row_of],
    ["faces.npz, x_test", 1234, "faces.npz, x_test"],
  );
  assert.match(describeImage({ ...own, labels: null }, 1), /^row 1,234 of faces\.npz, x_test · rate/);
  const named = { ...own, files: ["cat/0.png", "dog/1.png"] };
  assert.match(
    exportFile("csv", "run", Uint32Array.of(1), named, placed).text,
    /^run,index,row,row_of,file,label,.*\n"run",1,1234,"faces.npz, x_test","dog\/1\.png","c",/,
  );
  for (const file of ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "＝1"]) {
    const text = exportFile("csv", "run", Uint32Array.of(1), { ...named, files: ["a", file] }, placed).text;
    assert.ok(text.includes(`,"'${file}",`), "no spreadsheet takes it for a formula");
  }
  const images = JSON.parse(exportFile("json", "run", Uint32Array.of(0, 1), named, placed).text).images;
  assert.deepEqual(
    images.map(({ file }) => file),
    ["cat/0.png", "dog/1.png"],
  );
  assert.match(describeImage({ ...named, labels: null }, 1), /^dog\/1\.png \(row 1,234 of faces\.npz, x_test\) · rate/);
  assert.match(describeImage(codes, 1), /^image 1, label c · rate/);
  assert.deepEqual(placeNames("dims", ["z3", "z7"]), ["dims_z3", "dims_z7"]);
  assert.deepEqual(placeNames("line", ["z0", "rate in nats"]), ["line_z0", "line_rate"]);
  assert.deepEqual(placeNames("tsne", ["", ""]), ["tsne_1", "tsne_2"]);
});

test("z is written as people read it", () => {
  assert.equal(writeCode(Float32Array.of(0.9, -1.1)), "(0.90, −1.10)");
  assert.equal(writeCode(Float32Array.of(-0.001)), "(0.00)");
  assert.equal(writeCode(new Float32Array(12)), `(${Array(10).fill("0.00").join(", ")}, …)`);
  assert.equal(writeCode([0.123456, -2], 5), "(0.12346, −2.00000)");
  assert.equal(writeBits([0.2, 0.5, 1, 0]), "0110");
});

test("the drawing's ground is that of the data", () => {
  const shape = { height: 3, width: 2, channels: 1 };
  assert.ok(brightOnDark(Uint8Array.of(0, 20, 255, 255, 0, 0), shape));
  assert.ok(!brightOnDark(Uint8Array.of(255, 250, 0, 0, 255, 255), shape));
});

test("files that cannot be pictures are refused before they are sent", () => {
  assert.equal(refusal({ size: 10, type: "image/png", name: "a.png" }), "");
  assert.match(refusal({ size: 10, type: "image/svg+xml", name: "a.svg" }), /not a PNG or a JPEG/);
  assert.match(refusal({ size: 9e6, type: "image/jpeg", name: "a.jpg" }), /9\.0 MB; at most 4 MB/);
  assert.match(refusal({ size: 0, type: "image/png", name: "a.png" }), /empty/);
});

/** A stage that hands events to the input and remembers what it made of them. */
function staged() {
  const listeners = {};
  const calls = [];
  const stage = {
    clientWidth: 400,
    clientHeight: 300,
    addEventListener: (name, listener) => (listeners[name] = listener),
    getBoundingClientRect: () => ({ left: 10, top: 20 }),
    setPointerCapture() {},
  };
  const on = Object.fromEntries(
    ["hover", "pan", "zoom", "choose", "shape", "showAll", "clear"].map((name) => [
      name,
      (...given) => calls.push([name, ...given]),
    ]),
  );
  const input = new Input(stage, on);
  const send = (name, values = {}) =>
    listeners[name]({
      type: name,
      pointerId: 1,
      button: 0,
      pointerType: "mouse",
      target: Object.assign(stage, { closest: () => null }),
      preventDefault() {},
      ...values,
    });
  const take = () => calls.splice(0);
  return { input, send, take };
}

test("a drag pans, a click chooses, a move hovers", () => {
  const { send, take } = staged();
  send("pointermove", { clientX: 30, clientY: 50 });
  assert.deepEqual(take(), [["hover", 20, 30]]);
  send("pointerdown", { clientX: 30, clientY: 50 });
  send("pointermove", { clientX: 31, clientY: 50 });
  send("pointerup", { clientX: 31, clientY: 50 });
  assert.deepEqual(take(), [["choose", 21, 30]]);
  send("pointerdown", { clientX: 30, clientY: 50 });
  send("pointermove", { clientX: 60, clientY: 90 });
  send("pointerup", { clientX: 60, clientY: 90 });
  assert.deepEqual(take(), [["pan", 30, 40]]);
  send("keydown", { key: "Enter" });
  assert.deepEqual(take(), [["choose", 50, 70]]); // keys go on from where the drag ended
});

test("Shift and drag is a lasso in any mode; the box has corners; a click alone clears the shape", () => {
  const { input, send, take } = staged();
  const drag = (more = {}) => {
    send("pointerdown", { clientX: 10, clientY: 20, ...more });
    send("pointermove", { clientX: 60, clientY: 20 });
    send("pointermove", { clientX: 60, clientY: 80 });
    send("pointerup", { clientX: 60, clientY: 80 });
    return take().at(-1);
  };
  assert.deepEqual(drag({ shiftKey: true }), [
    "shape",
    [
      [0, 0],
      [50, 0],
      [50, 60],
    ],
    true,
  ]);
  input.mode = "box";
  assert.deepEqual(drag(), ["shape", corners([0, 0], [50, 60]), true]);
  send("pointerdown", { clientX: 10, clientY: 20 });
  send("pointerup", { clientX: 10, clientY: 20 });
  assert.deepEqual(take(), [
    ["shape", null, true],
    ["choose", 0, 0],
  ]);
});

test("two fingers zoom about their middle", () => {
  const { send, take } = staged();
  send("pointerdown", { clientX: 110, clientY: 120 });
  send("pointerdown", { pointerId: 2, clientX: 210, clientY: 120 });
  send("pointermove", { pointerId: 2, clientX: 310, clientY: 120 });
  assert.deepEqual(take(), [
    ["pan", 50, 0],
    ["zoom", 200, 100, 2],
  ]);
  send("pointerup", { clientX: 110, clientY: 120 });
  send("pointerup", { pointerId: 2, clientX: 310, clientY: 120 });
  assert.deepEqual(take(), []);
});

test("every act has a key", () => {
  const { send, take } = staged();
  const press = (key, more = {}) => {
    send("keydown", { key, ...more });
    return take();
  };
  assert.deepEqual(press("ArrowRight"), [["hover", 212, 150]]);
  assert.equal(press("ArrowUp", { shiftKey: true })[0][0], "pan");
  assert.deepEqual(
    press("+").map(([name]) => name),
    ["zoom"],
  );
  assert.ok(press("-")[0][3] < 1);
  assert.deepEqual(press("0"), [["showAll"]]);
  assert.deepEqual(press("Enter"), [["choose", 212, 150]]);
  press(" ");
  press("ArrowDown");
  assert.deepEqual(press(" ").at(-1), ["shape", corners([212, 150], [212, 162]), true]);
  assert.deepEqual(press("Escape"), [["clear"]]);
  assert.deepEqual(press("a"), []);
  assert.deepEqual(press("0", { ctrlKey: true }), []);
});
