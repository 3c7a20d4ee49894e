"""Sentences under a run: what one can do in its state, and what the curves of an ended one say about its length."""

from __future__ import annotations

import math
from typing import Any

from ui import server, style
from ui.runs.owners import why_not
from ui.runs.run_view import RunView
from ui.train.log import log
from vae import runs
from vae.config import FIRST_STEPS

LEAST_POINTS = 5  # of a line with an error
ADVICE = {
    "resting": "Another run waited and has its place. Resume puts it back into the queue; it goes on where it is.",
    "finished": "All epochs are done. Train on, or copy its settings to train again with other choices.",
    "stopped": "Continue goes on exactly where it stopped.",
    "interrupted": "Continue resumes it from its last saved state, or starts it if there is none.",
    "diverged": "The last good state is kept. Lower the learning rate on this page, then continue from there.",
    "diverged early": "Copy its settings into a new run, with other values of C or other images.",
    "failed": (
        "Continue tries once more, from the last saved state if there is one; "
        "copying the settings into a new run starts over."
    ),
}


IMPORTED = "This model came as it is: there is no training to show. Explore and Map show what it does."
YOURS = {  # the same of a run that only its own script can continue
    "finished": "Your loop has come to its end; running its script again makes a new run.",
    "stopped": "Your loop has ended; running its script again makes a new run.",
    "interrupted": "Its process is gone, and its last half second is not recorded.",
    "failed": "What went wrong stands in your script's own output too.",
}
STOPPING = "Stop is asked for: your loop ends when it looks at log.stopped."


def what_to_do(view: RunView) -> None:
    """Says why a run did not go on, and what one can do now, with the end of its log; what happened is in the line of
    its state above."""
    status = view.status
    if sentence := server.engine_of(view.path).state(view.path).problem:
        style.problem(sentence)
    if status.refused and not view.active:
        style.problem(f"It was asked to go on and did not: {status.refused}")
    if view.shipped:
        style.note("This run ships with ELBO Room and stays as it is. Copy its settings to train one like it.")
    elif not view.mine:
        style.note(why_not(view.owner))
    elif view.config.is_yours:
        if sentence := _of_your_own(view):
            style.note(sentence)
    elif status.state == "stopped" and not (view.path / runs.STATE).is_file():
        style.note("Continue starts it.")
    elif status.state == "diverged" and status.step <= FIRST_STEPS:
        style.note(ADVICE["diverged early"])
    elif status.state in ADVICE:
        style.note(ADVICE[status.state])
    log(view)


def _of_your_own(view: RunView) -> str:
    """What to say under a run that somebody's own script trains, or whose model came as it is."""
    if view.active:
        return STOPPING if view.knobs.stop else ""
    if view.status.step:
        return YOURS.get(view.status.state, "")
    return IMPORTED if view.status.state == "finished" else ""


def verdicts(view: RunView) -> list[str]:
    """Returns what the curves of an ended run say about its length. Raises RunError where they cannot be read."""
    state = view.status.state
    trained_on = state in ("finished", "stopped") and view.config.objective != "iwae"
    too_long = overfitting(view.history) if trained_on else ""
    too_short = still_improving(view.history) if state == "finished" and not (too_long or view.config.is_yours) else ""
    return [sentence for sentence in (too_long, too_short) if sentence]


def _elbo(line: dict[str, Any], part: str) -> float | None:
    """None where it was not measured, or not finite."""
    return (line.get(part) or {}).get("elbo")


def _since_C(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines since the last change of C."""
    changes = [i for i, line in enumerate(history) if line.get("knob") == "C"]
    return history[changes[-1] + 1 if changes else 0 :]


def overfitting(history: list[dict[str, Any]]) -> str:
    """Returns a sentence if the held-out −ELBO ended more than 1 nat and 2 % above its lowest while training went on to
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
        f"Held-out −ELBO was lowest at step {best['step']:,} ({low} nats) and has risen to {high} nats since: "
        "what the model has learned after that helps on the training images only."
    )


def still_improving(history: list[dict[str, Any]]) -> str:
    """Returns a sentence if what is minimised still fell over the last tenth of the records since C was last turned: by
    more than two standard errors of the straight line through them, 1 nat, and 1 % of its whole fall; empty otherwise.
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
