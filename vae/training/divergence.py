"""What the error of a loss that is no longer a finite number says, and what to try then."""

from __future__ import annotations

from torch import Tensor

from vae.config import FIRST_STEPS
from vae.errors import TrainingDiverged


def diverged(step: int, images: Tensor, scale: float, C: str) -> TrainingDiverged:
    """Returns the error of a run whose first bad loss came at `step`; `images` over `scale` are pixels, `C` is as a
    person writes it. What breaks within the first steps seldom broke for a large step."""
    if step > FIRST_STEPS:
        what_to_try = (
            "The last good checkpoint is kept; continue from it with a smaller learning rate, or with C closer to "
            "its optimum."
        )
    else:
        low, high = (float(value) / scale for value in images.aminmax())
        what_to_try = (
            f"So early it is rarely the learning rate: the images hold values from {low:g} to {high:g}, and C is {C}; "
            "look for values far from all others, or start again with another C."
        )
    message = f"Training diverged at step {step:,}: the loss is no longer a finite number. {what_to_try}"
    return TrainingDiverged(message, step)
