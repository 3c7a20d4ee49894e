"""The codes of a run's held-out images as columns: which image, where its posterior lies, what it costs in nats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae.exports.export import Progress
from vae.runs import Run
from vae.space.encodings import Codes, codes_of, covariance_factors

MOST_NUMBERS = 20_000_000  # of a file; of larger codes the first images
CODES = "codes"
ABOUT = "of every held-out image: posterior mean and spread, rate and distortion in nats, label, row in its file"
Array = NDArray[Any]


@dataclass(frozen=True)
class Table:
    """What is known of n images. spread: what the second set of numbers is called, "" of bits, whose mean says all."""

    codes: Codes
    first: str  # what the mean is called: "mean", of bits "probability"
    spread: str  # "standard_deviation", or "factor": L of the covariance L Lᵀ
    spreads: Array | None  # (n, k), or (n, k, k) lower triangular
    facts: dict[str, Any]

    def arrays(self) -> dict[str, Array]:
        """Returns an array for each quantity, without one for what is not known."""
        codes, n = self.codes, len(self.codes)
        found: dict[str, Array] = {"index": np.arange(n)}
        if codes.rows is not None:
            found |= {"row": codes.rows, "row_of": np.full(n, codes.rows_of)}
        found["part"] = np.full(n, "test")
        if codes.files is not None:
            found["file"] = codes.files
        if codes.labels is not None:
            found["label"] = codes.labels if codes.classes is None else np.array(codes.classes)[codes.labels]
        found[self.first] = codes.loc
        if self.spreads is not None:
            found[self.spread] = self.spreads
        return found | {"rate": codes.rate, "distortion": codes.distortion}

    def columns(self) -> Iterator[tuple[str, Array]]:
        """Yields columns (n,) with their names: `mean_z0` of what has a number for each dimension, `factor_z1_z0`."""
        for name, array in self.arrays().items():
            if array.ndim == 1:
                yield name, array
            elif array.ndim == 2:
                yield from ((f"{name}_z{i}", array[:, i]) for i in range(array.shape[1]))
            else:
                places = zip(*np.tril_indices(array.shape[1]), strict=True)
                yield from ((f"{name}_z{i}_z{j}", array[:, i, j]) for i, j in places)


def table_of(run: Run, progress: Progress) -> Table:
    """Returns the table of a run, computed with its newest weights. Raises what `codes_of` raises, Stopped."""
    k, of_all = run.model.k, run.data.get("test")
    full = run.config.latent == "full-normal"
    limit = max(1, MOST_NUMBERS // (k + (k * k if full else k) + 8))
    codes = codes_of(run, limit=limit, look=lambda share: progress((0.4 if full else 0.8) * share, "encoding images"))
    facts: dict[str, Any] = {"images": len(codes)}
    if isinstance(of_all, int) and of_all > len(codes):
        facts["of"] = of_all
    facts |= {"source": codes.source, "unit": "nats"}
    if codes.log_variance is not None:
        return Table(codes, "mean", "standard_deviation", np.exp(0.5 * codes.log_variance), facts)
    factors = covariance_factors(run.model, codes, lambda share: progress(0.4 + 0.4 * share, "encoding images"))
    return Table(codes, "probability" if factors is None else "mean", "factor", factors, facts)
