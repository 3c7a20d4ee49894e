"""What is listed, in which order, and one row of it as page, command and files have it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vae.diagnosis.suspects.marks import Marks
from vae.diagnosis.suspects.options import KS
from vae.space.parts import Part

if TYPE_CHECKING:  # torch, which pages need not wait for
    from vae.diagnosis.suspects.evidence import Bounds
    from vae.diagnosis.suspects.scores import Scores
    from vae.diagnosis.suspects.second import Second

SORTS = {  # how each is read, and whether the highest comes first
    "disagreement": ("neighbours with another label", True),
    "elbo": ("−ELBO", True),
    "distortion": ("distortion", True),
    "rate": ("rate", True),
    "log_px": ("log p(x)", False),
    "copies": ("copies together", False),
    "row": ("row of the file", False),
}
KINDS = ("all", "label", "exact", "near", "blank", "far", "marked")
SECOND_KINDS = ("all", "tail")
TAIL = 0.01  # of the run's own held-out images, above whose −ELBO a foreign image is an outlier


@dataclass(frozen=True)
class Listed:
    """All that is known of one part's images, in the dataset's order; `second`: they are another dataset's, which are
    neither compared with one another nor marked."""

    part: Part
    scores: Scores
    labels: NDArray[np.int64] | None
    rows: NDArray[np.int64] | None
    rows_of: str = ""
    classes: tuple[str, ...] | None = None
    files: NDArray[np.str_] | None = None
    bounds: Bounds | None = None
    second: Second | None = None
    places: tuple[tuple[Part, int], ...] = ()  # of the parts: each one's first place and name, for twins

    def __len__(self) -> int:
        return len(self.scores)

    def label(self, index: int) -> str:
        """Returns the label in words, "" where there is none."""
        return "" if self.labels is None else self.name_of(int(self.labels[index]))

    def name_of(self, label: int) -> str:
        """Returns a class in words."""
        return self.classes[label] if self.classes and 0 <= label < len(self.classes) else str(label)

    def row(self, index: int) -> int:
        """Returns the row in the file or set; the image's place where the run does not say it."""
        return index if self.rows is None else int(self.rows[index])


def of_kind(listed: Listed, kind: str, k: int, marks: Marks) -> NDArray[np.bool_]:
    """Returns which images are of a kind, (n,): label (more than half of the k neighbours agree on another one), exact
    and near (all of each group of twins), blank, far, marked, tail; all."""
    scores, none = listed.scores, np.zeros(len(listed), bool)
    if kind == "label":
        return none if scores.differ is None else _contradicted(scores, listed, k)
    if kind in ("exact", "near"):
        groups = getattr(scores, kind)
        return none if groups is None else groups >= 0
    if kind == "blank":
        return none if scores.blank is None else scores.blank.astype(bool)
    if kind == "far":
        return scores.far
    if kind == "tail":
        return none if listed.second is None else listed.second.tail <= TAIL
    if kind == "marked":
        return np.array([(listed.part, listed.row(i)) in marks for i in range(len(listed))], bool)
    return ~none


def _contradicted(scores: Scores, listed: Listed, k: int) -> NDArray[np.bool_]:
    assert scores.suggested is not None
    assert scores.agree is not None
    assert listed.labels is not None
    column = KS.index(k)
    other = scores.suggested[:, column] != listed.labels
    contradicted: NDArray[np.bool_] = other & (2 * scores.agree[:, column] > scores.k_there(k))
    return contradicted


def removable(listed: Listed, index: int) -> bool:
    """Whether leaving this image out loses nothing: of a group of equal images the first one stays."""
    for groups in (listed.scores.exact, listed.scores.near):
        if groups is not None and groups[index] == listed.scores.offset + index:
            return False
    return True


def order(
    listed: Listed,
    sort: str = "disagreement",
    k: int = 10,
    flipped: bool = False,
    kind: str = "all",
    label: int | None = None,
    marks: Marks | None = None,
) -> NDArray[np.int64]:
    """Returns the indices of the images of a kind (and class), in order. `flipped`: the other way round than SORTS
    says. Images of which the number is not known come last, either way."""
    chosen = of_kind(listed, kind, k, marks or {})
    if label is not None and listed.labels is not None:
        chosen = chosen & (listed.labels == label)
    indices = np.flatnonzero(chosen)
    keys = [np.asarray(key, float)[indices] for key in _keys(listed, sort, k)]
    highest = SORTS[sort][1] != flipped
    signed = [-key if highest else key for key in keys]
    unknown = np.isnan(keys[0])
    return indices[np.lexsort([*(np.nan_to_num(key) for key in reversed(signed)), unknown])]


def _keys(listed: Listed, sort: str, k: int) -> list[NDArray[Any]]:
    """What is sorted by, and what decides between equals."""
    scores, unknown = listed.scores, np.full(len(listed), np.nan)
    if sort == "disagreement":
        if scores.differ is None or scores.agree is None:
            return [unknown, scores.distortion + scores.rate]
        column = KS.index(
            k
        )  # between equals: where the neighbours agree with each other, then the larger neighbourhood
        return [scores.differ[:, column], scores.agree[:, column], scores.differ[:, -1], scores.agree[:, -1]]
    if sort == "log_px":
        if listed.bounds is not None:
            unknown[listed.bounds.places] = listed.bounds.bound
        return [unknown, scores.elbo]
    if sort == "copies":
        groups = [g for g in (scores.exact, scores.near) if g is not None]
        first = np.select([g >= 0 for g in groups], groups, np.nan) if groups else unknown
        return [first, np.arange(len(listed))]
    if sort == "row":
        return [np.arange(len(listed)) if listed.rows is None else listed.rows]
    return [-scores.elbo if sort == "elbo" else getattr(scores, sort)]


def describe(listed: Listed, index: int, k: int, marks: Marks) -> dict[str, Any]:
    """Returns one row, its numbers in nats; None for what is not known or makes no sense."""
    scores, column = listed.scores, KS.index(k)
    note = marks.get((listed.part, listed.row(index)))
    found: dict[str, Any] = {
        "part": "second" if listed.second is not None else listed.part,
        "index": index,
        "row": listed.row(index) if listed.rows is not None else None,
        "row_of": listed.rows_of,
        "file": None if listed.files is None else str(listed.files[index]),
        "label": listed.label(index) if listed.labels is not None else None,
        "rate": float(scores.rate[index]),
        "distortion": float(scores.distortion[index]),
        "log_px": None,
        "log_px_error": None,
        "log_px_flagged": None,
        "neighbours": scores.k_there(k) if scores.differ is not None else None,
        "differ": None if scores.differ is None else int(scores.differ[index, column]),
        "suggested": None,
        "copy_of": _twin(listed, scores.exact, index),
        "near_copy_of": _twin(listed, scores.near, index),
        "blank": None if scores.blank is None else bool(scores.blank[index]),
        "far": bool(scores.far[index]),
        "marked": note is not None,
        "note": note or "",
    }
    if scores.suggested is not None:
        found["suggested"] = listed.name_of(int(scores.suggested[index, column]))
    if listed.bounds is not None and len(place := np.flatnonzero(listed.bounds.places == index)):
        bounds = listed.bounds
        found["log_px"], found["log_px_flagged"] = float(bounds.bound[place[0]]), bool(bounds.flagged[place[0]])
        found["log_px_error"] = None if found["log_px_flagged"] else float(bounds.error[place[0]])
    if listed.second is not None:
        found["tail"] = float(listed.second.tail[index])
    return found


def _twin(listed: Listed, groups: NDArray[np.int64] | None, index: int) -> str | None:
    """The first of its group, "train 17" by part and index; "" for the first itself, None where it has no twin."""
    if groups is None or groups[index] < 0:
        return None
    first = int(groups[index])
    if first == listed.scores.offset + index:
        return ""
    part, start = max((one for one in listed.places if one[1] <= first), key=lambda one: one[1])
    return f"{part} {first - start}"


def rows_for(listed: Listed, indices: Collection[int], k: int, marks: Marks) -> list[dict[str, Any]]:
    """Returns the rows of these images."""
    return [describe(listed, int(index), k, marks) for index in indices]
