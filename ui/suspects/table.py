"""The rows of one page of the table, with pictures, as the browser module has them."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ui.live.cache import model_of
from ui.style import number
from ui.suspects.view import SECOND, SuspectsView
from vae import runs
from vae.diagnosis.suspects.marks import Marks
from vae.diagnosis.suspects.table import SORTS, describe

if TYPE_CHECKING:
    from vae.diagnosis.suspects.table import Listed
    from vae.space.encodings import Images

PAGE = 25  # rows
LARGEST = 96  # pixels of a side, of what is sent
BRIGHTER, DARKER = (213, 94, 0), (0, 114, 178)  # than the reconstruction
PARTS = {"test": "held-out", "train": "training"}


def table_data(
    path: Path, sha: str, view: SuspectsView, listed: Listed, images: Images, indices: NDArray[np.int64], marks: Marks
) -> dict[str, Any]:
    """Returns one page of the rows in `indices`, JSON values."""
    pages = max(1, -(-len(indices) // PAGE))
    page = min(view.page, pages)
    shown = indices[PAGE * (page - 1) : PAGE * page]
    rows = [_row(describe(listed, int(index), view.k, marks), listed) for index in shown]
    for row, pictures in zip(rows, _pictures(path, sha, shown, images), strict=True):
        row["pictures"] = pictures
    labelled = listed.scores.differ is not None
    return {
        "run": path.name,
        "part": view.part,
        "rows": rows,
        "sort": view.sort,
        "ascending": SORTS[view.sort][1] == (view.order == "flipped"),
        "sorts": ["row", *(["disagreement"] if labelled else []), "elbo", "distortion", "rate", "log_px", "copies"],
        "page": page,
        "pages": pages,
        "first": PAGE * (page - 1) + 1,
        "found": len(indices),
        "all": len(listed),
        "k": view.k,
        "labelled": labelled,
        "markable": view.part != SECOND and listed.rows is not None,
    }


def _row(found: dict[str, Any], listed: Listed) -> dict[str, Any]:
    """What is written in a row; every number already as it is read."""
    log_px = "" if found["log_px"] is None else f"≥ {number(found['log_px'])}"
    if found["log_px_error"] is not None:
        log_px = f"{number(found['log_px'])} ± {max(0.1, found['log_px_error']):.1f}"
    differ = "" if found["differ"] is None else f"{found['differ']} of {found['neighbours']}"
    place = f"row {found['row']:,}" if found["row"] is not None else f"image {found['index']:,}"
    return {
        "index": found["index"],
        "place": place,
        "file": found["file"] or "",
        "label": found["label"],
        "suggested": found["suggested"] if found["differ"] and found["suggested"] != found["label"] else None,
        "differ": differ,
        "rate": number(found["rate"]),
        "distortion": number(found["distortion"]),
        "elbo": number(found["rate"] + found["distortion"]),
        "log_px": log_px,
        "badges": _badges(found, listed),
        "marked": found["marked"],
        "note": found["note"],
    }


def _badges(found: dict[str, Any], listed: Listed) -> list[str]:
    badges = ["blank"] * bool(found["blank"]) + ["far out"] * (found["far"] and listed.second is None)
    for name, kind in (("copy_of", "copy"), ("near_copy_of", "near copy")):
        if found[name]:
            part, index = found[name].split(" ")
            badges.append(f"{kind} of {PARTS[part]} image {int(index):,}")
        elif found[name] == "":
            badges.append("has copies" if kind == "copy" else "has near copies")
    if "tail" in found and found["tail"] <= 0.01:
        badges.append(f"outlier: {found['tail']:.1%} of the run's own cost as much")
    return badges


def _pictures(path: Path, sha: str, shown: NDArray[np.int64], images: Images) -> list[list[str]]:
    """Image, reconstruction and residual of each row, as data addresses."""
    if not len(shown):
        return []
    from vae.diagnosis.suspects.opened import pictures
    from vae.space.encodings import display_limits_of

    found = pictures(model_of(path, sha), images, shown, display_limits_of(runs.load_run(path)))
    return [
        [_address(_channels_last(original)), _address(_channels_last(reconstruction)), _address(signed(residual))]
        for original, reconstruction, residual in zip(
            found.originals, found.reconstructions, found.residuals, strict=True
        )
    ]


def _channels_last(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(c, h, w) -> (h, w) or (h, w, 3)."""
    return image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))


def signed(residual: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns x − x̂ (h, w), from −1 to 1, as colours (h, w, 4): how much brighter, how much darker."""
    colour = np.where(residual[..., None] > 0, np.array(BRIGHTER), np.array(DARKER))
    shade = np.round(255 * np.abs(residual))[..., None]
    return np.concatenate([colour, shade], -1).astype(np.uint8)


def _address(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST))
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
