"""How many rows go through a decoder together: by its widest layer, and by the memory that there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vae import Config
from vae.bound.chunks import NUMBERS_ON_CPU, full_precision, rows_at_once
from vae.model.vae import build_model

WIDEST: list[tuple[dict[str, Any], tuple[int, int, int], int]] = [
    ({"network": "mlp", "hidden": (400,)}, (1, 28, 28), 784),  # the pixels
    ({"network": "mlp", "hidden": (1200, 90)}, (1, 28, 28), 1200),  # a hidden layer
    ({"network": "mlp", "hidden": (40,)}, (3, 20, 20), 1200),  # all colours
    ({"network": "conv"}, (1, 28, 28), 32 * 14 * 14),
    ({"network": "conv"}, (1, 64, 64), 32 * 32 * 32),
    ({"network": "linear", "latent": "full-normal", "latent_dim": 90}, (1, 8, 8), 90),  # the code itself
]


@pytest.mark.parametrize(("settings", "shape", "widest"), WIDEST)
def test_a_cpu_takes_as_many_rows_as_its_cache_holds(
    settings: dict[str, Any], shape: tuple[int, int, int], widest: int
) -> None:
    model = build_model(Config(likelihood="gaussian", **settings), shape)
    assert rows_at_once(model) == NUMBERS_ON_CPU // widest


def test_one_row_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vae.bound.chunks.NUMBERS_ON_CPU", 5)
    assert rows_at_once(build_model(Config(likelihood="gaussian", hidden=(4,)), (1, 8, 8))) == 1


class OnCard(torch.Tensor):
    """A weight that says it lies on a card."""

    is_cuda = True  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("free", "cached", "rows"),
    [
        (2**30, 0, 2**30 // 2 // (8 * 4) // 784),
        (2**30, 2**30, 2**30 // (8 * 4) // 784),  # what torch holds back for itself is free too
        (2**40, 0, (2**31 - 1) // 784),
        (1000, 0, 1),
    ],
)
def test_a_card_takes_what_a_share_of_its_free_memory_holds(
    free: int, cached: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 2**40))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: cached + 77)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 77)
    model = build_model(Config(likelihood="gaussian", hidden=(400,)), (1, 28, 28))
    weight = next(model.decoder.parameters())
    monkeypatch.setattr(model.decoder, "parameters", lambda: iter([weight.detach().as_subclass(OnCard)]))
    assert rows_at_once(model) == rows


def test_full_precision_shares_the_weights_and_leaves_the_model_alone() -> None:
    model = build_model(Config(likelihood="gaussian", hidden=(4,)), (1, 8, 8))
    model.in_bfloat16 = True
    same = full_precision(model)
    assert (same.in_bfloat16, model.in_bfloat16) == (False, True)
    pairs = zip(same.parameters(), model.parameters(), strict=True)
    assert all(a is b for a, b in pairs)
