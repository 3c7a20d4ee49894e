"""`python -m vae evaluate`: what it computes, what it prints."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
from typing import Any

from vae.bound.evaluation import DRAWS, evaluate, evaluate_exactly
from vae.bound.evidence import TOO_FEW
from vae.bound.exact_evidence import exact_evidence, exact_method
from vae.bound.pareto import TOO_HEAVY
from vae.datasets import Dataset
from vae.errors import ConfigError
from vae.machine import usable_device
from vae.model.vae import Model

DIGITS = 3  # after the point, of every number in nats


def check_counts(options: argparse.Namespace) -> None:
    """Raises ConfigError unless the numbers of samples and of images are at least 1."""
    for name in ("samples", "limit"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected 1 or more, got {value}")


def print_evaluation(model: Model, dataset: Dataset, options: argparse.Namespace) -> None:
    """Evaluates on held-out images and prints what came of it; Ctrl-C ends it with the images that are done."""
    model.to("cpu" if options.exact else usable_device("auto"))
    if options.exact and exact_method(model) is None:
        exact_evidence(model, dataset.to_float(dataset.test[:1]))  # says why not, before the sampling
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    result = evaluate(
        model, dataset, options.samples, options.limit, 0, _progress, stop.is_set, options.proposal
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    if options.exact and not stop.is_set():
        with contextlib.suppress(KeyboardInterrupt):  # the bound is printed all the same
            result |= evaluate_exactly(model, dataset, result, _progress)
    print(json.dumps(result) if options.json else "\r" + "\n".join(lines(result)))


def _progress(fraction: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{fraction:4.0%}", end="", file=sys.stderr, flush=True)


def lines(result: dict[str, Any]) -> list[str]:
    """Returns the lines that people read. What stands there as a difference or a sum is one to the last digit that is
    printed."""
    elbo, rate = round(result["elbo"], DIGITS), round(result["rate"], DIGITS)
    parts = f"−(distortion {-elbo - rate:.{DIGITS}f} + rate {rate:.{DIGITS}f})"
    draws = "exact" if result["elbo_standard_error"] == 0 else f"{DRAWS} draws of z an image"
    log_px = result["log_px"] if result.get("converged") else result["iw_bound"]
    gap, is_ = round(log_px, DIGITS) - elbo, "=" if result.get("converged") else "≥"
    words = "= log p(x) − ELBO, in expectation"
    if result.get("converged"):
        words = f"= log p(x) − ELBO; KL(q‖p(z|x)) = {result['kl_to_posterior']:.{DIGITS}f}"
    elif result["samples"] == 1 or gap < 0:
        gap, words = 0.0, "as every KL is: this bound lies no higher than the ELBO, but for noise"
    return [
        f"held-out images {result['n']:,}, means in nats",
        _line("ELBO", elbo, result["elbo_standard_error"], f"= {parts}, {draws}"),
        *_bound(result),
        *(_exact(result) if "log_px" in result else []),
        _line(f"gap {is_}", gap, None, words),
        f"effective samples: median {result['iw_ess_median']:.1f}, smallest {result['iw_ess_smallest']:.1f}, mean "
        f"{result['iw_ess']:.1f}",
        *(_metric(name.replace("_", " "), **metric) for name, metric in result["metrics"].items()),
    ]


def _line(name: str, value: float, error: float | None, words: str) -> str:
    plus_minus = f" ± {error:.{DIGITS}f}" if error else ""
    return f"{name:<15}{value:10.{DIGITS}f}{plus_minus}  {words}"


def _bound(result: dict[str, Any]) -> list[str]:
    words = f"in expectation, K = {result['samples']:,} importance samples of the proposal {result['proposal']}"
    rows = [_line("log p(x) ≥", result["iw_bound"], result["iw_standard_error"], words)]
    if result["iw_flagged"]:
        many = f"{result['iw_flagged']:,} of {result['n']:,} images"
        rows += [
            f"{'':15}{many}: there the bound is only a bound, and no ± holds",
            f"{'':15}(fewer than {TOO_FEW} effective samples, or weights whose Pareto shape is above {TOO_HEAVY})",
        ]
    if result["iw_unseen"]:
        rows.append(
            f"{'':15}{result['iw_unseen']:,} of them: a few codes were drawn again and again, another perhaps never"
        )
    return rows


def _exact(result: dict[str, Any]) -> list[str]:
    difference, sign = result["grid_difference"], "=" if result["converged"] else "≈"
    place = f"image {result['worst_image']} (row {result['worst_row']:,} of {result['rows_of']})" if difference else ""
    worst = f"; the last grid moved {place} most, by {difference:.1e}" if difference else ""
    error = result["log_px_error"] if result["converged"] else None
    rows = [_line(f"log p(x) {sign}", result["log_px"], error, f"by {result['log_px_method']}{worst}")]
    if not result["converged"]:
        ways = f"the gap in two ways differs by {result['ways_differ']:.{DIGITS}f} nats"
        rows.append(f"{'':15}too coarse a grid for a p(x|z) this sharp ({ways}): go by the importance bound")
    return rows


def _metric(name: str, value: float, standard_error: float | None, unit: str, about: str) -> str:
    number = f"{value:,}" if isinstance(value, int) else f"{value:.{DIGITS}f}"
    error = f" ± {standard_error:.{DIGITS}f}" if standard_error else ""
    return f"{name}: {number}{error} {unit}. {about}"
