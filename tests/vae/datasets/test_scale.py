"""The scale of the data decides nothing: what is learned, how C starts, what is shown."""

from __future__ import annotations

import dataclasses
import functools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.distributions import MultivariateNormal

from vae import Config, runs, train
from vae.bound.exact_evidence import exact_evidence, linear_gaussian_of
from vae.datasets import Dataset, load_dataset
from vae.datasets.scale import DEVIATIONS, display_limits, location_and_spread, to_bytes
from vae.errors import DataError, TrainingDiverged
from vae.model.vae import Model, build_model
from vae.runs import Run, load_run
from vae.runs.preview import render, unpack
from vae.runs.ship import held_out, pack_run
from vae.space.encodings import codes_of, display_limits_of
from vae.training.batched_runs import StackedModel
from vae.training.defaults import complete
from vae.training.records import Record
from vae.training.trainer import Trainer

SIDE = 8
D = SIDE * SIDE


def spots(count: int = 120) -> np.ndarray:
    """Soft bright spots, from 0 to 1, float32."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    row, column = random.uniform(0, SIDE, (2, count, 1, 1))
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (0.08 * D)).astype(np.float32)


def saved(folder: Path, images: np.ndarray) -> str:
    inside = images.min() >= 0 and images.max() <= 1
    file = folder / "images.npz"
    np.savez(file, images=images, support="unit" if inside else "real")
    return str(file)


def last(folder: Path, images: np.ndarray, **settings: Any) -> Record:
    config = Config(dataset=saved(folder, images), threads=1, **settings)
    return [record for record in train(config) if record.test][-1]


def trainer_of(folder: Path, images: np.ndarray, **settings: Any) -> Trainer:
    dataset = load_dataset(saved(folder, images))
    config, _ = complete(Config(**({"hidden": (16,), "threads": 1} | settings)), dataset.info)
    return Trainer(config, dataset)


def standard_model(**settings: Any) -> Model:
    """A model with random weights for 3 x 3 pixels around 100, double."""
    model = build_model(Config(likelihood="gaussian", C=0.01, **settings), (1, 3, 3)).double()
    model.standardise(100.0, 7.0)
    return model


def images_around_100() -> Tensor:
    return 100 + 5 * torch.randn(6, 1, 3, 3, generator=torch.Generator().manual_seed(1)).double()


# what is learned


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Record]:
    """What a network comes to on the spots as they are."""

    @functools.cache
    def trained(network: str) -> Record:
        return last(tmp_path_factory.mktemp(network), spots(), **settings_of(network))

    return trained


def settings_of(network: str) -> dict[str, Any]:
    return {"network": network, "epochs": 20, "hidden": () if network == "linear" else (32,)}


@pytest.mark.parametrize("network", ["mlp", "linear", "conv"])
@pytest.mark.parametrize(("factor", "shift"), [(0.05, 0.0), (4095.0, 0.0), (65535.0, 0.0), (2.0, -1.0), (1.0, 1000.0)])
def test_elbo_moves_by_D_log_s_and_nothing_else(
    tmp_path: Path, network: str, factor: float, shift: float, unmoved: Callable[..., Record]
) -> None:
    one = unmoved(network)
    other = last(tmp_path, spots() * np.float32(factor) + np.float32(shift), **settings_of(network))
    assert one.test is not None
    assert other.test is not None
    assert other.test.elbo + D * math.log(factor) == pytest.approx(one.test.elbo, abs=1.0)
    assert other.C * factor**2 == pytest.approx(one.C, rel=0.02)


def test_a_continuous_bernoulli_sees_low_contrast_as_well(tmp_path: Path) -> None:
    model = trainer_of(tmp_path, 0.05 * spots(), likelihood="continuous-bernoulli").model
    x, z = 0.05 * torch.from_numpy(spots())[:, None], torch.randn(3, 2)
    seen = (x - model.location) / model.spread
    assert float(seen.var(0).mean().sqrt()) == pytest.approx(1 / DEVIATIONS, rel=0.1)
    with torch.no_grad():
        torch.testing.assert_close(model.encode(x).mean, model.encoder(seen)[:, :2])
        torch.testing.assert_close(model.decode(z).logits, model.decoder(z))  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [0.5, 0.0, -3000.0])
def test_constant_images_are_learned_and_C_is_near_its_best(tmp_path: Path, value: float) -> None:
    record = last(tmp_path, np.full((50, SIDE, SIDE), value, np.float32), epochs=150)
    assert record.test is not None
    best = D / (2 * record.test.squared_error)
    assert 0.5 < record.C / best < 2
    assert 100 / max(value**2, 1.0) < record.C  # far sharper than it began


@pytest.mark.parametrize(("factor", "words"), [(1e20, "to .*e.19, are too large"), (1e-20, "are too small")])
def test_numbers_that_float32_cannot_square_are_named(tmp_path: Path, factor: float, words: str) -> None:
    images = 2 * factor * spots() - factor
    np.savez(tmp_path / "images.npz", images=images.astype(np.float32), support="real")
    with pytest.raises(DataError, match=f"images.npz: its values, from -.* {words}"):
        load_dataset(tmp_path / "images.npz")


def test_binary_pixels_have_no_scale() -> None:
    dataset = load_dataset("digits").binarized("epoch")
    config, _ = complete(Config(likelihood="bernoulli", binarize="epoch", hidden=(8,), epochs=1), dataset.info)
    model = Trainer(config, dataset).model
    assert (float(model.location), float(model.spread)) == (0.0, 1.0)


# the model


def test_the_networks_see_standard_pixels_and_the_likelihood_the_datas() -> None:
    model, x = standard_model(latent_dim=2, hidden=(5,)), images_around_100()
    z = torch.randn(6, 2).double()
    with torch.no_grad():
        torch.testing.assert_close(model.encode(x).mean, model.encoder((x - 100) / 7)[:, :2])
        mean = 100 + 7 * model.decoder(z)
        expected = torch.distributions.Normal(mean, math.sqrt(50)).log_prob(x).sum((1, 2, 3))  # c = 1/(2C)
        torch.testing.assert_close(model.decode(z).log_prob(x), expected)


def test_the_closed_form_holds_the_affine_map() -> None:
    model, x = standard_model(network="linear", latent_dim=2), images_around_100()
    layer = model.decoder[0]
    W = 7 * layer.weight.detach()  # type: ignore[operator]
    marginal = MultivariateNormal(100 + 7 * layer.bias.detach(), W @ W.T + 50 * torch.eye(9).double())  # type: ignore[operator]
    torch.testing.assert_close(exact_evidence(model, x).log_px, marginal.log_prob(x.flatten(1)))
    at_zero = model.decode(torch.zeros(1, 2).double()).mean.detach().flatten()
    torch.testing.assert_close(linear_gaussian_of(model).b, at_zero)


def test_models_of_different_scales_share_a_step() -> None:
    models = [build_model(Config(likelihood="gaussian", C=2.0, hidden=(5,), seed=seed), (1, 3, 3)) for seed in (0, 1)]
    models[0].standardise(100.0, 7.0)
    x = images_around_100().float()
    z = torch.randn(3, 6, 2)
    names = [name for name, _ in models[0].named_parameters()]
    stacks = {n: torch.stack([dict(m.named_parameters())[n].detach() for m in models]) for n in names}
    scales = [torch.stack([getattr(m, name) for m in models]) for name in ("location", "spread")]
    both = StackedModel(models[0], stacks, scales, 3)
    with torch.no_grad():
        for rows, model in ((slice(0, 3), models[0]), (slice(3, 6), models[1])):
            torch.testing.assert_close(both.encode(x).mean[rows], model.encode(x[rows]).mean)
            torch.testing.assert_close(both.decode(z).mean[:, rows], model.decode(z[:, rows]).mean)


def test_weights_of_before_open_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "old"
    shutil.copytree(load_run("demo-digits-2d").path, path)
    stored = load(runs.read_checked(path, runs.WEIGHTS))
    assert float(stored["spread"]) != 1
    old = {name: value for name, value in stored.items() if name not in ("location", "spread")}
    runs.save_checked(path, {runs.WEIGHTS: save(old)})
    run = load_run(path)
    z = torch.randn(3, 2)
    torch.testing.assert_close(run.model.decode(z).mean, run.model.decoder(z), rtol=0, atol=0)


def test_a_state_of_before_goes_on_without_a_scale(tmp_path: Path) -> None:
    trained = trainer_of(tmp_path, 4095 * spots())
    tensors, values = trained.state()
    assert float(trained.model.spread) > 100
    old = {name: tensor for name, tensor in tensors.items() if name not in ("model.location", "model.spread")}
    trained.load_state(old, values)
    assert (float(trained.model.location), float(trained.model.spread)) == (0.0, 1.0)
    trained.load_state(tensors, values)
    assert float(trained.model.spread) == float(tensors["model.spread"])


@pytest.mark.parametrize("early", [True, False])
def test_only_a_late_divergence_advises_a_smaller_learning_rate(tmp_path: Path, early: bool) -> None:
    trained = trainer_of(tmp_path, 4095 * spots())
    if not early:
        trained.good_steps.fill_(500)
    trained.fuse.fill_(math.nan)
    with pytest.raises(TrainingDiverged) as error:
        trained.check_finite()
    assert ("smaller learning rate" in str(error.value)) == (not early)
    assert (f"values from {trained.images.min():g} to {trained.images.max():g}" in str(error.value)) == early


# what is shown


def test_location_spread_and_limits_are_those_of_the_images() -> None:
    means = 10.0 * torch.arange(20).view(1, 1, 4, 5)
    x = means + 3 * torch.randn(500, 1, 4, 5, generator=torch.Generator().manual_seed(0))
    location, spread = location_and_spread(x)
    assert location == pytest.approx(float(x.numpy().mean()), rel=1e-5)
    assert spread == pytest.approx(4 * math.sqrt(x.numpy().var(0).mean()), rel=1e-5)
    assert display_limits(x) == (float(x.min()), float(x.max()))
    assert display_limits(torch.full((3, 1, 2, 2), -2.0)) == (-2.0, 0.0)
    assert location_and_spread(torch.full((3, 1, 2, 2), -2.0)) == (-2.0, 2.0)
    assert location_and_spread(torch.zeros(3, 1, 2, 2)) == (0.0, 1.0)
    assert to_bytes(torch.tensor([-9.0, -1.0, 0.0, 0.5, 1.0, 9.0]), (-1.0, 1.0)).tolist() == [0, 0, 128, 191, 255, 255]


@pytest.fixture
def real_run(tmp_path: Path) -> Path:
    """A few steps on pictures from −1 to 1."""
    dataset = load_dataset(saved(tmp_path, 2 * spots() - 1))
    config, _ = complete(Config(dataset=str(tmp_path / "images.npz"), hidden=(16,), epochs=3, threads=1), dataset.info)
    trained = Trainer(config, dataset)
    list(trained.run())
    path = runs.create_run(config, dataset.info.to_json(), "real", tmp_path)
    weights = {n: t.contiguous() for n, t in trained.model.state_dict().items()}
    runs.save_checked(path, {runs.WEIGHTS: save(weights, metadata={"step": "1"})})
    return path


def test_codes_start_from_the_stored_images_and_pictures_span_the_limits(real_run: Path) -> None:
    run = load_run(real_run)
    dataset, codes = run.dataset(), codes_of(run)
    assert codes.limits == display_limits_of(run) == dataset.info.limits
    low, high = codes.limits
    assert low == pytest.approx(-1, abs=0.02)
    assert high == pytest.approx(1, abs=0.02)
    for index in (0, 5):
        assert torch.equal(codes.x(index), dataset.to_float(dataset.test[index : index + 1]))
    levels = (dataset.test.numpy() - low) / (high - low)
    np.testing.assert_array_equal(codes.images, np.round(levels.clip(0, 1).astype(np.float32) * 255))
    originals, _ = unpack(render(run.model, dataset, 1))[1:]
    np.testing.assert_array_equal(originals[..., 0], codes.images[:8, 0])


def test_an_old_run_of_real_numbers_takes_the_limits_of_its_data(real_run: Path) -> None:
    run = load_run(real_run)
    told = run.data.pop("limits")
    assert display_limits_of(run) == tuple(told)


def test_bytes_stand_for_images_that_are_drawn_anew(tmp_path: Path) -> None:
    dataset = load_dataset("digits")
    config, _ = complete(Config(likelihood="bernoulli", binarize="epoch", hidden=(8,)), dataset.info)
    path = runs.create_run(config, dataset.info.binarized("epoch").to_json(), "one", tmp_path)
    weights = build_model(config, dataset.shape).state_dict()
    runs.save_checked(path, {runs.WEIGHTS: save(weights, metadata={"step": "1"})})
    for part in ("train", "test"):
        codes = codes_of(load_run(path), part, 50)  # type: ignore[arg-type]
        np.testing.assert_array_equal(codes.x(3)[0].numpy() * 255, codes.images[3])
        with torch.no_grad():
            torch.testing.assert_close(load_run(path).model.encode(codes.x(3)).mean[0], torch.from_numpy(codes.loc[3]))


def test_the_description_tells_limits_and_spread(tmp_path: Path) -> None:
    info = load_dataset(saved(tmp_path, 4095 * spots())).info
    assert info.limits[1] == pytest.approx(4095, rel=0.01)
    assert info.spread == pytest.approx(location_and_spread(load_dataset(tmp_path / "images.npz").train)[1])
    unit: Dataset = load_dataset(saved(tmp_path, 0.05 * spots()))
    assert unit.info.limits == (0.0, 1.0)
    assert dataclasses.replace(unit.info, limits=(0.0, 2.0)) == unit.info  # what is shown is not what the data are


@pytest.mark.parametrize("fate", ["changed", "gone", "damaged"])
def test_an_old_packed_run_is_shown_between_the_limits_of_the_images_that_it_carries(real_run: Path, fate: str) -> None:
    runs.write_status(real_run, runs.Status("finished"))
    pack_run(real_run, images=20)
    config, data = runs.read_config(real_run)
    old = {name: value for name, value in data.items() if name not in ("limits", "spread", "digest", "path")}
    runs.replace_config(real_run, config, old)
    whole, file = codes_of(Run(real_run)), Path(config.dataset)
    if fate == "changed":
        np.savez(file, images=np.ones((12, 3, 3), np.float32), support="real")
    elif fate == "gone":
        file.unlink()
    else:
        file.write_bytes(b"no archive")
    codes = codes_of(Run(real_run))
    carried = held_out(real_run).images
    assert codes.limits == display_limits_of(Run(real_run)) == (float(carried.min()), float(carried.max()))
    np.testing.assert_array_equal(codes.loc, whole.loc[:20])
    expected = to_bytes(torch.from_numpy(carried), codes.limits).numpy()
    np.testing.assert_array_equal(codes.images, expected)
    assert len(np.unique(codes.images)) > 50  # not saturated
