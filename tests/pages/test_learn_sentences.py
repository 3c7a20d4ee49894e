"""Sentences of the Learn page and of the converter, read from the page and held against numbers."""

from __future__ import annotations

import math
import re

import pytest
import torch
from streamlit.testing.v1 import AppTest

from tests.pages.test_converter import converter, words
from tests.pages.test_learn import open_step
from ui.charts.checks import verdict
from ui.converter.words import number
from vae.bound.objectives import OBJECTIVES
from vae.config import Config
from vae.lessons.derivation.check import BEYOND, Check, generator
from vae.lessons.derivation.scalar_model import ScalarModel, two_terms
from vae.lessons.reductions import WrittenLoss, meaning
from vae.model.vae import build_model


def questions(model: ScalarModel, x: float, m: float, s: float, samples: int) -> int:
    """In how many samples of the right formula the distortion lies beyond three standard errors."""
    return sum(
        not two_terms(model, x, m, s, 4000, generator(seed)).distortion.agrees for seed in range(samples)
    )  # fmt: skip


def test_how_often_chance_goes_beyond_three_errors() -> None:
    told = verdict(Check(1.0, 1.4, 0.1), "sampling")
    one_in = round(1 / math.erfc(3 / math.sqrt(2)))
    assert f"about 1 of {one_in} samples where the draws are normal, more often where they are skewed" in told
    assert "or fewer" not in told
    skewed = questions(ScalarModel(True, 0.1), -3.0, 0.0, 2.0, 3000)
    assert skewed > 3000 * BEYOND + 3 * math.sqrt(3000 * BEYOND)
    # far from x and narrow, the straight decoder's squared error is nearly linear in ε
    almost_normal = questions(ScalarModel(False, 2.0), 3.0, -3.0, 0.05, 3000)
    assert abs(almost_normal - 3000 * BEYOND) < 3 * math.sqrt(3000 * BEYOND)


def test_what_narrowing_q_does_is_said_as_it_is(app: AppTest) -> None:
    """It lowers the distortion of the straight decoder throughout; of the bent one, at the page's mean, to a point."""
    open_step(app, "two-terms")
    reason = next(element.value for element in app.markdown if "Split $\\log w$" in element.value)
    scales = torch.linspace(0.05, 1.0, 96, dtype=torch.float64)
    rate, distortion = {}, {}
    for bent in (False, True):
        model, means = ScalarModel(bent, 0.5), torch.full_like(scales, 0.6)
        rate[bent], distortion[bent] = model.rate(means, scales), model.distortion(1.0, means, scales)
        assert bool((rate[bent].diff() < 0).all())
    assert bool((distortion[False].diff() > 0).all())
    at = int(distortion[True].argmin())
    assert 0 < at < 95
    assert distortion[True][0] > distortion[True][at] + 0.1
    assert (
        "Below scale 1, narrowing $q$ always raises the second. It lowers the first only down to a point: with the"
        in reason
    )
    assert (
        "straight decoder that is $s = 0$, with the bent one a narrow $q$ in the wrong place misses $x$ by more"
        in reason
    )
    assert not re.search(r"narrow(er|ing)? \$q\$ (always )?(lowers|reduces)", reason)


def test_the_loss_that_is_printed_is_that_of_one_objective(app: AppTest) -> None:
    """Of *elbo*; with one draw *iwae* samples the rate too, and with more it is a tighter bound."""
    open_step(app, "loss")
    reason = next(element.value for element in app.markdown if "All steps together" in element.value)
    assert "is what the Train page minimises for the objective *elbo*" in reason
    assert "the objective *iwae* minimises a tighter bound" in reason
    model = build_model(Config(likelihood="gaussian", latent_dim=2, hidden=(4,), network="mlp"), (1, 2, 2)).double()
    model.likelihood.set_C(2.0)  # type: ignore[attr-defined, operator]
    x, one = torch.rand(200, 1, 2, 2, generator=generator(0)).double(), torch.ones(()).double()
    with torch.no_grad():
        (elbo, terms), (iwae, _) = (
            OBJECTIVES[name].loss(model, x, 50, one, generator(1)) for name in ("elbo", "iwae")
        )  # fmt: skip
        q = model.encode(x)
    closed = 0.5 * (q.mean**2 + q.variance - 1 - q.variance.log()).sum(1)
    assert torch.allclose(elbo, 2 * terms.squared_error + 2 * math.log(math.pi / 2) + closed, rtol=1e-9)
    assert float(iwae.mean()) < float(elbo.mean()) - 1e-4


@pytest.mark.parametrize("link", [{"weight": "1.9"}, {"weight": "1.9", "range": "bytes"}, {"weight": "2.1"}])
def test_noise_wider_than_half_the_range_is_said(app: AppTest, link: dict[str, str]) -> None:
    """sd = 1/√(2C) exceeds ½ for pixels from 0 to 1 below C = 2; for bytes the same C is little noise."""
    converter(app, pixels="sum", **link)
    sd = math.sqrt(1 / (2 * float(link["weight"])))
    outside = 2 * float(1 - torch.distributions.Normal(0.0, sd).cdf(torch.tensor(0.5)))
    said = (
        f"**The noise is wider than the data.** Its standard deviation, ${number(sd)}$, exceeds half of the pixels’ "
        f"range, $0.5$: of a pixel drawn around the middle of the range, ${round(100 * outside)}$ % would lie outside."
    )
    assert (said in words(app)) is (sd > 0.5 and "range" not in link)
    assert ("exceeds half" in words(app)) is (sd > 0.5 and "range" not in link)
    assert meaning(WrittenLoss("squared", "sum", weight=float(link["weight"]))).sd == pytest.approx(sd)
