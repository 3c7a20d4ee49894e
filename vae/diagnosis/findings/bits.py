"""Bits: which tell something of the image, which tell the same as another, how many of the codes are used."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vae.browser.drawing import Chart
from vae.diagnosis.case import Case
from vae.diagnosis.finding import Advice, Finding, Found, afresh_advice, number_with_error
from vae.diagnosis.findings.collapsed import is_bits

CARRIES = 0.01  # nats about the image: below it a bit is dead, as a dimension that carries less is unused
COPIES = 0.5  # r² of two bits: above it one predicts more than half of the other's variance
ENUMERATED = 12  # bits of which all codes are looked at
Array = NDArray[np.float64]


class Bits(Finding):
    """Bit i tells I(z_i; x) = H(mean over x of p_i) − mean over x of H(p_i) nats, p_i = q(z_i = 1|x); at most log 2.
    Two bits are given x independent, so the mean of p_i p_j is their joint distribution under the aggregate q(z)."""

    name = "bits"
    question = "Does every bit tell something?"
    seconds = 0.6

    def why_not(self, case: Case) -> str:
        return "" if is_bits(case) else "Its latents are real numbers, no bits."

    def find(self, case: Case) -> Found:
        p, k = case.codes.loc.astype(float), case.model.k
        told, rates = information(p), (math.log(2) - entropy(p)).mean(0)
        dead = np.flatnonzero(told < CARRIES)
        pairs = copies(p, dead)
        used = codes_used(p, np.random.default_rng(0))
        wasted = float(rates[dead].sum()) + sum(shared for _, _, shared in pairs)
        found = len(dead) > 0 or len(pairs) > 0
        perplexity = number_with_error(used.perplexity, used.error, 0)
        return Found(
            found=found,
            title=_title(len(dead), len(pairs)),
            shown=f"{k - len(dead)} of {k}",
            sentence=_sentence(dead, pairs, told, k)
            + f" The likeliest codes of {len(p):,} images are {used.codes:,} of the {2**k:,} that there are; codes "
            f"drawn from q(z|x) spread as widely as over {perplexity} used equally often.",
            value=float(len(dead) + len(pairs)),
            unit="bits",
            threshold=0.0,
            source=f"I(z_i; x) < {CARRIES} nats is dead; r² > {COPIES} of two bits is a copy",
            n=len(p),
            nats=wasted if found else 0.0,
            advice=_advice(case, k - len(dead) - len(pairs)) if found else (),
            picture=_picture(told, dead),
            numbers={
                "dead": dead.tolist(),
                "copies": [[i, j] for i, j, _ in pairs],
                "nats_per_bit": told.tolist(),
                "rate_per_dim": rates.tolist(),
                "codes_used": used.codes,
                "perplexity": used.perplexity,
                "perplexity_error": used.error,
                "total_nats": float(told.sum()),
            },
        )


def entropy(p: Array) -> Array:
    """Returns the entropy of bits that are 1 with probability p, nats."""
    inside = p.clip(1e-12, 1 - 1e-12)
    return np.asarray(-(inside * np.log(inside) + (1 - inside) * np.log1p(-inside)))


def information(p: Array) -> Array:
    """Returns what each bit tells of the image, (k,) nats; p (n, k) of each image."""
    return np.asarray(entropy(p.mean(0)) - entropy(p).mean(0))


def copies(p: Array, dead: NDArray[np.intp]) -> list[tuple[int, int, float]]:
    """Returns pairs of bits that say much the same, dead ones left out, each bit with the earliest one that it copies,
    and the mutual information of the two under the aggregate posterior, nats."""
    n, k = p.shape
    mean, joint = p.mean(0), p.T @ p / n
    spread = np.sqrt((mean * (1 - mean)).clip(1e-12))
    r2 = ((joint - np.outer(mean, mean)) / np.outer(spread, spread)) ** 2
    living, found = [i for i in range(k) if i not in set(dead.tolist())], []
    for b, j in enumerate(living):
        i = next((i for i in living[:b] if r2[i, j] > COPIES), None)
        if i is not None:
            found.append((i, j, _shared(mean[i], mean[j], joint[i, j])))
    return found


def _shared(a: float, b: float, both: float) -> float:
    """I(z_i; z_j) of two bits with P(1) = a and b, P(1, 1) = both."""
    cells = np.array([both, a - both, b - both, 1 - a - b + both]).clip(1e-12)
    ends = np.array([a * b, a * (1 - b), (1 - a) * b, (1 - a) * (1 - b)]).clip(1e-12)
    return float((cells * np.log(cells / ends)).sum())


@dataclass(frozen=True)
class Used:
    """How many codes the images use: different ones, by the likeliest of each image; exp H(z) under the aggregate
    posterior of these images, with its standard error."""

    codes: int
    perplexity: float
    error: float


def codes_used(p: Array, rng: np.random.Generator) -> Used:
    """Returns the codes in use. Up to ENUMERATED bits H(z) is exact for these images; beyond, it is that of one draw an
    image, which is at most log n."""
    n, k = p.shape
    codes = len(np.unique(p > 0.5, axis=0))
    if k <= ENUMERATED:
        table = np.array(list(itertools.product((0.0, 1.0), repeat=k)))
        log_q = np.log(p.clip(1e-12, 1)) @ table.T + np.log((1 - p).clip(1e-12, 1)) @ (1 - table).T
        each = np.exp(log_q)  # (n, 2^k) q(z|x)
        aggregate = each.mean(0)
        surprise = -each @ np.log(aggregate.clip(1e-300))  # (n,): its mean is H(z)
    else:
        _, which, counts = np.unique(rng.random(p.shape) < p, axis=0, return_inverse=True, return_counts=True)
        surprise = -np.log(counts[which.ravel()] / n)
    perplexity = math.exp(float(surprise.mean()))
    return Used(codes, perplexity, perplexity * float(surprise.std()) / math.sqrt(n))


def _advice(case: Case, enough: int) -> tuple[Advice, ...]:
    k = max(1, enough)
    words = f"Train again with {k} bit{'s' * (k != 1)}"
    return (Advice("See them on Explore", "explore"), *afresh_advice(case, words, latent_dim=k))


def _title(dead: int, copied: int) -> str:
    words = [f"{dead} dead bit{'s' * (dead != 1)}"] * (dead > 0) + [
        f"{copied} that cop{'y' if copied > 1 else 'ies'} another"
    ] * (copied > 0)
    return ", ".join(words) if words else "Every bit tells something"


def _sentence(dead: NDArray[np.intp], pairs: list[tuple[int, int, float]], told: Array, k: int) -> str:
    words = ""
    if len(dead):
        listed = ", ".join(f"z{d}" for d in dead[:8]) + (", …" if len(dead) > 8 else "")
        words = f"{k - len(dead)} of {k} bits tell something; {listed} less than {CARRIES} nats each. "
    if pairs:
        words += ", ".join(f"z{j} copies z{i} ({shared:.2f} nats in both)" for i, j, shared in pairs[:5]) + ". "
    if not words:
        words = (
            f"{k} of {k} bits tell something: from {told.min():.2f} to {told.max():.2f} nats each, of log 2 = 0.69. "
        )
    return words.rstrip()


def _picture(told: Array, dead: NDArray[np.intp]) -> str:
    k, idle = len(told), set(dead.tolist())
    ticks = {float(d): f"z{d}" for d in range(k)} if k <= 16 else None
    chart = Chart(
        (-0.6, k - 0.4),
        (0, 0.75),
        height=200,
        labels=("", "nats"),
        ticks=(ticks, None),
        legend=[("rate", "told of the image"), ("faint", "dead"), ("elbo", "log 2: all that a bit can tell")],
    )
    for d, nats in enumerate(told):
        chart.bar(d - 0.35, d + 0.35, 0, max(0.0, float(nats)), "faint" if d in idle else "rate")
    chart.level(math.log(2), "elbo", dashed=True)
    return chart.svg(f"What each of {k} bits tells of the image, {len(dead)} of them dead")
