"""The Learn page: every step opens, every slider moves to both ends, and the numbers beside each other agree."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import SelectSlider

from ui.charts import checks
from ui.charts.checks import Card, card_html, small, verdict
from ui.lessons.gradients import variance_words
from ui.lessons.misprints import HEADINGS
from ui.lessons.steps import BY_NAME, IDEAS, STEPS, coloured
from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.bound.objectives import OBJECTIVES
from vae.browser import drawing
from vae.browser.drawing import Chart, nice_ticks
from vae.config import Config
from vae.lessons.derivation.check import Check
from vae.lessons.derivation.errata import ERRATA
from vae.model.latent import DiagonalNormal
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.vae import build_model

NUMBER = r"−?[\d,]+(?:\.\d+)?"


def open_step(app: AppTest, name: str) -> AppTest:
    app.run()
    app.query_params["step"] = name
    app.switch_page("../pages/learn.py").run()
    assert not app.exception
    return app


def html(app: AppTest) -> str:
    return "\n".join(e.proto.body for e in app.get("html") if not e.proto.body.startswith("<style>"))


def verdicts(app: AppTest) -> list[str]:
    return re.findall(r'<p class="er-verdict[^>]*>([^<]*)</p>', html(app))


def figures(app: AppTest) -> list[str]:
    """The SVG of every figure."""

    def walk(block: Any) -> Any:
        for element in block:
            if hasattr(element, "children"):
                yield from walk(element.children.values())
            elif hasattr(getattr(element, "proto", None), "component_name"):
                yield element.proto

    return [json.loads(proto.json)["svg"] for proto in walk(app.main) if "lesson" in proto.component_name]


def controls(app: AppTest) -> list[Any]:
    return [*app.slider, *app.select_slider]


def ends(control: Any) -> tuple[float, float]:
    if isinstance(control, SelectSlider):  # its options are words
        first, last = (float(control.options[at].replace(",", "")) for at in (0, -1))
        return first, last
    return control.min, control.max


def sound(app: AppTest, wrong: int = 0) -> None:
    """Nothing failed, no number is missing, and all but `wrong` checks agree (a rare draw may leave a question)."""
    assert not app.exception
    page = html(app)
    assert "nan" not in page.lower().replace("nanosecond", "")
    assert "inf " not in page
    found = verdicts(app)
    assert sum(words.startswith("✗") or "✗" in words for words in found) <= wrong, found
    assert sum(words.startswith("?") for words in found) <= 1, found
    assert found or "er-measured" in page
    for svg in figures(app):
        assert ElementTree.fromstring(svg) is not None
        assert "nan" not in svg
        assert "inf" not in svg.replace("info", "")


WRONG = {"reparameterise": 2, "likelihood-ratio": 1}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_slider_goes_to_both_ends(app: AppTest, name: str) -> None:
    open_step(app, name)
    sound(app, WRONG.get(name, 0))
    for position, control in enumerate(controls(app)):
        before = control.value
        for end in ends(control):
            controls(app)[position].set_value(end)
            app.run()
            assert controls(app)[position].value == end
            sound(app, WRONG.get(name, 0))
        controls(app)[position].set_value(before)


@pytest.mark.parametrize("name", [step.name for step in STEPS if step.name != "misprints"])
def test_corners_where_every_slider_is_at_an_end(app: AppTest, name: str) -> None:
    open_step(app, name)
    pick = random.Random(name)
    for _ in range(4):
        for position in range(len(controls(app))):
            controls(app)[position].set_value(pick.choice(ends(controls(app)[position])))
        app.run()
        assert not app.exception
        assert "nan" not in html(app).lower()
        for svg in figures(app):
            assert "nan" not in svg
        if name not in WRONG:
            assert not any("✗" in words for words in verdicts(app)), verdicts(app)


def test_the_address_chooses_the_step(app: AppTest) -> None:
    page = html(open_step(app, "kl-1d"))
    assert "Step 4 of 13" in page
    assert '<h1 class="er-title">KL in one dimension</h1>' in page
    links = [(e.proto.label, e.proto.query_string) for e in app.get("page_link")]
    assert ("1. Evidence and its bound", "step=jensen") in links
    assert ("Previous", "step=two-terms") in links
    assert ("Next", "step=kl-2d") in links
    assert [query for label, query in links if label[0].isdigit()] == [f"step={step.name}" for step in STEPS]


def test_an_unknown_step_is_the_first_and_said(app: AppTest) -> None:
    page = html(open_step(app, "<b>x</b>"))
    assert "There is no step “&lt;b&gt;x&lt;/b&gt;”" in page
    assert "Step 1 of 13" in page
    assert not app.query_params
    app.query_params["evil"] = "1"
    app.run()
    assert "does not know (evil)" in html(app)
    assert not app.query_params


def test_best_q_closes_the_gap_of_the_straight_decoder_and_not_of_the_bent_one(app: AppTest) -> None:
    open_step(app, "identity")

    def gap() -> float:
        found = re.search(rf"KL from q to the posterior</dt><dd>({NUMBER}) nats", html(app))
        assert found
        return float(found[1].replace("−", "-"))

    start = gap()
    app.button(key="learn-best-q").click().run()
    assert 0.5 < gap() < start
    app.button_group(key="learn-decoder").set_value("straight").run()
    app.button(key="learn-best-q").click().run()
    assert gap() < 1e-3
    assert app.slider(key="learn-m").value == pytest.approx(1 / 1.5, abs=0.01)
    sound(app)


def test_a_new_sample_changes_the_estimate_and_not_the_formula(app: AppTest) -> None:
    open_step(app, "kl-2d")
    shown = re.compile(rf"<dd>({NUMBER})")
    formula, estimate = shown.findall(html(app))
    app.button(key="learn-kl-2d-again").click().run()
    assert shown.findall(html(app))[0] == formula
    assert shown.findall(html(app))[1] != estimate
    sound(app)


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (3.0, "3.0 times smaller"), (0.04, "25.0 times larger"), (1.04, "about the same"), (0.96, "about the same"),
    ],
)  # fmt: skip
def test_a_baseline_may_raise_the_variance(ratio: float, said: str) -> None:
    assert said in variance_words(ratio)


def test_at_the_least_of_all_sliders_the_baseline_is_not_praised(app: AppTest) -> None:
    open_step(app, "likelihood-ratio")
    for position, control in enumerate(controls(app)):
        controls(app)[position].set_value(ends(control)[0])
    app.run()
    assert "0.0 times" not in html(app)
    fixed = BY_NAME["likelihood-ratio"].reason
    assert not any(word in fixed for word in ("greatly", "calms"))


def test_the_C_that_was_set_is_said_to_lie_outside_the_axis(app: AppTest) -> None:
    open_step(app, "noise")
    assert "Dot: the C that was set, 50." in html(app)
    control = next(one for one in app.select_slider if one.key == "learn-C")
    for end, side in zip(ends(control), ("left", "right"), strict=True):
        control.set_value(end).run()
        assert f"lies outside the axis, to the {side}" in html(app)
        assert "lies outside the axis" in figures(app)[0]
        assert "Dot" not in html(app)


def test_evidence_and_histogram_say_whose_draws_they_are(app: AppTest) -> None:
    open_step(app, "jensen")
    assert "log of the mean of p(x|z), z from the prior" in html(app)
    assert "weights w are of draws of q" in html(app)
    assert "z drawn from q" in figures(app)[0]


def test_a_search_has_a_new_start_and_no_new_sample(app: AppTest) -> None:
    open_step(app, "collapse")
    assert app.button(key="learn-collapse-again").label == "New start"


def test_swapping_changes_the_kl_because_it_is_not_symmetric(app: AppTest) -> None:
    open_step(app, "kl-1d")
    before = html(app)
    app.button(key="learn-swap").click().run()
    assert [app.slider(key=f"learn-kl-{name}").value for name in ("m1", "s1", "m2", "s2")] == [0.0, 1.0, 1.0, 0.5]
    assert html(app) != before
    sound(app)


def test_the_wrong_ways_of_drawing_are_called_wrong(app: AppTest) -> None:
    found = verdicts(open_step(app, "reparameterise"))
    assert [words[0] for words in found] == ["✓", "✓", "✗", "✗"]
    app.select_slider(key="learn-noise-S").set_value(100)
    app.slider(key="learn-noise-s1").set_value(2.0)
    app.slider(key="learn-noise-s2").set_value(0.2)
    app.slider(key="learn-noise-r").set_value(0.05).run()
    found = verdicts(app)
    assert [words[0] for words in found] == ["✓", "✓", "✗", "✗"]
    assert all("So few draws do not show it" in words for words in found[2:])


def test_the_collapse_law_in_words(app: AppTest) -> None:
    open_step(app, "collapse")
    assert "Predicted: 7 active of 10. Observed: 7 active" in html(app)
    app.select_slider(key="learn-collapse-c").set_value(0.5).run()
    assert "Predicted: 3 active of 10. Observed: 3 active" in html(app)
    assert f"more than {ACTIVE_THRESHOLD:g}, as in evaluate" in html(app)


def test_a_slider_of_the_model_is_the_same_at_the_next_step(app: AppTest) -> None:
    open_step(app, "jensen")
    app.slider(key="learn-m").set_value(-1.25).run()
    app.query_params["step"] = "kl-1d"
    app.run()
    app.query_params["step"] = "two-terms"
    app.run()
    assert app.slider(key="learn-m").value == -1.25


def test_every_misprint_stands_in_its_box_and_at_its_step(app: AppTest) -> None:
    open_step(app, "misprints")
    text = [element.value for element in app.markdown]
    page = html(app)
    for erratum in ERRATA.values():
        assert erratum.step in BY_NAME
        assert all(quote.markdown in text for quote in erratum.printed)
        assert erratum.right in text
        for number in erratum.measure():
            assert number.what in page
    open_step(app, "noise")
    assert ERRATA["dropped-constant"].right in [element.value for element in app.markdown]
    assert "In notes on this step: 1 missing condition" in [expander.label for expander in app.expander]
    assert [page.count(f">{heading}<") for heading in HEADINGS.values()] == [15, 6]
    assert "−1,084.779" in html(app)


def test_what_a_narrow_q_does_is_said_for_this_mean(app: AppTest) -> None:
    page = html(open_step(app, "two-terms"))
    assert "the distortion is least at s = 0.55: a narrower q raises it" in page
    assert "A narrow $q$ lowers the first" not in BY_NAME["two-terms"].reason
    app.button_group(key="learn-decoder").set_value("straight").run()
    assert "falls all the way as q narrows" in html(app)


def test_a_letter_has_one_meaning_on_all_steps(app: AppTest) -> None:
    """m, s, Σ are of q; μ, σ, Ω of the second; an index of m or s is a dimension; n counts draws."""
    assert not any(r"\sum_{s=" in step.equation for step in STEPS)
    for name in ("kl-1d", "kl-2d"):
        equation = BY_NAME[name].equation
        assert not re.search(r"m_[12]|s_[12]|\\Sigma_[12]", equation)
        assert r"\mu" in equation
    open_step(app, "kl-1d")
    labels = [control.label for control in controls(app)]
    assert labels == ["First: mean $m$", "First: scale $s$", r"Second: mean $\mu$", r"Second: scale $\sigma$"]
    open_step(app, "kl-2d")
    assert [control.label for control in controls(app) if "sigma" in control.label] == [
        r"Scale $\sigma_1$", r"Scale $\sigma_2$"
    ]  # fmt: skip


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("latent", LATENTS)
def test_what_the_train_page_minimises_is_said_for_its_likelihood_and_latent(likelihood: str, latent: str) -> None:
    """The formula of step 12 is the loss of a Gaussian likelihood and a normal latent, and of no other pair."""
    config = Config(likelihood=likelihood, latent=latent, latent_dim=2, hidden=(4,), network="mlp")
    model = build_model(config, (1, 2, 2)).double()
    x = (torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)) > 0.5).double()
    C = torch.tensor(2.0, dtype=torch.float64)
    if LATENTS[latent].support == "binary":  # bits have no m and v
        assert not hasattr(model.encode(x), "log_variance")
        return
    with torch.no_grad():
        if likelihood == "gaussian":
            model.likelihood.set_C(2.0)  # type: ignore[attr-defined, operator]
        weight = C if likelihood != "gaussian" else torch.ones_like(C)
        loss, terms = OBJECTIVES["elbo"].loss(model, x, 1, weight, torch.Generator().manual_seed(3))
        q = model.encode(x)
        m, v = q.mean, q.variance
        printed = 2 * terms.squared_error + 2 * math.log(math.pi / 2) + 0.5 * (m**2 + v - 1 - v.log()).sum(1)
    assert torch.allclose(loss, printed, rtol=1e-9) is (likelihood == "gaussian" and isinstance(q, DiagonalNormal))
    reason = BY_NAME["loss"].reason
    assert "with a Gaussian likelihood and a normal latent (diagonal $q$) this is what the Train page" in reason
    if likelihood != "gaussian":
        assert torch.allclose(loss, 2 * terms.distortion + terms.rate, rtol=1e-9)
        assert "With another likelihood the first two terms are $-C\\log p(x|z)$" in reason


# the parts


def test_ideas_become_colours_and_nothing_is_left_over() -> None:
    for step in STEPS:
        for dark in (False, True):
            equation = "".join(coloured(step.equation, dark))
            assert not any(f"\\{idea}" in equation for idea in IDEAS)
            assert equation.count("{") == equation.count("}")


def test_verdicts() -> None:
    assert verdict(Check(1.0, 1.0, 0.1), "sampling") == "✓ They agree to the last digit."
    assert verdict(Check(1.0, 1.2, 0.1), "sampling") == "✓ They agree: 2.0 standard errors apart."
    assert verdict(Check(1.0, 1.4, 0.1), "sampling").startswith("? 4.0 standard errors apart: chance goes beyond 3 in")
    assert verdict(Check(1.0, 1.4, 0.1, reach=0.5), "sampling").startswith(
        "✓ They agree: 4.0 standard errors apart, wh"
    )
    assert verdict(Check(1.0, 1.6, 0.1, reach=0.5), "sampling").startswith("? 6.0")
    assert verdict(Check(1.0, 1.9, 0.1, reach=0.5), "sampling").startswith("✗")
    assert verdict(Check(1.0, 2.0, 0.1), "sampling") == "✗ They do not agree: 10.0 standard errors apart."
    assert verdict(Check(1.0, 1.5, 0.0), "exact").startswith("✗")


def test_a_card_shows_both_numbers_to_the_error() -> None:
    card = card_html(Card("KL", Check(1.23456, 1.2401, 0.0043), "1,000 draws"))
    assert "<dd>1.2346 <span>nats</span></dd>" in card
    assert "<dd>1.2401 <span>± 0.0043</span> <span>nats</span></dd>" in card
    assert 'data-agrees="true"' in card
    assert "&lt;b&gt;" in card_html(Card("<b>", Check(0, 1, 0), "x"))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.00012, "0.00012"), (3.2e-7, "3 × 10⁻⁷"), (12.3, "12"), (0.0312, "0.031"), (2e-16, "2 × 10⁻¹⁶")],
)
def test_small_numbers_in_words(value: float, words: str) -> None:
    assert small(value) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-3, 3, ["−3", "−2", "−1", "0", "1", "2", "3"]),
        (-1800, 3900, ["−1,000", "0", "1,000", "2,000", "3,000"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, words: list[str]) -> None:
    assert list(nice_ticks(low, high).values()) == words
    assert all(low <= value <= high for value in nice_ticks(low, high))


def test_a_chart_puts_numbers_where_they_belong() -> None:
    chart = Chart((0, 10), (0, 100), width=166, height=142)  # 100 across, 100 up
    chart.marker(5, 50, "prior")
    svg = chart.svg("a & b")
    root = ElementTree.fromstring(svg)
    circle = root.find("{http://www.w3.org/2000/svg}circle")
    assert circle is not None
    across = drawing.LEFT + (166 - drawing.LEFT - drawing.RIGHT) / 2
    up = 142 - drawing.BOTTOM - (142 - drawing.BOTTOM - drawing.TOP) / 2
    assert (float(circle.attrib["cx"]), float(circle.attrib["cy"])) == pytest.approx((across, up))
    assert root.attrib["aria-label"] == "a & b"


def test_digits_follow_the_error() -> None:
    assert [checks.digits_for(error) for error in (0.0, 3e-16, 0.02, 0.5, 30.0)] == [6, 6, 3, 2, 0]
