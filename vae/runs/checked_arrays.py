"""Arrays from a file that anybody may have touched: an .npz whose members, sizes and kinds are bounded before it is
expanded. Nothing is unpickled."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.checked_json import Misfit

MOST_BYTES = 1 << 30  # of all arrays together, expanded
MOST_MEMBERS = 100
MOST_RATIO = 200  # of expanded to packed bytes, beyond ANY_RATIO_BYTES
ANY_RATIO_BYTES = 1 << 27


def read_arrays(data: bytes, needed: Collection[str] = (), most: int = MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Returns the arrays of an .npz by name: numbers in this machine's byte order, all finite. Raises Misfit."""
    from vae.datasets.zips import open_zip  # its folder brings torch along

    try:
        with open_zip(io.BytesIO(data), MOST_MEMBERS) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > most:
            raise Misfit(f"expected arrays of at most {most / 1e6:,.0f} MB together, got {total / 1e6:,.0f} MB")
        if total > max(ANY_RATIO_BYTES, MOST_RATIO * len(data)):
            raise Misfit(f"expected arrays, got {len(data) / 1e6:,.2f} MB that expand to {total / 1e6:,.0f} MB")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Misfit:
        raise
    except Exception as error:  # zipfile, zlib, numpy and its tokenizer raise a dozen kinds
        raise Misfit(f"expected an .npz of arrays, got: {str(error)[:100] or type(error).__name__}") from None
    for name in needed:
        if name not in arrays:
            raise Misfit("expected to be there, but is missing", name)
    return {name: _numbers(name, array) for name, array in arrays.items()}


def read_array(data: bytes) -> NDArray[Any]:
    """Returns the array of an .npy. Raises Misfit."""
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # zipfile, zlib, numpy and its tokenizer raise a dozen kinds
        raise Misfit(f"expected an .npy array, got: {str(error)[:100] or type(error).__name__}") from None
    return _numbers("array", array)


def _numbers(name: str, array: Any) -> NDArray[Any]:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise Misfit(f"expected numbers, got {getattr(array, 'dtype', 'no array')}", name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Misfit("expected finite numbers, got NaN or infinity", name)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
