"""One file beside the others, one import and one line in a registry: no import goes in a circle, whichever comes first.

On a copy of `vae`, in a process of its own, since the lines stand in the registries' own files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LIKELIHOOD = """
import torch
from torch import Tensor
from vae.model.likelihood import EVENT, Likelihood, PixelDistribution

class LaplacePixels(PixelDistribution):
    def __init__(self, loc: Tensor) -> None:
        self.loc = loc

    @property
    def mean(self) -> Tensor:
        return self.loc

    def log_prob(self, x: Tensor) -> Tensor:
        return torch.distributions.Laplace(self.loc, 1.0).log_prob(x).sum(EVENT)

class New(Likelihood):
    name, support = "new", "real"

    def start(self, mean: Tensor, standardised: Tensor) -> Tensor:
        return mean

    def forward(self, parameters: Tensor) -> LaplacePixels:
        return LaplacePixels(parameters.squeeze(-4))
"""
LATENT = """
import torch
from vae.model.kl import kl_standard_normal
from vae.model.latent import DiagonalNormal, Latent

class New(Latent):
    name, about, support, factorises, reparameterised = "new", "one scale for all", "real", True, True

    @staticmethod
    def parameters(k):
        return k + 1

    @staticmethod
    def posterior(parameters):
        return DiagonalNormal(parameters[..., :-1], parameters[..., -1:].expand_as(parameters[..., :-1]))

    @staticmethod
    def prior(k, device, dtype):
        zeros = torch.zeros(k, device=device, dtype=dtype)
        return DiagonalNormal(zeros, zeros)

    @staticmethod
    def decoder_input(z):
        return z

    @staticmethod
    def rate_per_dim(qz_x):
        return kl_standard_normal(qz_x.loc, qz_x.log_variance)

    marginal_rate_per_dim = rate_per_dim

    @staticmethod
    def rate(qz_x):
        return kl_standard_normal(qz_x.loc, qz_x.log_variance).sum(-1)
"""
NETWORK = """
from torch import nn

class New:
    name, default_hidden, default_lr = "new", (), 1e-3

    @staticmethod
    def check(shape, hidden):
        pass

    @staticmethod
    def encoder(shape, outputs, hidden, activation):
        return nn.Sequential(nn.Flatten(1), nn.Linear(shape[0] * shape[1] * shape[2], outputs))

    @staticmethod
    def decoder(k, shape, planes, hidden, activation):
        return nn.Sequential(nn.Linear(k, planes * shape[1] * shape[2]), nn.Unflatten(1, (planes, *shape[1:])))
"""
OBJECTIVE = """
from vae.bound.objective import Objective, elbo_terms

class New(Objective):
    name, takes_weight = "new", False

    @staticmethod
    def loss(model, x, samples, weight, generator):
        terms = elbo_terms(model, x, samples, generator)
        return terms.distortion + 2 * terms.rate, terms
"""
ESTIMATOR = """
from vae.bound.estimator import Estimator

class New(Estimator):
    name, about, objectives = "new", "as the objective itself", ("new",)

    @staticmethod
    def takes(latent):
        return latent.reparameterised

    def loss(self, model, x, samples, weight, generator):
        return self.objective.loss(model, x, samples, weight, generator)
"""
METRIC = """
from vae.bound.metric import Measured, Metric, posterior_means

def largest(model, dataset):
    return Measured(float(posterior_means(model, dataset).abs().max()), 0.0)

New = Metric(largest, "prior standard deviations", "How far out the farthest code lies.")
"""
DATASET = """
import numpy as np
from vae.datasets.dataset import DataInfo, Source, split

class Dots(Source):
    def describe(self, root):
        return DataInfo("new", (1, 4, 4), "unit", 255, 32, 8, None)

    def load(self, root, progress):
        images = np.random.RandomState(0).randint(0, 256, (40, 1, 4, 4)).astype(np.uint8)
        return split(self.describe(root), images, None)

    def is_here(self, root):
        return True

New = Dots()
"""
PROJECTION = """
import numpy as np
from vae.space.projection import NeighbourProjection

class New(NeighbourProjection):
    name, title, about = "new", "New", "the first two dimensions"

    def fit(self, x, on_frame=None):
        self.x = np.asarray(x, np.float64)
        self.y = self.x[:, :2].astype(np.float32)
        return self.y
"""
FINDING = """
from vae.diagnosis.finding import Finding, Found

class Blank(Finding):
    name, question, seconds = "new", "Are there blank images?", 0.1

    def find(self, case):
        return Found(False, "No", f"{len(case.x)} images", f"Of {len(case.x)} images none is blank.")

New = Blank()
"""
ADDED = [  # the file, its registry's file, the registry
    ("model/new_likelihood", LIKELIHOOD, "model/likelihoods", "LIKELIHOODS"),
    ("model/new_latent", LATENT, "model/latents", "LATENTS"),
    ("model/new_network", NETWORK, "model/networks", "NETWORKS"),
    ("bound/new_objective", OBJECTIVE, "bound/objectives", "OBJECTIVES"),
    ("bound/new_estimator", ESTIMATOR, "bound/estimators", "ESTIMATORS"),
    ("bound/new_metric", METRIC, "bound/metrics", "METRICS"),
    ("datasets/new_dataset", DATASET, "datasets/registered", "DATASETS"),
    ("space/new_projection", PROJECTION, "space/projections", "PROJECTIONS"),
    ("diagnosis/findings/new_finding", FINDING, "diagnosis/findings/__init__", "FINDINGS"),
]
LOOKED_AT = """
import importlib, sys
for first, registry, name in {modules!r}:
    for module in [module for module in sys.modules if module.split(".")[0] == "vae"]:
        del sys.modules[module]
    importlib.import_module(first)
    home = importlib.import_module(registry)
    assert getattr(home, name)["new"] is home.New
import vae
from vae.bound.metrics import measure
parts = dict.fromkeys(("dataset", "likelihood", "latent", "network", "objective", "estimator"), "new")
training = vae.train(vae.Config(**parts, latent_dim=2, epochs=1, batch_size=16, threads=1)).finish()
print(vae.__file__, measure(training.model, vae.load_dataset("new"))["new"] > 0)
"""


def module_of(file: str) -> str:
    return "vae." + file.removesuffix("/__init__").replace("/", ".")


def test_a_file_beside_the_others_and_one_line_in_the_registry_are_enough(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "vae", tmp_path / "vae", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text, registry, name in ADDED:
        (tmp_path / "vae" / f"{file}.py").write_text(text)
        home = tmp_path / "vae" / f"{registry}.py"
        before, future, after = home.read_text().partition("from __future__ import annotations\n")
        line = f"\n{name}['new'] = New\n"
        home.write_text(f"{before}{future}from {module_of(file)} import New\n{after}{line}")
    modules = [(module_of(file), module_of(registry), name) for file, _, registry, name in ADDED]
    modules += [(registry, registry, name) for _, registry, name in modules]
    script = LOOKED_AT.format(modules=modules)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "vae" / "__init__.py"), "True"]
