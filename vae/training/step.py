"""The differentiable part of a step: a batch's loss and its terms, for one model or several, compiled where it pays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from vae.bound.estimator import Estimator
from vae.config import Config
from vae.model.random_draws import Drawn, Generators, Noise, Noted, Request
from vae.model.vae import Model
from vae.training.records import sums

COMPILED_STEPS = 100_000  # a compiled step saves about 0.1 ms on a GPU, compiling takes half a minute


class StepLoss:
    """Computes, of a model's batch, the mean loss (M,) of each of M models, to be differentiated, and the sums
    (M, 5 + k) of their terms. The M models' images lie one after the other in x (M·B, ...).

    A compiler that is missing or fails costs speed, never a run: `refused` then tells why. The compiled part draws
    nothing, or its graph would break at each generator: the first step tells which numbers a step needs.
    """

    def __init__(self, config: Config, estimator: Estimator, total_steps: int) -> None:
        self.config, self.estimator, self.refused = config, estimator, ""
        self.compiled: Callable[..., tuple[Tensor, Tensor]] | None = None
        self._needed: dict[tuple[int, ...], list[Request]] = {}  # by the shape of a batch
        if torch.device(config.device).type == "cuda" and total_steps >= COMPILED_STEPS:
            self.compile()

    def compile(self, backend: str = "inductor") -> None:
        """Compiles the part that draws nothing; that happens at the next call."""
        self.compiled = torch.compile(self._loss_from, dynamic=False, backend=backend)

    def __call__(self, model: Model, x: Tensor, weight: Tensor, noise: Generators, M: int = 1) -> tuple[Tensor, Tensor]:
        if self.compiled is None:
            return self._loss(model, x, weight, noise, M)
        needed = self._needed.get((M, *x.shape))
        if needed is None:
            noted = Noted(noise)
            self._needed[M, *x.shape] = noted.requests
            return self._loss(model, x, weight, noted, M)
        numbers = [request.draw(noise) for request in needed]
        try:
            return self.compiled(model, x, weight, numbers, M)
        except Exception as error:  # whatever is wrong with the model itself is raised once more below
            self.compiled, self.refused = None, f"{type(error).__name__}: {error}".splitlines()[0]
        return self._loss_from(model, x, weight, numbers, M)

    @contextlib.contextmanager
    def precision(self, model: Model) -> Iterator[None]:
        """Computes the matrix products of a step, forward and backward, in bfloat16 or tf32 while this lasts; all else
        is float32."""
        name, matmul, cudnn = self.config.precision, torch.get_float32_matmul_precision(), torch.backends.cudnn
        convolutions = cudnn.allow_tf32
        model.in_bfloat16 = name == "bfloat16"
        if name == "tf32":
            torch.set_float32_matmul_precision("high")
            cudnn.allow_tf32 = True
        try:
            yield
        finally:
            model.in_bfloat16 = False
            torch.set_float32_matmul_precision(matmul)
            cudnn.allow_tf32 = convolutions

    def _loss_from(
        self, model: Model, x: Tensor, weight: Tensor, numbers: Sequence[Tensor], M: int
    ) -> tuple[Tensor, Tensor]:
        return self._loss(model, x, weight, Drawn(numbers), M)

    def _loss(self, model: Model, x: Tensor, weight: Tensor, noise: Noise, M: int) -> tuple[Tensor, Tensor]:
        loss, terms = self.estimator.loss(model, x, self.config.samples, weight, noise)
        loss = loss.view(M, -1)
        with torch.no_grad():
            step_sums = sums(loss, terms, model.log_C, x[0].numel())
        return loss.mean(1), step_sums
