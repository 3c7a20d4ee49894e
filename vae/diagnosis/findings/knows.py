"""What the latents know: labels or factors, dimension by dimension and together.

Labels are no part of the ELBO, so no nats of it are at stake. Found where codes tell nothing of them: neighbours do no
better than always saying the most frequent class, or the MIG is that of codes in another order, by three errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vae.bound.binned_information import BINS, binned, ceiling, gap, information_matrix, permuted
from vae.bound.chunks import rows_at_once
from vae.browser.drawing import Chart
from vae.datasets.factors import Factors, factors_of
from vae.diagnosis.case import SEED, Case
from vae.diagnosis.finding import Advice, Finding, Found, number_with_error
from vae.diagnosis.readout import NEIGHBOURS, Readout, read_out
from vae.errors import DataError
from vae.space.encodings import images_of

PERMUTATIONS = 20  # of the codes' rows, for the chance level
RESAMPLED = 20  # bootstraps, for the error of the MIG
TAUGHT = 10_000  # training images for the classifiers
FEWEST = 40  # labelled images
ERRORS = 3.0
SHOWN = 12  # rows of the picture


@dataclass(frozen=True)
class Disentangled:
    """The mutual information gap, what chance gives, and what a perfect code has on these images."""

    value: float
    error: float
    chance: float
    chance_spread: float  # over permutations
    ceiling: float


class Knows(Finding):
    """Mutual information by 20 bins, accuracy of k nearest neighbours and of a linear classifier, the MIG."""

    name = "knows"
    question = "What do the latents know?"
    seconds = 3.0

    def why_not(self, case: Case) -> str:
        codes = case.codes
        if codes.labels is None and _factors(case) is None:
            return "These images have no labels, and no factors that are known."
        few = f"Telling what codes know needs {FEWEST} images or more, and here are {len(codes)}."
        return few if len(codes) < FEWEST else ""

    def find(self, case: Case) -> Found:
        rng, bins, factors = np.random.default_rng(SEED), binned(case.codes.loc), _factors(case)
        names, values = _rows(case, factors)
        table = information_matrix(bins, values)
        chance = np.mean([_told(case, permuted(bins, rng), values) for _ in range(PERMUTATIONS)], 0)
        mig = None if factors is None else disentangled(case, bins, factors.values, rng)
        read, split = readout_of(case)
        found = _nothing(mig, read)
        value, error, threshold = _judged(mig, read)
        return Found(
            found=found,
            title="The latents know nothing of the labels" if found else "What the latents know",
            shown=_shown(mig, read),
            sentence=_sentence(names, table, chance, mig, read),
            value=value,
            unit="MIG" if mig else "share of labels told",
            standard_error=error,
            threshold=threshold,
            source=f"Mutual information by {BINS} bins, chance from {PERMUTATIONS} permutations"
            + (f"; {NEIGHBOURS} nearest neighbours and logistic regression, {split}" if read else "")
            + ("; MIG as Chen et al. 2018, constant factors left out" if mig else ""),
            n=len(case.codes),
            advice=(Advice("Colour the Map by label", "map", {"colour": "label"}),)
            if case.codes.labels is not None
            else (),
            picture=_picture(names, table),
            numbers={
                "rows": names,
                "information": table.tolist(),
                "chance": chance.tolist(),
                **({} if read is None else _accuracies(read)),
                **({} if mig is None else {f"mig_{name}": number for name, number in vars(mig).items()}),
            },
            arrays={"information": table, "chance": chance},
        )


def disentangled(case: Case, bins: NDArray[Any], values: NDArray[Any], rng: np.random.Generator) -> Disentangled:
    """Returns the MIG of these codes with its error by the bootstrap, its chance level and its ceiling."""
    again, by_chance, n = [], [], len(bins)
    for _ in range(RESAMPLED):
        rows = rng.integers(0, n, n)
        again.append(gap(bins[rows], values[rows]))
        by_chance.append(gap(permuted(bins, rng), values))
        case.progress(0.3, "the mutual information gap")
    most = ceiling(values, bins.shape[1], rng)
    error, chance = float(np.std(again)), np.array(by_chance)
    return Disentangled(gap(bins, values), error, float(chance.mean()), float(chance.std()), most)


@torch.no_grad()
def readout_of(case: Case) -> tuple[Readout | None, str]:
    """Returns how well labels can be read out of codes, and how images were split; None without labels."""
    codes = case.codes
    if codes.labels is None:
        return None, ""

    def tick() -> None:
        case.progress(0.7, "reading labels out of codes")

    z, labels = torch.from_numpy(codes.loc), torch.from_numpy(codes.labels)
    try:
        found = images_of(case.run, "train")
    except DataError:
        found = None
    if found is None or found.labels is None or len(found.stored) < FEWEST:
        split = f"taught by {len(z) // 2:,} held-out images, judged by the other {len(z) - len(z) // 2:,}"
        return read_out(z[1::2], labels[1::2], z[::2], labels[::2], tick), split
    n = len(found.stored)
    rows = torch.from_numpy(np.unique(np.linspace(0, n - 1, min(n, case.limit or n, TAUGHT)).round())).long()
    generator, taught = case.generator(), []
    for some in rows.split(rows_at_once(case.model)):
        taught.append(case.model.encode(found.to_float(found.stored[some], generator)).mean)
        tick()
    known = torch.as_tensor(np.asarray(found.labels))[rows]
    split = f"taught by {len(rows):,} training images, judged by {len(z):,} held-out ones"
    return read_out(torch.cat(taught), known, z, labels, tick), split


def _factors(case: Case) -> Factors | None:
    images = int(case.data.get("train", 0)) + int(case.data.get("test", 0))
    return factors_of(str(case.data.get("name", "")), images, case.codes.rows)


def _rows(case: Case, factors: Factors | None) -> tuple[list[str], NDArray[Any]]:
    """What the matrix has rows for: the factors, or the label and each class against the others."""
    if factors is not None:
        return list(factors.names), factors.values
    labels, classes = case.codes.labels, case.codes.classes
    assert labels is not None  # else `why_not` speaks
    present = np.unique(labels)
    _, whole = np.unique(labels, return_inverse=True)
    single = [(labels == label).astype(np.int64) for label in present[: SHOWN - 1]] if len(present) > 2 else []
    names = ["label", *(str(label) if classes is None else classes[label] for label in present[: len(single)])]
    return names, np.stack([whole.astype(np.int64), *single], 1)


def _told(case: Case, bins: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    case.progress(0.1, "what chance tells")
    return information_matrix(bins, values)


def _judged(mig: Disentangled | None, read: Readout | None) -> tuple[float, float, float]:
    if mig is not None:
        return mig.value, mig.error, mig.chance
    assert read is not None  # else `why_not` speaks
    return read.neighbours.value, read.neighbours.error, read.majority


def _nothing(mig: Disentangled | None, read: Readout | None) -> bool:
    by_label = read is None or read.neighbours.value - ERRORS * read.neighbours.error <= read.majority
    by_factor = mig is None or mig.value - ERRORS * max(mig.error, mig.chance_spread) <= mig.chance
    return by_label and by_factor


def _accuracies(read: Readout) -> dict[str, float]:
    return {
        "neighbours": read.neighbours.value,
        "neighbours_error": read.neighbours.error,
        "linear": read.linear.value,
        "linear_error": read.linear.error,
        "majority": read.majority,
    }


def _percent(value: float, error: float) -> str:
    return f"{number_with_error(100 * value, 100 * error)} %"


def _shown(mig: Disentangled | None, read: Readout | None) -> str:
    if mig is not None:
        return f"MIG {number_with_error(mig.value, mig.error, 3)}"
    assert read is not None
    return f"{_percent(read.neighbours.value, read.neighbours.error)} of labels"


def _sentence(
    names: list[str], table: NDArray[Any], chance: NDArray[Any], mig: Disentangled | None, read: Readout | None
) -> str:
    j, i = np.unravel_index(int((table - chance).argmax()), table.shape)
    what = names[j] if mig is not None else "the label" if j == 0 else f"whether the label is “{names[j]}”"
    words = (
        f"Of single dimensions z{i} tells most, of {what}: {table[j, i]:.2f} nats by {BINS} bins, where shuffled codes "
        f"seem to tell {chance[j, i]:.3f}."
    )
    if read is not None:
        near, linear = (_percent(one.value, one.error) for one in (read.neighbours, read.linear))
        words += (
            f" From the codes {NEIGHBOURS} neighbours tell {near} of labels, a linear classifier {linear}; always "
            f"saying the most frequent class is right for {100 * read.majority:.1f} %."
        )
    if mig is not None:
        words += (
            f" MIG {number_with_error(mig.value, mig.error, 3)}, of {mig.ceiling:.3f} that a perfect code has here and "
            f"{mig.chance:.3f} by chance."
        )
    return words


def _picture(names: list[str], table: NDArray[Any]) -> str:
    """Squares whose area is the information."""
    rows, k = min(len(names), SHOWN), table.shape[1]
    most = float(table.max()) or 1.0
    places = {float(rows - 1 - j): names[j][:9] for j in range(rows)}
    across = {float(i): f"z{i}" for i in range(k)} if k <= 20 else None
    chart = Chart(
        (-0.6, k - 0.4),
        (-0.6, rows - 0.4),
        height=34 + max(60, 20 * rows),
        ticks=(across, places),
        legend=[("rate", f"mutual information: area; largest {most:.2f} nats")],
    )
    for j in range(rows):
        for i in range(k):
            half = 0.46 * float(np.sqrt(table[j, i] / most))
            chart.bar(i - half, i + half, rows - 1 - j - half, rows - 1 - j + half, "rate")
    return chart.svg("Mutual information of each dimension with " + ", ".join(names[:rows]))
