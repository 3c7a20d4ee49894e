"""Whether a run's numbers in nats are those of a likelihood: of a model of somebody else's they may not be."""

from __future__ import annotations

from typing import Any

from vae.config import Config


def why_no_likelihood(config: Config, data: dict[str, Any]) -> str:
    """Returns the sentence that stands beside every number in nats that no likelihood is behind; "" where there is
    one."""
    if not config.is_yours:
        return ""
    if config.likelihood is None:
        return (
            "Which likelihood p(x|z) this model has is not told: distortion, ELBO and log p(x) are made of "
            "C · ‖x − f(z)‖² and are not a likelihood's. The rate is as it says."
        )
    from vae.model.likelihood import contains  # torch takes its time
    from vae.model.likelihoods import LIKELIHOODS

    likelihood = LIKELIHOODS.get(config.likelihood)
    if likelihood is not None and not contains(likelihood.support, data.get("support", "binary")):
        return (
            f"A {config.likelihood} density is one of {likelihood.support} pixels, and these images have others: "
            "distortion, ELBO and log p(x) are a cross-entropy, not a likelihood's. The rate is as it says."
        )
    return ""
