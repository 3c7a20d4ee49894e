"""What a reader of a model card must know before the model is used: sentences, each from the run's own numbers."""

from __future__ import annotations

from vae.config import YOURS
from vae.diagnosis.case import Case
from vae.diagnosis.curves import held_out_curve
from vae.diagnosis.finding import number_with_error
from vae.diagnosis.findings.converged import Converged
from vae.diagnosis.findings.overfitting import ERRORS, rise_of
from vae.errors import DataError
from vae.exports.markdown import plain
from vae.exports.snapshot import Snapshot
from vae.runs.own_numbers import why_no_likelihood

FEW = 1000  # held-out images


def limits(taken: Snapshot) -> list[str]:
    """Returns the sentences, Markdown."""
    run, data = taken.run, taken.run.data
    sentences = [*_ending(taken), *_history(taken), *_pixels(taken)]
    if caveat := why_no_likelihood(run.config, data):
        sentences.append(plain(caveat, 400))
    if run.config.is_yours:
        sentences.append("Network and training are its maker's own; ELBO Room has seen inputs and outputs alone.")
    test = data.get("test", 0)
    if 0 < test < FEW:
        sentences.append(f"Only {test:,} images were held out: differences within the ± are not told apart.")
    size = " × ".join(map(str, data["shape"][1:]))
    sentences.append(f"It knows images like its data's alone, {size} pixels; about others its numbers say little.")
    return sentences


def _ending(taken: Snapshot) -> list[str]:
    status = taken.status
    if taken.run.config.is_yours and status.state == "finished":
        return []
    planned = f" of {status.total_steps:,} planned" if status.total_steps else ""
    if taken.at_work:
        return [f"It was still training: this is its save at step {taken.step:,}{planned}."]
    if status.state == "finished":
        return []
    words = {"diverged": "diverged; these are its last finite weights", "failed": "ended in a failure"}
    return [f"Its training {words.get(status.state, 'was ' + status.state)}, at step {taken.step:,}{planned}."]


def _history(taken: Snapshot) -> list[str]:
    """Whether it is done, and whether it overfits, as the diagnosis would say it of these lines."""
    case = Case(taken.run)
    case.__dict__["lines"] = taken.lines  # of this save, not those of a training that goes on
    try:
        if reason := Converged().why_not(case):
            return [f"Whether the training has converged cannot be said: {plain(reason[:1].lower() + reason[1:])}"]
        found = Converged().find(case)
        sentences = [f"{plain(found.title)}: {plain(found.sentence[:1].lower() + found.sentence[1:], 400)}"]
        curve = held_out_curve(case)
    except DataError:
        return []
    if curve is None:
        return [*sentences, "Whether it overfits cannot be said: it has too few held-out evaluations."]
    rise = rise_of(curve)
    shown, since = number_with_error(rise.nats, rise.error, 2), f"since {curve.unit} {rise.epoch:,.0f}"
    if rise.nats > max(ERRORS * curve.error, ERRORS * rise.error):
        return [*sentences, f"It overfits {since}: the held-out loss has risen by {shown} nats."]
    if rise.nats > ERRORS * rise.error:
        limit = f"less than {curve.images:,} images can tell ({ERRORS * curve.error:.2f} nats)"
        return [*sentences, f"The held-out loss has risen by {shown} nats {since}, {limit}."]
    return [*sentences, f"No overfitting: the held-out loss is no higher than it ever was ({shown} nats)."]


def _pixels(taken: Snapshot) -> list[str]:
    config, data = taken.run.config, taken.run.data
    if config.binarize not in (None, "none"):
        return [f"Its nats are those of the {config.binarize} view in black and white, not of the grey images."]
    if data["support"] == "unit" and config.likelihood and config.dataset != YOURS:
        levels = f", one of {data['scale'] + 1:,}" if data.get("scale", 1) > 1 else ""
        kind = "colour" if data["shape"][0] > 1 else "grey"
        return [
            f"The pixels are {kind} levels{levels}, and p(x|z) is a density: its nats may be above 0, and do "
            f"not compare with those of likelihoods of whole {kind} levels or of black and white."
        ]
    return []
