"""What the converter says of log p(x) where the KL does not weigh 1, read from the page and held against quadrature."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ui.converter.code import our_command
from ui.converter.faults import verdict
from vae.lessons.derivation.check import trapezoid
from vae.lessons.derivation.scalar_model import log_normal
from vae.lessons.reductions import WrittenLoss, faults, meaning

SCALE = 0.01  # of the learned noise: small enough for negative distortions
ERRORS: dict[str, Callable[[float, Tensor], Tensor]] = {  # of one pixel whose decoder is f(z) = z, as torch has it
    "cross-entropy": lambda x, z: F.softplus(z) - x * z,
    "gaussian-nll": lambda x, z: 0.5 * (math.log(SCALE) + (x - z) ** 2 / SCALE),
    "absolute": lambda x, z: (x - z).abs() / SCALE + math.log(SCALE),
}
DENSITIES: dict[str, Callable[[float, Tensor], Tensor]] = {  # log p(x|z) by torch's distributions
    "cross-entropy": lambda x, z: torch.distributions.Bernoulli(logits=z).log_prob(torch.tensor(x).double()),
    "gaussian-nll": lambda x, z: torch.distributions.Normal(z, math.sqrt(SCALE)).log_prob(torch.tensor(x).double()),
    "absolute": lambda x, z: torch.distributions.Laplace(z, SCALE).log_prob(torch.tensor(x).double()),
}
SETTINGS = list(itertools.product((0.0, 1.0), (-1.0, 0.0, 0.6, 0.95), (0.02, 0.1, 1.0)))  # x, m, s of q


def under_q(f: Callable[[Tensor], Tensor], m: float, s: float) -> float:
    return trapezoid(lambda z: log_normal(z, m, s).exp() * f(z), m - 10 * s, m + 10 * s)[0]


def places(error: str) -> list[tuple[float, float, float, float]]:
    """Mean error, distortion, rate, −log p(x), nats."""
    found = []
    for x, m, s in SETTINGS:
        mean_error = under_q(lambda z, x=x: ERRORS[error](x, z), m, s)  # type: ignore[misc]
        distortion = under_q(lambda z, x=x: -DENSITIES[error](x, z), m, s)  # type: ignore[misc]
        rate = 0.5 * (m * m + s * s - 1 - math.log(s * s))
        joint = lambda z, x=x: (log_normal(z, 0.0, 1.0) + DENSITIES[error](x, z)).exp()  # noqa: E731
        found.append((mean_error, distortion, rate, -math.log(trapezoid(joint, -10.0, 10.0, 20_001)[0])))
    return found


def number_after(words: str, said: str, otherwise: float) -> float:
    """A number of the page, as it stands there."""
    found = re.search(words + r" \$([\d.]+)\$", said)
    return float(found[1]) if found else otherwise


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("beta", [4.0, 0.25])
@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_what_is_said_of_log_p_is_so(error: str, beta: float, weight: float) -> None:
    loss = WrittenLoss(error, variance=None, weight=weight, kl_weight=beta * weight, D=1, k=1, batch_size=1)
    said, m = verdict(loss, faults(loss)), meaning(loss)
    assert "**This is not −ELBO.**" in said
    if "bounds no $\\log p(x)$" in said:
        assert (beta, error) in ((0.25, "gaussian-nll"), (0.25, "absolute"))
        assert any(max(D + beta * R, D / beta + R) < least - 0.1 for _, D, R, least in places(error))
        return
    assert "still never below $-\\log p(x)$" in said
    factor, constant = number_after("The loss times", said, 1.0), number_after("with the missing", said, 0.0)
    more = number_after("by", said, math.nan)
    for e, D, R, least in places(error):
        bound = factor * m.scale * (m.ratio * e + R) + constant
        assert bound == pytest.approx(D + beta * R if beta > 1 else D / beta + R, abs=1e-5)
        assert bound + 1e-5 >= D + R >= least - 1e-4
        assert bound - (D + R) == pytest.approx(more * (R if "times the rate" in said else D), abs=1e-5)


def test_no_command_is_offered_where_adam_cannot_step() -> None:
    """Adam moves the bias of all pixels, missed by 1, by its learning rate; not where its gradient's square is inf."""
    offered = []
    for power in range(8, 21):
        bias, half = torch.zeros(1, requires_grad=True), 10.0 ** ((power - 2) / 2)
        loss = WrittenLoss("squared", "sum", weight=half, kl_weight=1 / half, range="standardised", data_sd=0.1)
        C = meaning(loss).unit_C or 0.0
        assert math.isclose(C, 10.0**power, rel_tol=1e-9)
        (C * loss.D * (1 - bias).square().sum()).backward()
        torch.optim.Adam([bias], lr=0.1).step()
        command, why_not = our_command(loss, (1, 28, 28))
        if command:
            assert float(bias.detach()) == pytest.approx(0.1, rel=1e-5)
        else:
            assert "the squares of the gradients, which Adam keeps, exceed float32" in why_not
        offered.append(bool(command))
    assert float(bias.detach()) == 0.0  # the last one did not move, for which no command is offered
    assert offered[0]
    assert not offered[-1]
