"""Codes as bytes for the browser's modules (ui/static/shared/codes.js reads them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vae.browser.framing import frame

if TYPE_CHECKING:
    from vae.space.encodings import Codes  # torch takes its time


def pack_codes(codes: Codes) -> bytes:
    """Returns a frame (`vae.browser.framing`) of little-endian float32 loc (n, k), log-variance (n, k) if the header
    says so, rate (n,), distortion (n,), labels (n,) as uint8 (uint16 where there are more than 256), padded to 4 bytes,
    and uint32 rows (n,) in what the header calls `rows_of`, if it does; then `file_bytes` of UTF-8: each image's file,
    a line each."""
    n, k = codes.loc.shape
    channels, height, width = codes.images.shape[1:]
    per_dim = codes.rate_per_dim if codes.rate_per_dim is not None else codes.marginal_rate_per_dim
    wide = codes.labels is not None and codes.labels.size and codes.labels.max() > 255
    names = b"" if codes.files is None else "\n".join(codes.files).encode()
    header = {
        "n": n,
        "k": k,
        "height": height,
        "width": width,
        "channels": channels,
        "classes": codes.classes,
        "source": codes.source,
        "parts": list(codes.parts),
        "rows_of": None if codes.rows is None else codes.rows_of,
        "file_bytes": len(names),
        "labels": codes.labels is not None,
        "label_bytes": 2 if wide else 1,
        "log_variance": codes.log_variance is not None,
        "rate_per_dim": None if per_dim is None else _finite(per_dim),
        "marginals": codes.rate_per_dim is None and per_dim is not None,  # whose rates they are: each z_i's alone
    }
    arrays = [codes.loc, codes.log_variance, codes.rate, codes.distortion]
    body = b"".join(array.astype("<f4").tobytes() for array in arrays if array is not None)
    labels = b"" if codes.labels is None else codes.labels.astype("<u2" if wide else "u1").tobytes()
    rows = b"" if codes.rows is None else codes.rows.astype("<u4").tobytes()
    return frame(header, body, labels, b"\0" * (-len(labels) % 4), rows, names, b"\0" * (-len(names) % 4))


def _finite(values: np.ndarray) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
