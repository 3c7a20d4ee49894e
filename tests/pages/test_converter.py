"""The converter page: every question changes the address and the numbers, a link brings all of it back, and the code
that it prints computes the loss that it explains."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from streamlit.testing.v1 import AppTest

from ui.converter.code import our_command, snippet
from ui.converter.faults import SENTENCES, sentence, verdict
from ui.converter.projects import INEXPRESSIBLE, PROJECTS
from ui.converter.questions import FIELDS, KEY
from ui.converter.words import W_KL, W_REC, number, reading, summary, way_back
from vae.arguments import parser
from vae.errors import ConfigError
from vae.lessons.reductions import ERRORS, LEAST_VARIANCE, Fault, WrittenLoss, meaning

SHAPE = (1, 4, 4)
SMALL = WrittenLoss(D=16, k=3, batch_size=5)


def converter(app: AppTest, **parameters: str) -> AppTest:
    app.run()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("../pages/converter.py").run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return "\n".join(one.value for one in [*app.markdown, *app.code])


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def address(app: AppTest) -> dict[str, str]:
    return {name: v if isinstance(v, str) else v[0] for name, v in app.query_params.items()}


def widget(app: AppTest, name: str) -> object:
    kinds = (app.selectbox, app.segmented_control, app.toggle, app.number_input, app.pills)
    return next(one for kind in kinds for one in kind if one.key == KEY + name)


MOVES = {
    "error": "cross-entropy", "pixels": "sum", "batch": "sum", "half": True, "weight": 2.5, "latents": "mean",
    "kl_batch": "sum", "kl_half": False, "kl_weight": 0.25, "height": 32, "width": 30, "channels": 3, "k": 8,
    "batch_size": 64, "range": "bytes", "C": 36.0,
}  # fmt: skip


def test_the_page_opens_with_the_losses_of_most_code(app: AppTest) -> None:
    converter(app)
    assert address(app) == {}
    assert summary(meaning(WrittenLoss())) in words(app)
    assert "Mean over pixels" in words(app)
    assert "A constant is missing" in words(app)
    assert 'F.mse_loss(x_hat, x, reduction="mean")' in app.code[0].value
    assert "--likelihood gaussian --C 0.00127551" in app.code[1].value


@pytest.mark.parametrize("name", MOVES)
def test_every_widget_moves_the_page_and_the_address(app: AppTest, name: str) -> None:
    converter(app)
    before = words(app)
    widget(app, name).set_value(MOVES[name]).run()  # type: ignore[attr-defined]
    assert not app.exception
    assert address(app) == {name: FIELDS[name].write(MOVES[name])}
    assert words(app) != before


def test_the_gaussian_nll_has_questions_of_its_own(app: AppTest) -> None:
    converter(app, error="gaussian-nll", pixels="sum")
    widget(app, "variance").set_value(0.1).run()  # type: ignore[attr-defined]
    assert summary(meaning(WrittenLoss("gaussian-nll", "sum", variance=0.1))) in words(app)
    widget(app, "full").set_value(True).run()  # type: ignore[attr-defined]
    widget(app, "noise").set_value("learned").run()  # type: ignore[attr-defined]
    assert address(app) == {
        "error": "gaussian-nll",
        "pixels": "sum",
        "variance": "0.1",
        "noise": "learned",
        "full": "yes",
    }
    assert "**This is −ELBO** of" not in words(app)
    assert "**This is −ELBO**, of a Gaussian likelihood whose noise is learned" in words(app)
    assert "--C fit" in app.code[1].value


def test_the_verdict_stands_first(app: AppTest) -> None:
    converter(app)
    assert app.markdown[0].value.startswith(
        "**This is −ELBO** but for a constant, of a Gaussian likelihood with $c = 39"
    )
    for link, said in (
        ({"pixels": "mean", "weight": "784"}, "**This is −ELBO**, of a Bernoulli likelihood"),
        ({"pixels": "mean", "weight": "1", "kl_weight": "0.00127551020408"}, r"−ELBO** times $\tfrac{1}{784}$, of a B"),
        ({"pixels": "mean", "weight": "1", "kl_weight": "1"}, "**This is not −ELBO.** The KL weighs $\\beta$ = $784$"),
    ):
        converter(app, error="cross-entropy", **link)
        assert said in app.markdown[0].value
        assert ("Mean over pixels" in words(app)) is ("not −ELBO" in said)
    converter(app, error="grey-cross-entropy")
    assert app.markdown[0].value.startswith("**This is not −ELBO.** Cross-entropy on grey pixels")
    assert r"$\beta$ is $1.00038$" in verdict(WrittenLoss("cross-entropy", kl_weight=0.001276), [])


def test_the_range_of_the_pixels_is_asked_for_and_c_follows(app: AppTest) -> None:
    converter(app, pixels="sum", weight="8")
    assert "wider than the data" not in words(app)
    widget(app, "range").set_value("bytes").run()  # type: ignore[attr-defined]
    assert address(app) == {"pixels": "sum", "weight": "8", "range": "bytes"}
    assert f"C_{{[0,1]}} = {number(8 * 255**2)}" in words(app)
    assert "--C 520200" in app.code[1].value
    converter(app, weight="0.000015", range="bytes")
    assert "**The noise is wider than the data.**" in words(app)
    converter(app, weight="8", range="standardised", data_sd="0.25")
    assert f"C w^2 = {number(8 / 0.25**2)}" in words(app)
    assert widget(app, "data_sd").value == 0.25  # type: ignore[attr-defined]


def of_projects(
    x: torch.Tensor, x_hat: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Their losses, as their own files compute them; logvar of AutoencoderKL is −1."""
    B, kl = len(x), 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    bce = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log())
    return {
        "pytorch-examples": bce.sum() + kl.sum(),
        "keras": bce.flatten(1).sum(1).mean() + kl.sum(1).mean(),
        "pytorch-vae": (x - x_hat).square().mean() + 0.00025 * kl.sum(1).mean(),
        "disentangling-vae": bce.sum() / B + 4 * kl.mean(0).sum(),
        "autoencoder-kl": ((x - x_hat).abs() / math.exp(-1) - 1).sum() / B + 1e-6 * kl.sum() / B,
    }


SIZES = {
    "pytorch-examples": (784, 20, 128), "keras": (784, 2, 128), "pytorch-vae": (12_288, 128, 64),
    "disentangling-vae": (4096, 10, 64), "autoencoder-kl": (196_608, 4096, 12),
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_a_project_s_answers_compute_its_loss(app: AppTest, name: str) -> None:
    converter(app, code=name)
    assert address(app)["code"] == name
    assert PROJECTS[name].about in words(app)
    D, k, B = SIZES[name]
    answers = dict(PROJECTS[name].answers)
    sizes = {n: answers.get(n, FIELDS[n].usual) for n in ("channels", "height", "width", "k", "batch_size")}
    assert (sizes["channels"] * sizes["height"] * sizes["width"], sizes["k"], sizes["batch_size"]) == (D, k, B)
    torch.manual_seed(1)
    x = torch.rand(3, sizes["channels"], sizes["height"], sizes["width"], dtype=torch.float64)
    x_hat = 0.1 + 0.8 * torch.rand_like(x)
    mu, logvar = torch.randn(3, k, dtype=torch.float64), torch.randn(3, k, dtype=torch.float64)
    given: dict[str, Any] = {"F": F, "torch": torch, "x": x, "x_hat": x_hat, "mu": mu, "logvar": logvar}
    given["log_b"] = torch.tensor(-1.0).double()
    exec(app.code[0].value, given)
    assert float(given["loss"]) == pytest.approx(float(of_projects(x, x_hat, mu, logvar)[name]), rel=1e-10)


def test_choosing_a_project_fills_in_everything_and_a_change_makes_it_one_s_own(app: AppTest) -> None:
    converter(app, half="yes")
    widget(app, "code").set_value("pytorch-vae").run()  # type: ignore[attr-defined]
    assert address(app) == {
        "code": "pytorch-vae", "kl_weight": "0.00025", "k": "128", "batch_size": "64", "channels": "3", "height": "64",
        "width": "64",
    }  # fmt: skip
    assert "12{,}288" in words(app)
    assert "12{,}290" not in words(app)
    widget(app, "k").set_value(64).run()  # type: ignore[attr-defined]
    assert "code" not in address(app)
    assert widget(app, "code").value == ""  # type: ignore[attr-defined]
    converter(app, code="nobody")
    assert "code “nobody”" in html(app)


def test_a_cross_entropy_of_other_pixels_has_no_least_value(app: AppTest) -> None:
    for x, towards in ((-1.0, 0.0), (2.0, 1.0)):
        p = torch.tensor([abs(towards - 10.0**-n) for n in (2, 6, 10)], dtype=torch.float64)
        values = -(x * p.log() + (1 - x) * (1 - p).log())
        assert bool((values.diff() < -5).all())
    converter(app, error="cross-entropy", pixels="sum", range="symmetric")
    assert "it falls without bound as $p$ goes to 0 or to 1" in app.markdown[0].value
    assert len(app.code) == 1  # and no command


def test_what_lies_outside_is_said(app: AppTest) -> None:
    converter(app, code="scvi")
    assert app.markdown[0].value.startswith("**Outside.** scVI")
    assert not app.code
    assert INEXPRESSIBLE in html(app)


def test_the_weights_are_called_as_in_the_formulas(app: AppTest) -> None:
    converter(app)
    for name, letter in (("weight", W_REC), ("kl_weight", W_KL)):
        label = widget(app, name).label  # type: ignore[attr-defined]
        assert letter in label
        assert letter in words(app)
        assert "β" not in label


def test_torch_takes_no_smaller_variance_than_the_least(app: AppTest) -> None:
    x, x_hat = torch.zeros(4), torch.ones(4)

    def nll(v: float) -> float:
        return float(F.gaussian_nll_loss(x_hat, x, torch.full_like(x, v)))

    assert nll(LEAST_VARIANCE / 2) == nll(LEAST_VARIANCE) != nll(2 * LEAST_VARIANCE)
    WrittenLoss("gaussian-nll", variance=LEAST_VARIANCE)
    with pytest.raises(ConfigError, match="variance: expected a number from 1e-06"):
        WrittenLoss("gaussian-nll", variance=0.9 * LEAST_VARIANCE)
    converter(app, error="gaussian-nll", variance="1e-7")
    assert "variance “1e-7” (expected a number from 1e-06" in html(app)
    assert widget(app, "variance").min == LEAST_VARIANCE  # type: ignore[attr-defined]


def test_a_preset_fills_in_the_sizes(app: AppTest) -> None:
    converter(app)
    widget(app, "preset").set_value("32 × 32 × 3").run()  # type: ignore[attr-defined]
    assert address(app) == {"height": "32", "width": "32", "channels": "3"}
    assert "(B, 3, 32, 32)" in app.code[0].value


def test_a_link_brings_everything_back(app: AppTest) -> None:
    link = {name: FIELDS[name].write(value) for name, value in MOVES.items()}
    converter(app, **link)
    assert address(app) == link
    for name in (name for name in MOVES if name != "half"):  # there is no ½ before a cross-entropy
        assert widget(app, name).value == MOVES[name]  # type: ignore[attr-defined]
    app.query_params.clear()
    app.run()
    assert widget(app, "error").value == "squared"  # type: ignore[attr-defined]


def test_what_the_address_cannot_mean_is_said(app: AppTest) -> None:
    converter(app, pixels="median", k="0", run="x", evil="1", weight="nan")
    said = html(app)
    for name in ("pixels “median” (expected sum or mean)", "k “0”", "weight “nan”", "does not know (evil)"):
        assert name in said
    assert address(app)["run"] == "x"  # it goes along to the next page
    assert summary(meaning(WrittenLoss())) in words(app)


@pytest.mark.parametrize("error", ERRORS)
def test_the_printed_code_computes_the_loss_that_is_explained(error: str) -> None:
    torch.manual_seed(0)
    x = (torch.rand(5, *SHAPE, dtype=torch.float64) > 0.5).double()
    given: dict[str, Any] = {
        "F": F, "torch": torch, "x": x, "x_hat": torch.rand(5, *SHAPE, dtype=torch.float64),
        "mu": torch.randn(5, 3, dtype=torch.float64), "logvar": torch.randn(5, 3, dtype=torch.float64),
    }  # fmt: skip
    each = {
        "squared": F.mse_loss, "absolute": F.l1_loss, "cross-entropy": F.binary_cross_entropy,
        "grey-cross-entropy": F.binary_cross_entropy,
    }  # fmt: skip
    KL = 0.5 * (given["mu"] ** 2 + given["logvar"].exp() - 1 - given["logvar"]).sum()
    for pixels, batch, latents, kl_batch, half in itertools.product(*[("sum", "mean")] * 4, (False, True)):
        loss = WrittenLoss(
            error, pixels, batch, latents, kl_batch, 1.7, 0.3, half, kl_half=half, variance=0.2, full=half, D=16, k=3,
            batch_size=5,
        )  # fmt: skip
        if error == "gaussian-nll":
            errors = F.gaussian_nll_loss(given["x_hat"], x, torch.full_like(x, 0.2), full=half, reduction="sum")
        else:
            errors = each[error](given["x_hat"], x, reduction="sum")
        names = dict(given)
        exec(snippet(loss, SHAPE), names)
        m = meaning(loss)
        assert float(names["loss"]) == pytest.approx(m.scale * float(m.ratio * errors + KL) / 5, rel=1e-12)


@pytest.mark.parametrize("error", ERRORS)
def test_the_command_is_one_or_a_sentence_says_why_not(error: str) -> None:
    for variance, weight in ((1.0, 1.0), (None, 1.0), (None, 2.0), (1.0, 1e-9)):
        loss = WrittenLoss(error, variance=variance, weight=weight, kl_weight=1e6 if weight < 1e-3 else 1.0)
        command, why_not = our_command(loss, (1, 28, 28))
        assert bool(command) != bool(why_not)
        if command:
            given = parser().parse_args(command.split()[3:])
            C = meaning(loss).C
            assert given.C == "fit" if C is None else float(given.C) == pytest.approx(C, rel=1e-5)


def test_there_is_a_sentence_with_its_numbers_for_every_fault() -> None:
    for name in SENTENCES:
        said = sentence(Fault(name, 39.2), dataclasses.replace(SMALL, D=784))
        assert "{" not in said.replace("{,}", "").replace(r"\tfrac12", "")
        assert said.count("$") % 2 == 0
    assert "$39.2$" in sentence(Fault("both-means", 39.2), SMALL)


def test_numbers_for_formulas() -> None:
    values = (0, 1, 36.2, 0.025510204, 3061.177, 1.28e-5, 784.0, 1e9, 10.0)
    expected = ("0", "1", "36.2", "0.02551", "3{,}061", r"1.28 \times 10^{-5}", "784", r"1 \times 10^{9}", "10")
    assert [number(value) for value in (12_288, 12_288.0, 196_608, 12_288.5)] == [
        "12{,}288", "12{,}288", "196{,}608", "12{,}290"
    ]  # fmt: skip
    assert tuple(number(value) for value in values) == expected


@pytest.mark.parametrize("error", ERRORS)
def test_formulas_carry_the_numbers_of_the_loss(error: str) -> None:
    loss = WrittenLoss(error, latents="mean", half=True, kl_half=False)
    lines = reading(loss)
    assert any(f"= {number(meaning(loss).ratio)}" in line.tex for line in lines)
    assert any(f"= {number(meaning(loss).scale)}" in line.tex for line in lines)
    for line in [*lines, *way_back(loss, 2.0)]:
        assert line.tex.count("{") == line.tex.count("}")
        assert line.about
