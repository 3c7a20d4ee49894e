"""What the training form means: its answers as a Config, as a command line, and how fast to show the run."""

from __future__ import annotations

import math
import shlex
from typing import Any, Literal

from vae.config import Config, Knobs
from vae.datasets import DataInfo
from vae.errors import ConfigError
from vae.training.defaults import images_per_second, total_steps

WATCHABLE = 60.0  # seconds that a run should last to be watched
LEAST_POINTS = 5  # of a line with an error
PACES = (1, 2, 5, 10, 20, 50, 100, 150, 200, 500, 1000)  # steps per second on offer besides full speed


def parse_widths(text: str) -> tuple[int, ...] | None:
    """`400` or `512, 256`; empty means the network's own. Raises ConfigError."""
    parts = [part for part in text.replace(",", " ").split() if part]
    if not all(part.isdecimal() and len(part) < 20 for part in parts):
        raise ConfigError(f"hidden: expected widths such as 400 or 512, 256, got {text[:80]!r}")
    return Config(hidden=tuple(int(part) for part in parts)).hidden or None


def parse_C(text: str) -> float | Literal["fit"] | None:
    """`fit`, a number, or empty for the likelihood's own. Raises ConfigError."""
    if not text.strip() or text.strip() == "fit":
        return text.strip() or None  # type: ignore[return-value]
    try:
        return Config(C=float(text)).C
    except ValueError as error:
        raise (
            error
            if isinstance(error, ConfigError)
            else ConfigError(f"C: expected a positive number or fit, got {text[:80]!r}")
        ) from None


def command_line(config: Config, name: str = "") -> str:
    """The command that trains the same run: only what differs from the defaults."""
    default = Config()
    words = ["python", "-m", "vae", "train"]
    for field, value in config.to_json().items():
        if value is not None and (value != getattr(default, field) or field == "dataset"):
            text = (
                ",".join(map(str, value))
                if isinstance(value, (tuple, list))
                else f"{value:g}"
                if isinstance(value, float)
                else str(value)
            )
            words += [f"--{field.replace('_', '-')}", text]
    return shlex.join([*words, "--name", name] if name else words)


def default_pace(config: Config, info: DataInfo) -> float | None:
    """Steps per second at which a run of a completed config is shown; None is full speed.

    Runs that are over in less than three quarters of a minute at full speed are slowed to about a minute: one can
    watch those, and turn C meanwhile. `images_per_second` is an estimate for two ordinary cores.
    """
    steps = total_steps(config, info.train)
    full_speed = images_per_second(config, info) / (config.batch_size or 1)
    if steps / full_speed >= 0.75 * WATCHABLE:
        return None
    nearest = min(PACES, key=lambda pace: abs(math.log(pace * WATCHABLE / steps)))
    return float(nearest) if nearest < full_speed else None


def undo_value(config: Config, history: list[dict[str, Any]], knobs: Knobs) -> float | Literal["fit"] | None:
    """What C was before its last change, None if nothing was changed. Undoing twice goes back two changes.

    history: the run's lines; an undone change is one that went back to the value before it.
    """
    stack: list[float | Literal["fit"]] = [config.C if config.C is not None else 1.0]
    changes = [line["value"] for line in history if line.get("knob") == "C"]
    if knobs.C is not None and (not changes or changes[-1] != knobs.C):
        changes.append(knobs.C)  # asked for, not yet taken up
    for value in changes:
        if len(stack) > 1 and stack[-2] == value:
            stack.pop()
        elif stack[-1] != value:
            stack.append(value)
    return stack[-2] if len(stack) > 1 else None


def _elbo(line: dict[str, Any], part: str) -> float | None:
    """None where it was not measured, or not finite."""
    return (line.get(part) or {}).get("elbo")


def _since_C(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines since the last change of C."""
    changes = [i for i, line in enumerate(history) if line.get("knob") == "C"]
    return history[changes[-1] + 1 if changes else 0 :]


def verdicts(state: str, config: Config, history: list[dict[str, Any]]) -> list[str]:
    """What the curves of an ended run say about its length."""
    too_long = overfitting(history) if state in ("finished", "stopped") and config.objective != "iwae" else ""
    too_short = still_improving(history) if state == "finished" and not (too_long or config.is_yours) else ""
    return [sentence for sentence in (too_long, too_short) if sentence]


def overfitting(history: list[dict[str, Any]]) -> str:
    """A sentence if the held-out −ELBO ended more than 1 nat and 2 % above its lowest while training went on to
    improve; empty otherwise. Only measurements since the last change of C, and on one number of images, compare.

    history: the run's lines.
    """
    lines = _since_C(history)
    measured = [line for line in lines if all(_elbo(line, part) is not None for part in ("train", "test"))]
    measured = [line for line in measured if line["test"].get("images") == measured[0]["test"].get("images")]
    if not measured:
        return ""
    best, last = min(measured, key=lambda line: -line["test"]["elbo"]), measured[-1]
    lowest, end = -best["test"]["elbo"], -last["test"]["elbo"]
    if end - lowest <= max(1.0, 0.02 * abs(lowest)) or last["train"]["elbo"] < best["train"]["elbo"]:
        return ""
    low, high = (f"{value:,.1f}".replace("-", "−") for value in (lowest, end))
    return (
        f"Held-out −ELBO was lowest at step {best['step']:,} ({low} nats) and has risen to {high} since: "
        "what is learned after that fits the training images only."
    )


def still_improving(history: list[dict[str, Any]]) -> str:
    """A sentence if what is minimised still fell over the last tenth of the records since C was last turned: by more
    than two standard errors of the straight line through them, 1 nat, and 1 % of its whole fall; empty otherwise.
    Held-out where that was measured often enough, else training.

    history: the run's lines.
    """
    records = [line for line in _since_C(history) if line.get("train")]
    first, last = (records[0]["step"], records[-1]["step"]) if records else (0, 0)
    for part, name in (("test", "held-out"), ("train", "training")):
        losses = [(line["step"], loss) for line in records if (loss := _loss(line, part)) is not None]
        last_tenth = [point for point in losses if point[0] > last - (last - first) / 10]
        if len(last_tenth) < LEAST_POINTS:
            continue
        fall, error = _fall(last_tenth)
        if fall <= max(2 * error, 1.0, 0.01 * abs(losses[0][1] - losses[-1][1])):
            return ""
        elbo = next(line[part]["elbo"] for line in reversed(records) if _loss(line, part) is not None)
        what = "−ELBO" if elbo is not None and math.isclose(losses[-1][1], -elbo, rel_tol=1e-3) else "loss"
        return (
            f"Still improving: the {name} {what} fell by {fall:,.1f} ± {error:,.1f} nats over the last tenth of its "
            "records. Train on to see where it ends."
        )
    return ""


def _loss(line: dict[str, Any], part: str) -> float | None:
    """What is minimised, nats per image; of older runs, which did not record it, −ELBO."""
    means = line.get(part) or {}
    elbo = means.get("elbo")
    return means.get("loss", None if elbo is None else -elbo)  # None where it was not finite


def _fall(points: list[tuple[int, float]]) -> tuple[float, float]:
    """By how much the least-squares line through (step, value) falls from the first to the last, and the standard
    error of that."""
    steps, values = zip(*points, strict=True)
    middle, mean = sum(steps) / len(steps), sum(values) / len(values)
    spread = sum((step - middle) ** 2 for step in steps)
    slope = sum((step - middle) * (value - mean) for step, value in points) / spread
    rest = sum((value - mean - slope * (step - middle)) ** 2 for step, value in points)
    span = steps[-1] - steps[0]
    return -slope * span, span * math.sqrt(rest / (len(points) - 2) / spread)
