"""What a training leaves in its run's directory: lines of the history, the state for continuing, the preview."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from vae import runs
from vae.config import Config
from vae.files import write_atomically
from vae.runs.preview import render
from vae.training.records import KnobChange, MeanTerms, Record
from vae.training.trainer import Trainer


def to_line(event: Record | KnobChange | MeanTerms) -> dict[str, Any]:
    """Returns a record, or a part of one, or a knob change as the history has it; numbers that are not finite become
    null."""

    def clean(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {key: clean(item) for key, item in vars(value).items()}
        if isinstance(value, list):
            return [clean(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: clean(value) for name, value in vars(event).items()}


def started(config: Config, step: int) -> dict[str, Any]:
    """Returns the line of the history that says on what a run begins or goes on."""
    what = {"device": config.device, "precision": config.precision, "threads": config.threads}
    return {"step": step, "event": "started", **what}


def save_state(path: Path, trainer: Trainer) -> None:
    """Writes weights and the whole state, each whole at every moment."""
    from safetensors.torch import save

    tensors, values = trainer.state()
    values["history_bytes"] = runs.history_size(path)
    weights = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
    runs.save_checked(
        path,
        {
            runs.WEIGHTS: save(weights, metadata={"step": str(trainer.step)}),
            runs.STATE: save(tensors, metadata={"values": json.dumps(values)}),
        },
    )


def save_preview(path: Path, trainer: Trainer) -> None:
    """Writes preview/live.bin; a reader sees the old one or the new one."""
    (path / "preview").mkdir(exist_ok=True)
    data = render(trainer.model, trainer.dataset, trainer.step)
    write_atomically(path / "preview/live.bin", data, durable=False)


def ended(trainer: Trainer) -> tuple[str, str]:
    """Returns state and message of a run whose training ends here on purpose."""
    if trainer.step >= trainer.total_steps and not trainer.record_due:
        return "finished", ""
    return "stopped", f"Stopped at step {trainer.step:,} of {trainer.total_steps:,}."
