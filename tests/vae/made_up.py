"""A diagnosis with results of a test's own, kept with a run as the process keeps its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from vae.diagnosis.finding import Advice, Found
from vae.diagnosis.process import weights_of
from vae.diagnosis.results import DiagnosisStatus, Result, folder_of, write_result
from vae.files import write_json

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 460 90" role="img">'
    '<rect class="bar prior" width="99" height="9"/></svg>'
)
FOUND = Found(
    True, "Holes in the prior", "2.0 – 9.8 nats", "The prior sends 47 % of its draws where no image lives.", value=2.01,
    standard_error=0.02, threshold=0.5, source="a held-out classifier", nats=2.01, at_most=9.8, n=360, picture=SVG,
    advice=(
        Advice("Show on the *Map*", "map", {"colour": "hole"}), Advice("Fly", "nowhere"),
        Advice("Fewer dimensions", "train", {"from": "its name then", "embed": "true"}),
    ),
    numbers={"mutual_information": 4.25, "by_dimension": [0.5] * 12, "saturated": True},
)  # fmt: skip
FINE = Found(False, "Every dimension is used", "2 of 2", "Each carries 1.4 nats or more.", nats=0.0)
SMALL = Found(True, "Overfitting", "0.9 ± 0.1 nats", "It rises since epoch 22.", nats=0.9)
RESULTS = (
    Result("collapsed", "Is every latent dimension used?", FINE, seconds=0.25),
    Result("overfitting", "Does it overfit?", SMALL, seconds=1.0),
    Result("holes", "Do the codes fill the prior?", FOUND, seconds=3.0),
    Result("bits", "Are all bits used?", why_not="The codes of this run are no bits."),
)


def keep(path: Path, results: tuple[Result, ...] = RESULTS, state: str = "finished", **status: Any) -> Path:
    """Keeps these results for the run's newest weights; returns their folder."""
    folder = folder_of(path, weights_of(path))
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        write_result(folder, result)
    about = {"done": len(results), "total": 8, "weights": weights_of(path), "source": "360 held-out images of digits"}
    write_json(folder / "status.json", dataclasses.asdict(DiagnosisStatus(state, **about | status)))
    return folder


def with_holes(k: int, n: int = 360, m: int = 400) -> Result:
    """The finding `holes` with arrays: draws of the prior to the right score −3, the others and the images 1."""
    prior = np.random.default_rng(0).standard_normal((m, k)).astype(np.float32)
    prior_score = np.where(prior[:, 0] > 0, -3, 1).astype(np.float32)
    arrays = {"score": np.ones(n, np.float32), "prior": prior, "prior_score": prior_score}
    return Result("holes", "Do the codes fill the prior?", dataclasses.replace(FOUND, arrays=arrays), seconds=3.0)
