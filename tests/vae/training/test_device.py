"""What must hold on any device: `pytest tests/vae/training/test_device.py --device cuda`."""

from __future__ import annotations

import itertools

import pytest
import torch

from vae.bound.estimators import ESTIMATORS
from vae.bound.evidence import importance_evidence
from vae.bound.objectives import OBJECTIVES, elbo_terms, iw_bound
from vae.config import Config, Knobs
from vae.datasets import load_dataset
from vae.model.latents import LATENTS
from vae.model.likelihoods import LIKELIHOODS
from vae.model.networks import NETWORKS
from vae.model.vae import build_model
from vae.training.defaults import complete
from vae.training.records import KnobChange, Record
from vae.training.trainer import Trainer


def trainer(device: torch.device, **settings: object) -> Trainer:
    view = "threshold" if settings.get("likelihood") == "bernoulli" else "none"
    dataset = load_dataset("digits", binarize=view)
    wanted = {"hidden": (16,), "epochs": 3, "record_every": 5, "threads": 1, **settings}
    config = Config(dataset="digits", binarize=view, device=device.type, **wanted)
    return Trainer(complete(config, dataset.info)[0], dataset)


def records(trained: Trainer, knobs: Knobs | None = None) -> list[Record]:
    return [event for event in trained.run(knobs) if isinstance(event, Record)]


@pytest.mark.parametrize(
    ("network", "likelihood", "latent", "objective"),
    list(itertools.product(NETWORKS, LIKELIHOODS, LATENTS, OBJECTIVES)),
)
def test_every_combination_trains(
    device: torch.device, network: str, likelihood: str, latent: str, objective: str
) -> None:
    hidden = () if network == "linear" else (16,)
    settings = {"network": network, "likelihood": likelihood, "latent": latent, "objective": objective}
    samples = 2 if LATENTS[latent].reparameterised or objective == "iwae" else 1
    first, *_, last = records(trainer(device, hidden=hidden, samples=samples, **settings))
    assert first.test is not None
    assert last.test is not None
    assert last.test.images == 360
    assert last.test.loss < first.test.loss


def test_the_terms_of_one_model_are_those_of_the_cpu(device: torch.device) -> None:
    info = load_dataset("digits").info
    model = build_model(complete(Config(dataset="digits", C=10.0), info)[0], info.shape)
    x = load_dataset("digits").to_float(load_dataset("digits").test[:32])
    expected = model.decode(model.encode(x).mean).log_prob(x)
    rate = elbo_terms(model, x).rate
    model, x = model.to(device), x.to(device)
    torch.testing.assert_close(model.decode(model.encode(x).mean).log_prob(x).cpu(), expected, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(elbo_terms(model, x).rate.cpu(), rate, rtol=1e-4, atol=1e-4)
    model.requires_grad_(False)
    generator = torch.Generator(device).manual_seed(0)
    assert float((iw_bound(model, x, 200, generator) - elbo_terms(model, x, 200, generator).elbo).mean()) > 0
    assert importance_evidence(model, x, 50, generator).iw_bound.isfinite().all()


def test_a_change_of_C_acts_at_the_next_step(device: torch.device) -> None:
    trained, knobs, seen = trainer(device, C=2.0), Knobs(), []
    for event in trained.run(knobs):
        if trained.step == 7:
            knobs.C = 20.0
        seen.append(event)
    changes = [event for event in seen if isinstance(event, KnobChange)]
    assert changes == [KnobChange(7, "C", 20.0)]
    by_step = {event.step: event for event in seen if isinstance(event, Record)}
    assert pytest.approx(2.0) == by_step[7].C  # the change ends the record before it
    assert pytest.approx(20.0) == by_step[10].C
    assert by_step[10].train.loss == pytest.approx(-by_step[10].train.elbo, rel=1e-4)


@pytest.mark.parametrize("estimator", [name for name, kind in ESTIMATORS.items() if kind.trains])
def test_no_step_waits_for_the_device(estimator: str, device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ESTIMATORS[estimator]
    samples = 2 if estimator == "vimco" else 1
    *_, latent = (name for name, latent in LATENTS.items() if kind.takes(latent))
    trained = trainer(
        device, C=2.0 if "elbo" in kind.objectives else 1.0, record_every=100, epochs=4, latent=latent,
        objective=kind.objectives[0], estimator=estimator, samples=samples,
    )  # fmt: skip
    run = trained.run(Knobs())
    next(run)
    for name in ("__float__", "__int__", "__bool__", "item", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: pytest.fail("a step fetched a value"))
    for _ in range(20):
        next(run)


def test_a_saved_state_goes_on_with_the_same_numbers(device: torch.device) -> None:
    whole = records(trainer(device))
    half = trainer(device)
    for event in half.run():
        if isinstance(event, Record) and event.step == 15:
            break
    rest = trainer(device)
    rest.load_state(*half.state())
    again = records(rest)
    assert [record.step for record in again] == [record.step for record in whole if record.step > 15]
    for mine, theirs in zip(again, whole[-len(again) :], strict=True):
        assert mine.train.loss == pytest.approx(theirs.train.loss, rel=1e-5 if device.type != "cpu" else 0, abs=0)
