"""What the map and its figures show, as CSV: one line per image, with the run, the image's place in this order, its row
in the user's own file and that file's name, the picture's own name (where they are known), and its label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ui.live.cache import current_codes, weights_sha
from ui.map.figures import places_of
from ui.map.histograms import values_of
from ui.map.view import MapView
from vae.files import as_csv


def map_table(path: Path, view: MapView) -> str:
    """Returns CSV: run, index, row, row_of, file, label, rate, distortion (nats), z0, z1, ... and the place under the
    method's name: pca_1, pca_2."""
    places, codes, axes = places_of(path, view)
    spoken = view.method in ("plane", "line", "dims")
    names = [axis.split()[0] for axis in axes] if spoken else ["1", "2"]
    columns = {"rate": codes.rate, "distortion": codes.distortion}
    columns |= {f"z{d}": codes.loc[:, d] for d in range(codes.loc.shape[1])}
    columns |= {f"{view.method}_{name}": places[:, a] for a, name in enumerate(names)}
    return _table(path, codes, columns)


def histogram_table(path: Path, quantity: str, part: str = "test") -> str:
    """Returns CSV: run, index, row, row_of, file, label and the quantity of every image."""
    codes = current_codes(path, weights_sha(path), part)
    return _table(path, codes, {quantity: values_of(codes, quantity)})


def _table(path: Path, codes: Any, columns: dict[str, NDArray[Any]]) -> str:
    about: dict[str, list[Any]] = {"run": [path.name] * len(codes), "index": list(range(len(codes)))}
    if codes.rows is not None:
        about |= {"row": codes.rows.tolist(), "row_of": [codes.rows_of] * len(codes)}
    if codes.files is not None:
        about["file"] = codes.files.tolist()
    if codes.labels is not None:
        about["label"] = [codes.classes[label] if codes.classes else str(label) for label in codes.labels]
    about |= {name: [float(f"{value:.6g}") for value in values] for name, values in columns.items()}
    return as_csv(dict(zip(about, row, strict=True)) for row in zip(*about.values(), strict=True))
