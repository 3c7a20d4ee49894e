// Decode in the page: z -> the mean of p(x|z), or a sample of it, as pixels.
//
//   const decoder = await loadDecoder(bytes, kernelBytes);  // a packed decoder, and kernel.wasm
//   decoder.toPixels(decoder.mean(z), imageData.data);

import { DecoderError, readDecoder } from "./format.js";
import { HEADS } from "./heads.js";
import { buildNetwork } from "./network.js";

export { DecoderError };

/** The decoder in `bytes`. `batch` pictures are decoded at once where several are asked for. Throws DecoderError. */
export async function loadDecoder(bytes, kernelBytes, { batch = 16 } = {}) {
  const file = readDecoder(bytes);
  const { name, ...head } = file.header.likelihood ?? {};
  if (!Object.hasOwn(HEADS, name)) throw new DecoderError(`decoder file: unknown likelihood ${JSON.stringify(name)}`);
  if (head.owns_C && !(head.C > 0)) throw new DecoderError(`decoder file: C should be positive, got ${head.C}`);
  const { location = 0, spread = 1 } = file.header;
  return new Decoder(file.header, await buildNetwork(file, kernelBytes, batch), HEADS[name], {
    ...head,
    location,
    spread,
  });
}

/**
 * A decoder that is ready: `k`, `height`, `width`, `channels`, the values `low` and `high` that are shown as black and
 * white, and the whole `header`.
 */
class Decoder {
  constructor(header, network, head, constants) {
    const { k, height, width, channels, low = 0, high = 1 } = header;
    this.header = header;
    this.k = k;
    this.height = height;
    this.width = width;
    this.channels = channels;
    this.low = low;
    this.high = high;
    this.size = height * width * channels;
    this._network = network;
    this._head = head;
    this._constants = constants;
    this._meanOf = head.mean(constants);
    this._mean = new Float32Array(this.size);
    this._sample = new Float32Array(this.size);
  }

  /** The mean of p(x|z), (height, width, channels). The same array each time: copy what must outlive the next call. */
  mean(z) {
    return this._decode(z, 1, this._meanOf, this._mean);
  }

  /** A draw from p(x|z); one seed, one draw. The same array each time, another than mean's. */
  sample(z, seed) {
    return this._decode(z, 1, this._head.sampler(seed, this._constants), this._sample);
  }

  /** The means for n codes in one array of n·k numbers: (n, height, width, channels), in `out` where it is given. */
  means(z, out) {
    return this._decode(z, z.length / this.k, this._meanOf, out);
  }

  /** One draw for each of n codes, all from one seed. */
  samples(z, seed, out) {
    return this._decode(z, z.length / this.k, this._head.sampler(seed, this._constants), out);
  }

  _decode(z, pictures, head, out = new Float32Array(pictures * this.size)) {
    const { k, size } = this;
    const { numbers, batch, output, stride, run } = this._network;
    if (!Number.isInteger(pictures) || z.length !== pictures * k) {
      throw new RangeError(`z: expected ${k} numbers for each picture, got ${z.length}`);
    }
    if (out.length < pictures * size) throw new RangeError(`out: ${pictures * size} numbers do not fit ${out.length}`);
    for (let start = 0; start < pictures; start += batch) {
      const count = Math.min(batch, pictures - start);
      this._place(z, start, count);
      run(count);
      for (let i = 0; i < count; i++) {
        const from = output + i * stride;
        const to = (start + i) * size;
        for (let j = 0; j < size; j++) out[to + j] = head(numbers[from + j]);
      }
    }
    return out;
  }

  _place(z, start, count) {
    const { numbers, z: place, zStride } = this._network;
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < this.k; j++) numbers[place + i * zStride + j] = z[(start + i) * this.k + j];
    }
  }

  /** One image (height, width, channels) of numbers as RGBA bytes, clamped to the limits; `rgba` a Uint8ClampedArray. */
  toPixels(image, rgba) {
    const { channels, low, high } = this;
    const unit = 255 / (high - low);
    const [green, blue] = channels === 3 ? [1, 2] : [0, 0];
    for (let from = 0, to = 0; from < this.size; from += channels, to += 4) {
      rgba[to] = unit * (image[from] - low);
      rgba[to + 1] = unit * (image[from + green] - low);
      rgba[to + 2] = unit * (image[from + blue] - low);
      rgba[to + 3] = 255;
    }
    return rgba;
  }
}
