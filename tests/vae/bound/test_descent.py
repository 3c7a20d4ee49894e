"""Adam, against torch's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vae.bound.descent import Descent


def test_it_is_torchs_adam() -> None:
    start = torch.randn(5, 3, generator=Generator().manual_seed(0), dtype=torch.float64)
    A = torch.randn(3, 3, generator=Generator().manual_seed(1), dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return (x @ A).square().sum() + x.cos().sum()

    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    descent, adam = Descent([ours]), torch.optim.Adam([theirs], lr=0.1)
    for step in range(30):
        rate = 0.1 * (1 - step / 30)
        descent.step(loss(ours), rate)
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        loss(theirs).backward()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert (ours - start).abs().median() > 0.1
