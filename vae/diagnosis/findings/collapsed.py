"""Collapsed dimensions: those on which q(z|x) is the prior, whatever x is."""

from __future__ import annotations

import numpy as np

from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found


class Collapsed(Finding):
    """Active units: dimensions with Var_x(E_q z_i) > 0.01 (Burda et al. 2015)."""

    name = "collapsed"
    question = "Is every latent dimension used?"
    seconds = 0.1

    def find(self, case: Case) -> Found:
        codes, k = case.codes, case.model.k
        active = codes.loc.var(0) > ACTIVE_THRESHOLD
        rates = codes.rate_per_dim if codes.rate_per_dim is not None else codes.marginal_rate_per_dim
        assert rates is not None
        idle = k - int(active.sum())
        listed = ", ".join(f"z{d}" for d in np.flatnonzero(~active)[:8]) + (", …" if idle > 8 else "")
        used = f"Each carries {rates.min():.2f} nats or more, and its mean varies: Var E_q z > {ACTIVE_THRESHOLD}."
        return Found(
            found=idle > 0,
            title=f"{idle} collapsed dimension{'s' * (idle != 1)}" if idle else "Every dimension is used",
            shown=f"{k - idle} of {k}",
            sentence=f"The decoder learns nothing of the image from {listed}." if idle else used,
            value=float(idle),
            unit="dimensions",
            threshold=0.0,
            source=f"Var E_q z > {ACTIVE_THRESHOLD}: Burda et al. 2015",
            advice=(Advice("See them on Explore", "explore"),) if idle else (),
            numbers={"active": int(active.sum()), "rate_per_dim": [float(rate) for rate in rates]},
        )
