"""Runs that a test makes: with weights of its own, a history of its own, a fault of its own."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Finding, Found
from vae.diagnosis.findings import FINDINGS
from vae.model.linear_gaussian import LinearGaussian
from vae.model.vae import build_model
from vae.runs import Run, load_run
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[3] / "checkpoints"


def found_in(run: Run, name: str) -> Found:
    """What the finding of that name tells of the run; it applies there."""
    case = Case(run)
    assert FINDINGS[name].why_not(case) == ""
    return FINDINGS[name].find(case)


def copy_of(demo: str, folder: Path, change: Callable[[dict[str, Tensor]], None] = lambda weights: None) -> Run:
    """A copy of a shipped run, its weights changed."""
    path = shutil.copytree(DEMOS / demo, folder / demo)
    weights = {name: value.clone() for name, value in load_run(path).model.state_dict().items()}
    change(weights)
    runs.save_checked(path, {runs.WEIGHTS: save(weights)})
    return load_run(path)


def linear_run(folder: Path, solution: LinearGaussian) -> Run:
    """A run on digits whose model is this one in float32, with the best diagonal q(z|x)."""
    k, info = solution.W.shape[1], describe("digits")
    asked = Config(dataset="digits", likelihood="gaussian", C=float(0.5 / solution.c), network="linear", hidden=(),
                   latent_dim=k, threads=1)  # fmt: skip
    config, _ = complete(asked, info)
    path = runs.create_run(config, info.to_json(), "linear", folder)
    model = build_model(config, info.shape).double()
    encoder, decoder = (
        next(m for m in half if isinstance(m, torch.nn.Linear)) for half in (model.encoder, model.decoder)
    )
    _, cov = solution.posterior(solution.b.unsqueeze(0))
    A = cov @ solution.W.T / solution.c
    with torch.no_grad():
        decoder.weight.copy_(solution.W)
        decoder.bias.copy_(solution.b)
        encoder.weight.copy_(torch.cat([A, torch.zeros_like(A)]))
        encoder.bias.copy_(torch.cat([-A @ solution.b, -torch.linalg.inv(cov).diagonal().log()]))
    runs.save_checked(path, {runs.WEIGHTS: save(model.float().state_dict())})
    return load_run(path)


def with_history(run: Run, held_out: list[float], training: list[float], epochs: float, error: float = 0.2) -> Run:
    """The run with another history: these losses, evenly over so many epochs, of the same 400 images."""
    lines: list[dict[str, Any]] = [{"step": 0, "event": "started", "device": "cpu"}]
    for number, (test, train) in enumerate(zip(held_out, training, strict=True), 1):
        means: dict[str, Any] = {"train": {"loss": train, "elbo": -train, "images": 1000}}
        means["test"] = {"loss": test, "elbo": -test, "elbo_error": error, "images": 400}
        lines.append({"step": 10 * number, "epoch": epochs * number / len(held_out), "C": 1.0, **means})
    write_history(run.path, lines)
    return load_run(run.path)


def write_history(path: Path, lines: list[dict[str, Any]]) -> None:
    (path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def small_images(folder: Path, kind: str = "unit", labelled: bool = True) -> Path:
    """An .npz of 60 images of 6 x 6 in two kinds; `real`: numbers that are no grey levels; `colour`: with
    three channels."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    x = np.where(labels.reshape(-1, 1, 1) == 0, np.linspace(0, 1, 6), np.linspace(1, 0, 6))
    x = (x + 0.1 * rng.normal(size=(60, 6, 6))).clip(0, 1).astype(np.float32)
    arrays: dict[str, Any] = {"images": 5 * x - 2, "support": "real"} if kind == "real" else {"images": x}
    if kind == "colour":
        arrays = {"images": np.stack([x, 1 - x, x**2], 3)}
    if labelled:
        arrays["labels"] = labels
    np.savez(folder / f"{kind}.npz", **arrays)
    return folder / f"{kind}.npz"


def trained(folder: Path, name: str, images: Path, **settings: Any) -> Path:
    """A run of two epochs with many records."""
    from tests.vae.train_run import train_run

    asked = {"hidden": (8,), "epochs": 2, "batch_size": 8, "threads": 1, "record_every": 1, "latent_dim": 3}
    config, _ = complete(Config(dataset=str(images), **(asked | settings)), describe(images))
    path = runs.create_run(dataclasses.replace(config), describe(images).to_json(), name, folder)
    status = train_run(path)
    assert status.state == "finished", status.message
    return path


def without_its_images(path: Path) -> Run:
    """The run, its file of images gone."""
    text = (path / "config.json").read_text().replace(".npz", "-gone.npz")
    runs.save_checked(path, {"config.json": text.encode()})
    return load_run(path)


def keep_the_quick_ones(findings: dict[str, Finding]) -> None:
    """Takes those out that learn or sample for long: what is kept of a diagnosis does not depend on which there are."""
    for name in [name for name, finding in findings.items() if finding.seconds > 2]:
        del findings[name]
