// A JSON header in front of bytes (written by vae/browser/framing.py), read and checked:
//
//   magic, if any | uint32 (little endian) L | L bytes of JSON | body, at a multiple of 8

const text = new TextDecoder("utf-8", { fatal: true });

/** The bytes are no frame; the message says of what, and what is wrong. */
export class FrameError extends RangeError {
  name = "FrameError";
}

/**
 * The header, an object, and the body, whose bytes lie so that arrays of any kind can be views on them. `what` it is a
 * frame of is for the message. Throws FrameError.
 *
 * @param {ArrayBuffer | Uint8Array<ArrayBuffer>} bytes
 * @param {string} what
 * @param {string} [magic] the characters that it begins with
 * @returns {{ header: any, body: Uint8Array<ArrayBuffer> }}
 */
export function readFrame(bytes, what, magic = "") {
  const data = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  const refuse = (message) => {
    throw new FrameError(`${what}: ${message}`);
  };
  const from = magic.length + 4;
  const begins = [...magic].every((letter, i) => data[i] === letter.charCodeAt(0));
  if (data.length < from || !begins) refuse("it does not begin as one");
  const end = from + new DataView(data.buffer, data.byteOffset).getUint32(magic.length, true);
  if (end > data.length) refuse("it is cut off in its header");
  let header = null;
  try {
    header = JSON.parse(text.decode(data.subarray(from, end)));
  } catch {
    // refused below
  }
  if (header === null || typeof header !== "object" || Array.isArray(header)) refuse("its header is no JSON object");
  const body = data.subarray(end);
  return { header, body: body.byteOffset % 8 ? body.slice() : body };
}
