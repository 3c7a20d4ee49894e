"""Two runs compared: paired errors, common noise, refusals, and all of it from run directories."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Generator

import vae
from vae import runs
from vae.bound.objective import elbo_terms
from vae.comparison.comparison import Comparison, Stopped, compare
from vae.comparison.paired_terms import Side, common_noise, measure, paired
from vae.comparison.same_images import why_not_comparable
from vae.comparison.words import about_movement, about_neighbours, about_terms, with_error
from vae.config import Config
from vae.datasets import describe
from vae.errors import DataError
from vae.model.latent import DiagonalNormal, FullNormal, IndependentBernoulli
from vae.model.vae import build_model
from vae.runs import Run, load_run

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


@pytest.fixture
def digits() -> Run:
    return load_run(DEMOS / "demo-digits-2d")


@pytest.fixture
def turned(tmp_path: Path) -> Run:
    """The digits run with z0 and z1 exchanged and one of them turned round: the same model in other coordinates."""
    path = Path(shutil.copytree(DEMOS / "demo-digits-2d", tmp_path / "turned"))
    weights = load(runs.read_checked(path, runs.WEIGHTS))
    rows = [f"encoder.{i}" for i in range(9) if f"encoder.{i}.weight" in weights][-1]
    columns = next(f"decoder.{i}" for i in range(9) if f"decoder.{i}.weight" in weights)
    order, sign = torch.tensor([1, 0, 3, 2]), torch.tensor([-1.0, 1, 1, 1])
    weights[f"{rows}.weight"] = weights[f"{rows}.weight"][order] * sign[:, None]
    weights[f"{rows}.bias"] = weights[f"{rows}.bias"][order] * sign
    weights[f"{columns}.weight"] = weights[f"{columns}.weight"][:, [1, 0]] * sign[:2]
    runs.save_checked(path, {runs.WEIGHTS: save(weights)})
    return load_run(path)


def made(path: Path, **settings: object) -> Run:
    """An untrained run on digits."""
    given = {"dataset": "digits", "likelihood": "gaussian", "C": 1.0, "network": "mlp", "hidden": (8,), "epochs": 1}
    config = Config(**{**given, "binarize": "none", "batch_size": 64, "lr": 1e-3, **settings})  # type: ignore[arg-type]
    data = describe("digits", config.binarize or "none").to_json()
    folder = runs.create_run(config, data, path.name, path.parent)
    torch.manual_seed(config.seed)
    model = build_model(runs.read_config(folder)[0], (1, 8, 8))
    runs.save_checked(folder, {runs.WEIGHTS: save(model.state_dict())})
    return load_run(folder)


def test_a_paired_difference_has_the_error_of_the_differences() -> None:
    rng = np.random.default_rng(0)
    hard = 100 * rng.standard_normal(4000)  # what is hard about an image, for both
    a, b = hard + rng.standard_normal(4000), hard + 2 + rng.standard_normal(4000)
    term = paired("elbo", a, b)
    assert term.difference == pytest.approx(2, abs=4 * term.error)
    assert term.error == pytest.approx(math.sqrt(2 / 4000), rel=0.05)
    assert term.a_error == pytest.approx(100 / math.sqrt(4000), rel=0.05)
    assert term.told_apart
    assert (term.n, term.unit) == (4000, "nats")
    assert not paired("rate", a, a).told_apart
    assert math.isnan(paired("rate", a[:1], b[:1]).error)
    assert not paired("rate", a[:1], b[:1]).told_apart


def test_noise_is_common_where_both_draw_from_one_kind() -> None:
    zeros, generator = torch.zeros(5, 3), Generator().manual_seed(1)
    narrow, wide = DiagonalNormal(zeros[:, :2], zeros[:, :2]), FullNormal(zeros, torch.eye(3).expand(5, 3, 3))
    of_narrow, of_wide = common_noise(narrow, wide, generator)
    one, other = narrow.sample((), of_narrow), wide.sample((), of_wide)
    torch.testing.assert_close(one, other[:, :2])
    bits = IndependentBernoulli(zeros)
    pair = common_noise(bits, IndependentBernoulli(zeros + 40), generator)
    assert torch.equal(
        bits.sample((), pair[0]).maximum(torch.ones(5, 3)), IndependentBernoulli(zeros + 40).sample((), pair[1])
    )
    assert common_noise(narrow, bits, generator) == (generator, generator)


def test_the_terms_are_those_of_elbo_terms(digits: Run) -> None:
    dataset = digits.dataset()
    x = dataset.to_float(dataset.test)[:100]
    (one, other), *rest = measure((digits.model, digits.model), [x])
    assert rest == []
    for name in Side.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    again = elbo_terms(digits.model, x, 1, Generator().manual_seed(0))
    for name in ("elbo", "distortion", "rate", "squared_error"):
        np.testing.assert_allclose(getattr(one, name), getattr(again, name), rtol=1e-5)


def test_a_run_and_itself_in_other_coordinates(digits: Run, turned: Run) -> None:
    told: list[float] = []
    found = compare(digits, turned, lambda fraction, words: told.append(fraction))
    assert found.n == 360
    assert found.movement.max() < 1e-5
    assert found.movement_by_chance.min() > 1
    for shares in found.kept.values():
        assert shares.min() == pytest.approx(1, abs=1e-5)
    terms = {term.name: term for term in found.terms}
    assert terms["rate"].difference == pytest.approx(0, abs=1e-5)
    assert abs(terms["elbo"].difference) < 4 * terms["elbo"].error  # the same noise in other directions
    assert [(match.a, match.b, match.sign) for match in sorted(found.matches, key=lambda one: one.a)] == [
        (0, 1, 1), (1, 0, -1)
    ]  # fmt: skip
    np.testing.assert_allclose(found.places.a, found.places.b, atol=1e-5)
    np.testing.assert_allclose(found.places.a, found.a.loc, atol=1e-6)  # the true plane
    np.testing.assert_allclose(found.places.origin_a, 0)
    assert found.places.axes == ("z0", "z1")
    assert told == sorted(told)
    assert told[-1] == 1
    assert (found.source, found.incomparable) == ("360 held-out images of digits", "")
    assert found.noise == "Both see the same images and draw z with the same noise."


def test_a_run_and_itself_are_one(digits: Run) -> None:
    found = compare(digits, load_run(digits.path))
    assert all(term.difference == 0 == term.error for term in found.terms)


@pytest.fixture
def small(tmp_path: Path) -> Run:
    return made(tmp_path / "small", latent_dim=3)


def shapes(found: Comparison, k: int) -> None:
    assert found.places.a.shape == found.places.b.shape == (360, 2)
    assert np.isfinite(found.places.a).all()
    assert np.isfinite(found.places.b).all()
    assert np.isfinite(found.movement).all()
    assert len(found.matches) == k


def test_latents_of_two_sizes(small: Run, digits: Run) -> None:
    found = compare(digits, small)
    assert found.noise.endswith("the noise of the first 2 dimensions of z is the same.")
    shapes(found, 2)
    shapes(compare(small, digits), 2)


def test_bits_beside_bits_and_beside_numbers(small: Run, tmp_path: Path) -> None:
    bits = [made(tmp_path / f"bits{k}", latent="bernoulli", estimator="rloo-4", latent_dim=k) for k in (4, 2)]
    found = compare(*bits)
    shapes(found, 2)
    assert found.places.origin_a is None
    assert not found.alignment.turns
    mixed = compare(small, bits[0])
    shapes(mixed, 3)
    assert mixed.noise.endswith("so each has noise of its own.")
    assert mixed.places.origin_a is not None
    assert mixed.places.origin_b is None


def test_one_dimension_is_drawn_against_its_rate(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one", latent_dim=1), made(tmp_path / "two", latent_dim=1, seed=2)
    found = compare(one, other)
    assert found.places.axes == ("z0", "rate in nats")
    np.testing.assert_array_equal(found.places.b[:, 1], found.b.rate)


def test_a_probability_and_a_density_are_not_subtracted_in_silence(tmp_path: Path) -> None:
    seen = {"binarize": "threshold", "latent_dim": 2}
    one, other = made(tmp_path / "mass", likelihood="bernoulli", **seen), made(tmp_path / "density", **seen)
    assert "not in one unit" in compare(one, other).incomparable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"config": {"binarize": "threshold"}}, "one sees digits as they are stored, the other digits binarised at ½"),
        ({"data": {"shape": [1, 9, 8]}}, "one sees images of 8 x 8, the other images of 9 x 8"),
        (
            {"data": {"name": "mnist", "digest": "0" * 64}},
            "one sees digits, 360 held out, the other mnist, 360 held out",
        ),
        ({"data": {"digest": "0" * 64}}, "the other other images called digits"),
        (
            {"config": {"dataset": "mnist"}, "data": {"name": "mnist", "digest": None}},
            "one sees digits, the other mnist",
        ),
    ],
)
def test_other_images_are_refused_in_one_sentence(digits: Run, change: dict[str, dict[str, object]], said: str) -> None:
    other = load_run(digits.path)
    other.config = dataclasses.replace(other.config, **change.get("config", {}))  # type: ignore[arg-type]
    other.data = {**other.data, **change.get("data", {})}
    sentence = why_not_comparable(digits, other)
    assert said in sentence
    assert sentence.count(". ") == 0
    with pytest.raises(DataError, match="cannot be compared"):
        compare(digits, other)
    assert why_not_comparable(digits, load_run(digits.path)) == ""


def test_the_two_views_with_one_fixed_draw_hold_out_the_same(digits: Run) -> None:
    views = []
    for binarize in ("fixed", "epoch"):
        run = load_run(digits.path)
        run.config = dataclasses.replace(run.config, binarize=binarize)
        views.append(run)
    assert why_not_comparable(*views) == ""


def test_pixels_that_differ_are_noticed_when_they_are_read(digits: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from vae.comparison import comparison

    true = comparison.images_of

    def altered(run: Run, part: str) -> object:
        found = true(run, "test")
        stored = found.stored.clone()
        stored[200] = 0
        return found if run is digits else dataclasses.replace(found, stored=stored)

    monkeypatch.setattr(comparison, "images_of", altered)
    with pytest.raises(DataError, match="not the same \\(their pixels differ\\)"):
        compare(digits, load_run(digits.path))


def test_whoever_is_told_of_the_progress_can_end_it(digits: Run) -> None:
    def refuse(fraction: float, words: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        compare(digits, load_run(digits.path), refuse)


@pytest.fixture
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Two models of somebody's own with 40 images that they brought along, and one that brought others."""
    monkeypatch.setenv("ELBO_ROOM_RUNS", str(tmp_path))
    images = torch.rand(40, 1, 4, 4, generator=Generator().manual_seed(1))
    made = []
    for seed, seen in enumerate((images, images, images.flip(0))):
        torch.manual_seed(seed)
        encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 6))
        decoder = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.Sigmoid(), torch.nn.Unflatten(1, (1, 4, 4)))
        vae.wrap(encoder.eval(), decoder.eval(), images=seen, name=f"own-{seed}")
        made.append(load_run(f"own-{seed}"))
    return made


def test_models_of_ones_own_are_compared_on_the_images_that_they_brought(own_runs: list[Run]) -> None:
    found = compare(own_runs[0], own_runs[1])
    assert found.n == 40
    assert list(found.kept) == [5, 10, 20]
    assert found.incomparable.startswith("“own-0”: Which likelihood p(x|z) this model has is not told")
    assert "nats" in about_terms(found).split("The rate is as it says.")[1]
    with pytest.raises(DataError, match="not the same \\(their pixels differ\\)"):
        compare(own_runs[0], own_runs[2])


def test_what_is_said_is_made_from_the_numbers(digits: Run, small: Run, turned: Run) -> None:
    found = compare(digits, small)
    elbo = found.terms[0]
    lower = f"{with_error(-elbo.difference, elbo.error)} nats lower (worse)"
    assert about_terms(found).startswith(f"B’s ELBO is {lower} than A’s on the same 360 images; its ")
    assert about_movement(found).endswith("The further dimension of B counts as movement.")
    assert about_neighbours(found, 10).endswith("by chance 2.8 % would.")
    assert "cannot be told apart on the same 360 images" in about_terms(compare(digits, turned))
    assert about_terms(compare(digits, load_run(digits.path))).startswith("Both give the same: every term of each")
    assert (with_error(-2.3149, 0.0123), with_error(3, math.nan)) == ("−2.315 ± 0.012", "3.00")
    assert with_error(2e-9, 3e-10) == "0.00"
