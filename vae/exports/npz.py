"""The codes as arrays for numpy: nothing in the file is an object, so that it opens without pickle."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vae.exports.codes import ABOUT, CODES, table_of
from vae.exports.export import Export, Progress, why_no_weights
from vae.files import write_atomically
from vae.runs import Run


def _write(run: Run, kind: str, file: Path, progress: Progress) -> dict[str, Any]:
    table = table_of(run, progress)
    arrays, packed = table.arrays(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, array) in enumerate(arrays.items()):
            progress(0.8 + 0.2 * number / len(arrays), f"packing {name}")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    write_atomically(file, packed.getvalue())
    return {"arrays": ", ".join(arrays), **table.facts}


NPZ = Export(
    title="Arrays (npz)",
    about="The codes of the held-out images as numpy arrays, opened by numpy.load.",
    ending=".npz",
    write=_write,
    kinds={CODES: ABOUT},
    why_not=why_no_weights,
)
