from __future__ import annotations

from ui.runs.command import command_line
from vae.config import Config


def test_the_command_line_says_what_differs_from_the_defaults() -> None:
    assert command_line(Config()) == "python -m vae train --dataset digits"
    config = Config(dataset="my data.npz", C="fit", hidden=(64, 32), lr=3e-4, epochs=7, samples=5, objective="iwae")
    assert command_line(config, "a run") == (
        "python -m vae train --dataset 'my data.npz' --C fit --hidden 64,32 --objective iwae --samples 5 "
        "--epochs 7 --lr 0.0003 --name 'a run'"
    )
