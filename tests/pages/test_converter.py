"""The converter page: every question changes the address and the numbers, a link brings all of it back, and the code
that it prints computes the loss that it explains."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
import torch.nn.functional as F
from streamlit.testing.v1 import AppTest

from ui.converter import FIELDS, KEY
from ui.converter_code import our_command, snippet
from ui.converter_faults import SENTENCES, sentence
from ui.converter_words import W_KL, W_REC, number, reading, summary, way_back
from vae.arguments import parser
from vae.errors import ConfigError
from vae.reductions import ERRORS, LEAST_VARIANCE, Fault, WrittenLoss, meaning

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
    "batch_size": 64, "C": 36.0,
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
    assert "This loss is −ELBO" in html(app)
    assert "--C fit" in app.code[1].value


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
    converter(app, pixels="median", k="0", run="x", weight="nan")
    said = html(app)
    for name in ("pixels “median” (expected sum or mean)", "k “0”", "weight “nan”", "does not know (run)"):
        assert name in said
    assert summary(meaning(WrittenLoss())) in words(app)


@pytest.mark.parametrize("error", ERRORS)
def test_the_printed_code_computes_the_loss_that_is_explained(error: str) -> None:
    torch.manual_seed(0)
    x = (torch.rand(5, *SHAPE, dtype=torch.float64) > 0.5).double()
    given = {
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
