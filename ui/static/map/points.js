// Many points into the bytes of an image. One pass over typed arrays; no canvas calls per point.

/** Radius in screen pixels for points of which about `seen` are in the frame. */
export const radiusFor = (seen, ratio = 1) =>
  ratio * Math.min(4.5, Math.max(0.5, 2.1 * (10_000 / Math.max(1, seen)) ** 0.26));

/** The disc of a point, or its rim: offsets to its pixel and how much of each it covers, 0..256. */
export function stamp(radius, stride, rim = Infinity) {
  const reach = Math.ceil(radius + 0.5) - 1;
  const offsets = [];
  const cover = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const distance = Math.hypot(dx, dy);
      const within = (edge) => Math.min(1, Math.max(0, edge + 0.5 - distance));
      const share = within(radius) - within(radius - rim);
      if (share < 0.04) continue;
      offsets.push(dy * stride + dx);
      cover.push(Math.round(256 * share));
    }
  }
  return { reach, offsets: Int32Array.from(offsets), cover: Int32Array.from(cover) };
}

/** A colour (0xBBGGRR) over a pixel of the image, `cover` of 256 of it. An empty pixel takes the colour as it is. */
function over(under, colour, cover) {
  if (under === 0) return (colour | (Math.min(255, cover) << 24)) >>> 0;
  const rest = 256 - cover;
  const even = ((Math.imul(colour & 0xff00ff, cover) + Math.imul(under & 0xff00ff, rest)) >>> 8) & 0xff00ff;
  const odd =
    ((Math.imul(((colour >>> 8) & 0xff) | 0xff0000, cover) + Math.imul((under >>> 8) & 0xff00ff, rest)) >>> 8) &
    0xff00ff;
  return (even | (odd << 8)) >>> 0;
}

/**
 * Draw points into `pixels` (RGBA as Uint32Array, width x height). xy: x, y, x, y, ... in data coordinates; kinds: a
 * colour's index for each point; palette: 0xBBGGRR for each index; view: { scale, x, y } of the middle. `strength` of
 * 256: how opaque a point is; `rim`: the width of the ring that is drawn instead. With `focus` (0 or 1 for each point)
 * only the points of which it is `want` are drawn.
 */
export function drawPoints(
  pixels,
  width,
  height,
  view,
  xy,
  kinds,
  palette,
  { radius, rim = Infinity, strength = 225, focus = null, want = 1 },
) {
  const ox = width / 2 - view.x * view.scale;
  const oy = height / 2 + view.y * view.scale;
  const { scale } = view;
  const n = kinds.length;
  if (radius < 0.85) {
    const opaque = palette.map((colour) => (colour | 0xff000000) >>> 0);
    for (let i = 0, j = 0; i < n; i++, j += 2) {
      if (focus && focus[i] !== want) continue;
      const px = (xy[j] * scale + ox) | 0;
      const py = (oy - xy[j + 1] * scale) | 0;
      if (px > 0 && py > 0 && px < width && py < height) pixels[py * width + px] = opaque[kinds[i]];
    }
    return;
  }
  const { reach, offsets, cover } = stamp(radius, width, rim);
  const part = cover.map((share) => (share * strength) >> 8);
  const count = offsets.length;
  for (let i = 0, j = 0; i < n; i++, j += 2) {
    if (focus && focus[i] !== want) continue;
    const px = (xy[j] * scale + ox) | 0;
    const py = (oy - xy[j + 1] * scale) | 0;
    if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
    const at = py * width + px;
    const colour = palette[kinds[i]];
    for (let s = 0; s < count; s++) {
      const to = at + offsets[s];
      pixels[to] = over(pixels[to], colour, part[s]);
    }
  }
}
