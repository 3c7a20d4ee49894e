"""The latent space of a run, as the Explore page needs it."""

from __future__ import annotations

from dataclasses import dataclass

from ui.runs.run_view import RunView


@dataclass(frozen=True)
class Space:
    """The latent space of a run: k dimensions that take real numbers or 0 and 1, and their rates in nats; those of the
    marginals where q does not factorise."""

    run: str
    k: int
    support: str
    factorises: bool
    rates: list[float] | None

    @property
    def usual_z(self) -> str:
        """What the code is called at which the page opens."""
        return "code of all zeros" if self.support == "binary" else "prior mean"


def space_of(view: RunView) -> Space:
    """Returns the latent space of a run. Raises RunError where its files cannot be read."""
    from vae.model.latents import LATENTS  # torch takes its time

    latent, k = LATENTS[view.config.latent], view.config.latent_dim
    return Space(view.name, k, latent.support, latent.factorises, mean_rates(view, k))


def mean_rates(view: RunView, k: int) -> list[float] | None:
    """Returns the newest measured rate of each dimension (of its marginal), nats; None where the history has none."""
    measured = view.measured.get("test") or view.measured.get("train") or {}
    rates = measured.get("rate_per_dim") or measured.get("marginal_rate_per_dim")
    return rates if isinstance(rates, list) and len(rates) == k else None
