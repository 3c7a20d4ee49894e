// Files that a page gives away.

/** Let the browser keep `blob` as a file called `name`. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Let the browser keep what is on `canvas` as `name`.png. */
export async function downloadPng(canvas, name) {
  download(await new Promise((resolve) => canvas.toBlob(resolve, "image/png")), `${name}.png`);
}
