"""What an .npz or .npy file holds: first by its headers alone, then its arrays.

Nothing is unpickled. Whatever the archive's directory and the arrays' headers claim is judged before memory is taken
for it, so that a small file that expands without end costs milliseconds.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from vae.datasets.zips import open_zip
from vae.errors import DataError
from vae.machine import process_memory

MOST_BYTES = 4 * 2**30  # of one array: the full dSprites, 3.0 GB, still fits
MOST_MEMBERS = 10_000  # arrays of an .npz
MOST_RATIO = 200  # of expanded to packed bytes. dSprites packs to a 116th; deflate takes nothing but zeros to a 1,032nd
ANY_RATIO_BYTES = 2**28  # so much may be packed as tightly as it likes: images of a single colour
MOST_WIDTH = 4096  # bytes of one item of text: 1,024 characters
LONGEST_AXIS = 2**40


@dataclass(frozen=True)
class Header:
    """What the header of one array says. packed: its bytes in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    packed: int

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def read_npz(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Returns the entries of those names that there are; DataError if the file or one of them cannot be read."""
    return read_arrays(path, read_headers(path, names))


def read_headers(path: Path, names: tuple[str, ...]) -> dict[str, Header]:
    """Returns the headers of those names that there are, each within bounds by itself; an .npy has one array, called by
    the first name. DataError if the file cannot be read, or has none of them."""
    if path.suffix.lower() != ".npz":
        with _readable(path), open(path, "rb") as file:
            size = os.path.getsize(path)
            return {names[0]: _header(str(path), file, size, size)}
    headers = {}
    with _readable(path), open_zip(path, MOST_MEMBERS) as archive:
        present = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        for name in names:
            if name in present:
                with archive.open(present[name]) as file:
                    size, packed = present[name].file_size, present[name].compress_size
                    headers[name] = _header(f"{path}, {name}", file, size, packed)
    if not headers:
        found = ", ".join(name[:40] for name in list(present)[:10])
        raise DataError(f"{path}: expected an array named {names[0]} or {names[1]}, got {found or 'an empty archive'}")
    return headers


def read_arrays(path: Path, headers: dict[str, Header]) -> dict[str, np.ndarray]:
    """Returns the arrays of these headers, once all of them together fit into half of this machine's memory."""
    _check_memory(path, headers.values())
    if path.suffix.lower() != ".npz":
        with _readable(path), open(path, "rb") as file:
            return {name: npy.read_array(file, allow_pickle=False) for name in headers}
    arrays = {}
    with _readable(path), open_zip(path, MOST_MEMBERS) as archive:
        for name in headers:
            with archive.open(f"{name}.npy") as file:
                arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{path}: this machine's memory does not hold it; use fewer or smaller images") from None
    except Exception as error:  # zipfile, zlib, lzma and NumPy's parser raise a dozen kinds for damaged bytes
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{path}: cut off, damaged or not NumPy's format ({reason}); write it again with numpy.savez"
        ) from None


def _header(where: str, file: IO[bytes], size: int, packed: int) -> Header:
    """The header, refused where it claims what cannot be. size: bytes of the entry once it is expanded."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    header, left = Header(shape, dtype, packed), size - file.tell()
    if dtype.hasobject:
        raise DataError(
            f"{where}: expected numbers, got an array of Python objects; make one array of them, with np.stack(...) "
            "for images and .astype(str) for labels"
        )
    if any(not 0 <= axis <= LONGEST_AXIS for axis in shape):
        raise DataError(f"{where}: no array has the shape {str(shape)[:60]}: the file is damaged; write it again")
    if dtype.kind in "US" and dtype.itemsize > MOST_WIDTH:
        raise DataError(
            f"{where}: expected text of at most {MOST_WIDTH // 4:,} characters, got items of {dtype.itemsize:,} bytes "
            f"({dtype}); shorten it"
        )
    if header.bytes > MOST_BYTES:
        raise DataError(
            f"{where}: expected at most {MOST_BYTES / 2**30:.0f} GiB, got an array of {header.bytes / 2**30:,.1f} GiB "
            f"(shape {shape}); use fewer or smaller images"
        )
    if header.bytes > left:
        raise DataError(
            f"{where}: expected {header.bytes:,} bytes for shape {shape}, got {left:,}: the file is cut off or damaged"
        )
    if header.bytes > ANY_RATIO_BYTES and header.bytes > MOST_RATIO * packed:
        raise DataError(
            f"{where}: {packed / 1e6:,.1f} MB that expand to {header.bytes / 1e6:,.0f} MB are no images; "
            "if they are, write the file again with numpy.savez, which does not compress"
        )
    return header


def _check_memory(path: Path, headers: Iterable[Header]) -> None:
    needed, memory = sum(header.bytes for header in headers), process_memory()
    if memory is not None and needed > memory / 2:
        raise DataError(
            f"{path}: expected at most half of this machine's {memory / 2**30:.1f} GiB of memory, got "
            f"{needed / 2**30:.1f} GiB of arrays; use fewer or smaller images"
        )
