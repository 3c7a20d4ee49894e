"""The converter against torch itself: losses as people write them, and their gradients beside those of our loss."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vae.bound.objectives import OBJECTIVES
from vae.config import Config
from vae.errors import ConfigError
from vae.lessons.reductions import ERRORS, WrittenLoss, faults, meaning, ratio_for, written_for
from vae.model.likelihoods import Gaussian
from vae.model.vae import Model, build_model

B, SIDE, K = 5, 4, 3
D = SIDE * SIDE
BOTH = ("sum", "mean")
REDUCTIONS = list(itertools.product(BOTH, BOTH, BOTH, BOTH))  # pixels, batch, latents, batch of the KL


def model_of(likelihood: str, C: float | str) -> Model:
    weight = C if likelihood == "gaussian" else 1.0
    config = Config(likelihood=likelihood, C=weight, latent_dim=K, network="mlp", hidden=(6,), seed=3)  # type: ignore[arg-type]
    model = build_model(config, (1, SIDE, SIDE)).double()
    if isinstance(model.likelihood, Gaussian):
        model.likelihood.set_C(C)  # again, in float64
    return model


def images(binary: bool) -> Tensor:
    x = torch.rand(B, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return (x > 0.5).double() if binary else x


def gradients(loss: Tensor, model: Model) -> Tensor:
    parameters = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])


def reduced(each: Tensor, inside: str, batch: str) -> Tensor:
    """Over an image, then over the batch; where both are the same, as torch's own `reduction` does."""
    flat = each.flatten(1)
    return getattr(getattr(flat, inside)(1), batch)()


def error_of(loss: WrittenLoss, x: Tensor, decoded: Tensor) -> Tensor:
    """R_rec by torch's functions."""

    def by(reduction: str) -> Tensor:
        if loss.error == "squared":
            return F.mse_loss(decoded, x, reduction=reduction)
        if loss.error == "absolute":
            return F.l1_loss(decoded, x, reduction=reduction)
        if loss.error == "gaussian-nll":
            variance = torch.full_like(x, loss.variance or 1.0)
            return F.gaussian_nll_loss(decoded, x, variance, full=loss.full, reduction=reduction)
        return F.binary_cross_entropy(decoded, x, reduction=reduction)

    value = by(loss.pixels) if loss.pixels == loss.batch else reduced(by("none"), loss.pixels, loss.batch)
    return 0.5 * value if loss.error == "squared" and loss.half else value


def written(loss: WrittenLoss, model: Model, x: Tensor) -> Tensor:
    """The loss as somebody's code computes it, from the same noise as ours."""
    q = model.encode(x)
    loc, log_variance = q.loc, q.log_variance  # type: ignore[attr-defined]
    z = q.rsample((1,), torch.Generator().manual_seed(7))[0]
    each = -(1 + log_variance - loc**2 - log_variance.exp())
    each = 0.5 * each if loss.kl_half else each
    kl = reduced(each, loss.latents, loss.kl_batch)
    return loss.weight * error_of(loss, x, model.decode(z).mean) + loss.kl_weight * kl


def ours(model: Model, x: Tensor, weight: float) -> Tensor:
    C = torch.tensor(weight, dtype=torch.float64)
    return OBJECTIVES["elbo"].loss(model, x, 1, C, torch.Generator().manual_seed(7))[0].mean()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kl_half", [False, True])
@pytest.mark.parametrize("reductions", REDUCTIONS, ids="-".join)
@pytest.mark.parametrize("error", ["squared", "gaussian-nll", "cross-entropy"])
def test_a_written_loss_has_the_gradient_of_ours(
    error: str, reductions: tuple[str, str, str, str], kl_half: bool, half: bool
) -> None:
    pixels, batch, latents, kl_batch = reductions
    loss = WrittenLoss(
        error, pixels, batch, latents, kl_batch, weight=1.7, kl_weight=0.3, half=half, kl_half=kl_half, variance=0.2,
        full=half, D=D, k=K, batch_size=B,
    )  # fmt: skip
    m, binary = meaning(loss), error == "cross-entropy"
    x = images(binary)
    model = model_of("bernoulli" if binary else "gaussian", m.C if m.C is not None else 1.0)
    theirs, we = written(loss, model, x), ours(model, x, m.C if binary and m.C else 1.0)
    found, expected = gradients(theirs, model), m.scale * gradients(we, model)
    assert float((found - expected).norm() / expected.norm()) < 1e-10
    if not binary:
        assert m.constant is not None
        assert float(theirs.detach()) / m.scale + m.constant == pytest.approx(float(we.detach()), abs=1e-10)


def test_an_absolute_error_is_a_laplace_density() -> None:
    loss = WrittenLoss("absolute", "mean", "mean", "sum", "mean", weight=1.7, kl_weight=0.3, D=D, k=K, batch_size=B)
    model, x, m = model_of("gaussian", 1.0), images(False), meaning(loss)
    q = model.encode(x)
    z = q.rsample((1,), torch.Generator().manual_seed(7))[0]
    scale = torch.tensor(m.laplace_scale, dtype=torch.float64)
    log_px_z = torch.distributions.Laplace(model.decode(z).mean, scale).log_prob(x).flatten(1).sum(1)
    we = (model.latent.rate(q) - log_px_z).mean()
    theirs = written(loss, model, x)
    assert m.constant is not None
    assert float(theirs.detach()) / m.scale + m.constant == pytest.approx(float(we.detach()), abs=1e-10)
    difference = gradients(theirs, model) - m.scale * gradients(we, model)
    assert float(difference.norm()) < 1e-10 * m.scale
    assert m.sd == pytest.approx(float(torch.distributions.Laplace(0.0, scale).stddev))


@pytest.mark.parametrize("weight", [1.0, 2.5])
@pytest.mark.parametrize("full", [False, True])
def test_a_learned_variance_fits_C_and_leaves_a_weight_as_beta(weight: float, full: bool) -> None:
    loss = WrittenLoss("gaussian-nll", "sum", "mean", weight=weight, variance=None, full=full, D=D, k=K, batch_size=B)
    model, x, m = model_of("gaussian", 1.3), images(False), meaning(loss)
    assert isinstance(model.likelihood, Gaussian)
    model.likelihood.log_C.requires_grad_()
    q = model.encode(x)
    z = q.rsample((1,), torch.Generator().manual_seed(7))[0]
    variance = (0.5 * (-model.likelihood.log_C).exp()).expand_as(x)
    error = F.gaussian_nll_loss(model.decode(z).mean, x, variance, full=full, reduction="sum") / B
    kl = model.latent.rate(q).mean()
    theirs, we = weight * error + kl, ours(model, x, weight)
    assert float((gradients(theirs, model) - m.scale * gradients(we, model)).norm()) < 1e-10
    assert (m.C, m.beta) == (None, pytest.approx(1 / weight))
    assert m.is_elbo == (weight == 1.0)
    if m.constant is not None:
        assert float(theirs.detach()) + m.constant == pytest.approx(float(we.detach()), abs=1e-10)


def test_mean_over_pixels_and_mean_over_latents_is_beta_D_over_k() -> None:
    loss = WrittenLoss("cross-entropy", "mean", "mean", "mean", "mean", D=784, k=20)
    assert meaning(loss).beta == pytest.approx(784 / 20)
    assert meaning(WrittenLoss("squared", "mean", "mean", "mean", "mean", half=True, D=784, k=20)).c == pytest.approx(
        39.2
    )


def test_sums_are_the_elbo_and_means_are_not() -> None:
    right = meaning(WrittenLoss("cross-entropy", "sum", "mean", "sum", "mean"))
    assert (right.beta, right.scale, right.constant) == (1.0, 1.0, 0.0)
    assert not meaning(WrittenLoss("cross-entropy", "mean", "mean", "sum", "mean")).is_elbo
    assert not meaning(WrittenLoss("grey-cross-entropy", "sum", "mean", "sum", "mean")).is_elbo


@pytest.mark.parametrize("reductions", REDUCTIONS, ids="-".join)
@pytest.mark.parametrize("error", ERRORS)
def test_the_way_back_writes_what_was_asked_for(error: str, reductions: tuple[str, str, str, str]) -> None:
    loss = WrittenLoss(error, *reductions, weight=1.7, kl_weight=0.3, variance=0.2, half=True, D=D, k=K, batch_size=B)
    for one in written_for(loss, ratio_for(loss, 36.0)):
        m = meaning(one)
        assert (m.C or 1 / (m.laplace_scale or math.nan)) == pytest.approx(36.0)
    by_error, by_rate = written_for(loss, 2.0)
    assert by_error.kl_weight == 0.3
    assert by_rate.weight == 1.7


def names(**settings: object) -> set[str]:
    return {fault.name for fault in faults(WrittenLoss(**{"pixels": "sum", **settings}))}  # type: ignore[arg-type]


def test_each_fault_is_found_where_it_is_and_not_elsewhere() -> None:
    assert names(error="cross-entropy") == set()
    for variance in (None, 0.1, 0.25):
        assert names(error="gaussian-nll", full=True, variance=variance) == set()
        assert names(error="gaussian-nll", variance=variance) == {"log-2pi"}
    assert names(error="gaussian-nll", full=True, variance=0.26) == {"wide-noise"}  # sd above ½
    assert names(error="gaussian-nll", weight=2.0) == {"constant", "wide-noise"}
    assert names(error="cross-entropy", pixels="mean") == {"no-elbo", "pixel-mean"}
    assert names(error="cross-entropy", latents="mean") == {"no-elbo", "latent-mean"}
    assert names(error="cross-entropy", pixels="mean", latents="mean") == {"no-elbo", "both-means"}
    assert names(error="cross-entropy", batch="sum") == {"no-elbo", "batch"}
    assert names(error="cross-entropy", kl_half=False) == {"no-elbo", "kl-half"}
    assert names(error="grey-cross-entropy") == {"no-likelihood"}
    assert names(error="cross-entropy", range="symmetric") == {"no-range"}
    assert names(error="squared") == {"half", "constant", "wide-noise"}
    assert names(error="squared", weight=2.0) == {"half", "constant"}  # sd ½
    assert names(error="squared", half=True, pixels="mean") == {
        "pixel-mean", "noise-above-data", "constant", "wide-noise"
    }  # fmt: skip
    assert names(error="absolute") == {"constant", "wide-noise"}
    assert names(error="absolute", weight=4.0) == {"constant"}
    assert names(error="absolute", variance=None) == {"constant"}
    assert names(error="absolute", variance=None, kl_weight=1e-6) == {"no-elbo"}
    assert names(error="gaussian-nll", variance=None, weight=2.0) == {"no-elbo"}


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"pixels": "mean", "weight": 784.0}, 1.0),  # 784 · mean BCE + KL
        ({"pixels": "mean", "kl_weight": 1 / 784}, 1 / 784),  # mean BCE + KL/784
        ({"pixels": "mean", "kl_weight": 0.001276}, 0.001276),  # as somebody types it
        ({"batch": "sum", "kl_batch": "sum"}, 128.0),
        ({"pixels": "mean", "latents": "mean", "weight": 784 / 20}, 1 / 20),
        ({"kl_half": False, "kl_weight": 0.5}, 1.0),
    ],
    ids=str,
)
def test_weights_that_undo_the_means_leave_the_elbo(settings: dict[str, Any], scale: float) -> None:
    loss = WrittenLoss("cross-entropy", **{"pixels": "sum", "batch": "mean", **settings})
    assert faults(loss) == []
    assert meaning(loss).is_elbo
    assert meaning(loss).scale == pytest.approx(scale, rel=1e-12)


WIDTHS = {"unit": 1.0, "symmetric": 2.0, "bytes": 255.0, "standardised": 1 / 0.3081}


@pytest.mark.parametrize("name", WIDTHS)
def test_c_and_the_elbo_in_the_units_of_the_pixels_and_from_0_to_1(name: str) -> None:
    """The same density at pixels from 0 to 1 and at the pixels as they are: log p differs by D log w."""
    loss = WrittenLoss("squared", "sum", weight=0.7, D=16, range=name)
    m, w = meaning(loss), WIDTHS[name]
    x, x_hat = images(False)[0].flatten()[:16], torch.linspace(0.1, 0.9, 16, dtype=torch.float64)
    written = 0.7 * w**2 * (x - x_hat).square().sum() + (m.constant or 0.0)  # of w x and w x_hat
    unit = torch.distributions.Normal(x_hat, math.sqrt(1 / (2 * (m.unit_C or 0.0))))
    assert float(written) == pytest.approx(-float(unit.log_prob(x).sum()) + 16 * math.log(w), rel=1e-12)


@pytest.mark.parametrize("name", WIDTHS)
def test_noise_is_too_wide_above_half_the_range(name: str) -> None:
    w = WIDTHS[name]
    for sd, wide in ((0.499 * w, False), (0.501 * w, True)):
        gaussian = WrittenLoss("squared", "sum", half=True, weight=1 / sd**2, range=name)
        laplace = WrittenLoss("absolute", "sum", weight=math.sqrt(2) / sd, range=name)
        for loss in (gaussian, laplace):
            assert meaning(loss).sd == pytest.approx(sd)
            assert ("wide-noise" in {fault.name for fault in faults(loss)}) is wide
        normal = torch.distributions.Normal(0.0, sd)
        assert meaning(gaussian).outside == pytest.approx(2 * float(normal.cdf(torch.tensor(-w / 2))), rel=1e-5)
        double = torch.distributions.Laplace(0.0, sd / math.sqrt(2))
        assert meaning(laplace).outside == pytest.approx(2 * float(double.cdf(torch.tensor(-w / 2))), rel=1e-5)


def test_an_absolute_error_over_a_learned_scale_is_a_laplace_density() -> None:
    x, x_hat, b = images(False), torch.full((B, 1, SIDE, SIDE), 0.4, dtype=torch.float64), 0.2
    error = ((x - x_hat).abs() / b + math.log(b)).sum() / B
    loss = WrittenLoss("absolute", "sum", variance=None, D=D, k=K, batch_size=B)
    m = meaning(loss)
    laplace = -torch.distributions.Laplace(x_hat, b).log_prob(x).sum() / B
    assert (m.C, m.c, m.sd, m.beta) == (None, None, None, 1.0)
    assert float(error) + (m.constant or 0.0) == pytest.approx(float(laplace), rel=1e-12)


def test_factors_of_faults_multiply_to_beta() -> None:
    for pixels, batch, latents, kl_batch in REDUCTIONS:
        for kl_half in (True, False):
            loss = WrittenLoss("cross-entropy", pixels, batch, latents, kl_batch, kl_half=kl_half)
            moved = [f.factor for f in faults(loss) if f.name not in ("no-elbo", "no-likelihood")]
            assert math.prod(moved) == pytest.approx(meaning(loss).beta)


@pytest.mark.parametrize(
    "wrong",
    [
        {"error": "cosine"},
        {"range": "wide"},
        {"data_sd": 0.6},
        {"pixels": "median"},
        {"D": 0},
        {"k": 1.5},
        {"weight": 0.0},
        {"variance": math.inf},
    ],
    ids=str,
)
def test_what_no_code_can_mean_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        WrittenLoss(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="C"):
        written_for(WrittenLoss(), -1.0)
