"""The model card of a run bundle: front matter and text in the layout that model hubs read, written from the run.

Each function returns lines of Markdown for one question; whatever a user wrote goes through `plain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from vae.bound.metrics import ACTIVE_THRESHOLD
from vae.config import Config, count_rows
from vae.datasets import DATASETS
from vae.diagnosis.results import folder_of, read_result
from vae.exports.card_limits import limits
from vae.exports.history_rows import seconds_passed
from vae.exports.markdown import plain, table, yaml_text
from vae.exports.snapshot import Snapshot
from vae.files import sha256
from vae.model.latent_words import words_of
from vae.model.likelihoods import LIKELIHOODS
from vae.runs.origin import day
from vae.runs.own_numbers import why_no_likelihood
from vae.space.encodings import Images

MOST_TURNS = 20  # of C that are listed
SUPPORT = {"binary": "black and white, 0 or 1", "unit": "grey levels in [0, 1]", "real": "real numbers"}


@dataclass(frozen=True)
class Carried:
    """What a bundle takes along beside the weights. images: held-out ones; names: with the names of their files.
    unread: there were to be images, and they could not be read."""

    kind: str
    images: int
    labels: bool
    names: bool
    moments: int
    unread: bool = False

    def facts(self, taken: Snapshot) -> dict[str, str]:
        """Returns the same for the terminal and the page."""
        facts = {"images": self.words(), "moments": f"{self.moments}", "training": goes_on(taken)}
        return facts | ({"note": taken.status.message} if taken.at_work else {})

    def words(self) -> str:
        """Returns `carries 360 held-out images with their labels`."""
        if not self.images:
            why = ", which could not be read where it was exported" if self.unread else ""
            return f"carries no image of the data{why}"
        more = [word for word, there in (("labels", self.labels), ("file names", self.names)) if there]
        return f"carries {self.images:,} held-out images" + (f" with their {' and '.join(more)}" if more else "")


def goes_on(taken: Snapshot) -> str:
    """Returns how training goes on from the bundle."""
    if taken.run.config.is_yours:
        return "goes on in its own loop only"
    return "goes on exactly" if taken.state is not None else "goes on from the weights with a fresh optimiser"


def model_card(
    taken: Snapshot, carried: Carried, images: Images | None, means: torch.Tensor | None, about: dict[str, Any]
) -> str:
    """Returns the card. images, means: the held-out images that are here with E_q[z] of each, (n, k). about: who made
    it, when and with what."""
    sections = [
        ("", _intro(taken, about)),
        ("Data", _data(taken, carried, images)),
        ("Likelihood", _likelihood(taken)),
        ("What it is worth", _terms(taken, images, means)),
        ("How it was trained", _protocol(taken)),
        ("Limits", [f"- {sentence}" for sentence in limits(taken)]),
        ("Load it", _loading(taken, about)),
    ]
    lines = _front_matter(taken, about)
    for title, body in sections:
        lines += [*(["", f"## {title}"] if title else []), "", *body]
    return "\n".join(lines) + "\n"


def _front_matter(taken: Snapshot, about: dict[str, Any]) -> list[str]:
    config = taken.run.config
    tags = ["variational-autoencoder", "vae", "latent-space", "pytorch", config.latent, config.likelihood or "foreign"]
    tags = list(dict.fromkeys(tags))  # bits under a Bernoulli likelihood have one word
    return [
        "---",
        "library_name: elbo-room",
        "pipeline_tag: unconditional-image-generation",
        "tags:",
        *(f"- {yaml_text(tag)}" for tag in tags),
        f"model_name: {yaml_text(about['name'])}",
        "---",
    ]


def _intro(taken: Snapshot, about: dict[str, Any]) -> list[str]:
    config, data = taken.run.config, taken.run.data
    likelihood = config.likelihood or "no likelihood that is told"
    what = f"A variational autoencoder of {_size(data)} images of {plain(_name(taken))}: "
    what += f"{words_of(config.latent).whole(config.latent_dim)}, p(x|z) {plain(likelihood)}."
    day_of, state = day(about["made"]), taken.status.state
    if config.is_yours and taken.step == 0:
        ended = f"taken into ELBO Room on {day_of}"
    elif taken.at_work:
        ended = f"saved at step {taken.step:,} on {day_of}, while it trained"
    else:
        ended = f"its training {'finished' if state == 'finished' else f'{state} at step {taken.step:,}'} on {day_of}"
    if about["made_by"]:
        ended = f"made by {plain(about['made_by'])}; {ended}"
    versions = f"exported by ELBO Room {plain(about['elbo_room'])} with torch {plain(about['torch'])}"
    return [f"# {plain(about['name'])}", "", what, "", f"{ended[:1].upper()}{ended[1:]}; {versions}."]


def _name(taken: Snapshot) -> str:
    return str(taken.run.data.get("name", "own data"))


def _size(data: dict[str, Any]) -> str:
    channels, height, width = data["shape"]
    return f"{height} × {width}" + (f" × {channels}" if channels > 1 else "")


# ---- data


def _data(taken: Snapshot, carried: Carried, images: Images | None) -> list[str]:
    config, data = taken.run.config, taken.run.data
    support = SUPPORT[data["support"]].replace("grey", "colour" if data["shape"][0] > 1 else "grey")
    lines = [f"- Images: {plain(_name(taken))}, {_size(data)}, {support}."]
    if data.get("train"):
        lines.append(f"- Split: {data['train']:,} to train, {data.get('test', 0):,} held out.")
    else:
        lines.append(f"- Split: {data.get('test', 0):,} held out; which images trained it is not told.")
    if config.binarize not in (None, "none"):
        how = {"threshold": "at half", "fixed": "drawn once", "epoch": "drawn anew each epoch"}
        lines.append(f"- Binarised from grey levels: {config.binarize}, {how[str(config.binarize)]}.")
    if (gone := count_rows(config.without)) and sum(gone.values()):
        lines.append(f"- Left out on purpose: {gone['train']:,} training and {gone['test']:,} held-out images.")
    if data.get("classes"):
        classes = ", ".join(plain(one, 40) for one in data["classes"][:20])
        more = len(data["classes"]) - 20
        lines.append(f"- Classes, never seen in training: {classes}{f' and {more:,} more' if more > 0 else ''}.")
    source = DATASETS.get(config.dataset)
    credit = source.credit if source is not None else ""
    lines.append(f"- Source: {credit}" if credit else "- Source and licence of the images are not known to this card.")
    lines.append(f"- This bundle {plain(carried.words(), 400)}.")
    return lines


# ---- likelihood


def _likelihood(taken: Snapshot) -> list[str]:
    run, model = taken.run, taken.model
    lines = []
    if caveat := why_no_likelihood(run.config, run.data):
        lines += [plain(caveat, 400), ""]
    kind = LIKELIHOODS.get(run.config.likelihood or "")
    if kind is not None:
        about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        lines += [f"`{about.partition(': ')[2] if about[:1] == 'F' and about[1:2].isdigit() else about}`", ""]
    C = C_of(taken)
    if C is None:
        return [*lines, "Which C it was trained with is not told."]
    if kind is not None and kind.owns_C and not run.config.is_yours:
        C = float(model.likelihood.C)
        how = "learned with the decoder" if fitted(taken.run.config, taken.lines) else "fixed"
        lines.append(f"C = {C:.5g}, {how}: a pixel's noise has the variance c = 1/(2C) = {1 / (2 * C):.3g}.")
    elif kind is not None and kind.owns_C:
        lines.append(f"C = {C:.5g}: a pixel's noise has the variance c = 1/(2C) = {1 / (2 * C):.3g}.")
    else:
        lines.append(f"C = {C:.5g}: what was minimised is C · distortion + rate.")
    return [*lines, *_trail(taken)]


def C_of(taken: Snapshot) -> float | None:
    """Returns the newest C that the history tells, else the config's; None where neither has one."""
    told = [line["C"] for line in taken.lines if line.get("C") is not None]
    asked = taken.run.config.C
    return float(told[-1]) if told else float(asked) if isinstance(asked, (int, float)) else None


def fitted(config: Config, lines: Sequence[dict[str, Any]]) -> bool:
    """Returns whether C was learned in the end; lines: of the history."""
    turned = [line["value"] for line in lines if line.get("knob") == "C"]
    return bool((turned[-1] if turned else config.C) == "fit")


def _trail(taken: Snapshot) -> list[str]:
    turns = [(line["step"], line["value"]) for line in taken.lines if line.get("knob") == "C"]
    told = [(line["step"], line["C"]) for line in taken.lines if line.get("C") is not None]
    lines = []
    if turns:
        words = [f"at step {step:,} to {value if value == 'fit' else f'{value:.4g}'}" for step, value in turns]
        more = f", and {len(words) - MOST_TURNS:,} times more" if len(words) > MOST_TURNS else ""
        lines += ["", f"C was changed by hand while it trained: {'; '.join(words[:MOST_TURNS])}{more}."]
    if len({value for _, value in told}) > 1:
        places = sorted({round(share * (len(told) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
        points = ", ".join(f"{told[place][1]:.4g} (step {told[place][0]:,})" for place in places)
        lines += ["", f"C over the training: {points}."]
    return lines


# ---- worth


def _terms(taken: Snapshot, images: Images | None, means: torch.Tensor | None) -> list[str]:
    lines = []
    record = next((line for line in reversed(taken.lines) if line.get("test")), None)
    if record is None:
        lines.append("No terms on held-out images were recorded.")
    else:
        test = record["test"]
        count = f"{test['images']:,} held-out images" if test.get("images") else "held-out images"
        titles = {
            "distortion": ("distortion, −E log p(x given z)", "nats"), "rate": ("rate, KL(q ‖ p)", "nats"),
            "elbo": ("ELBO", "nats"), "squared_error": ("squared error, ‖x − E[x given z]‖²", "pixel²"),
        }  # fmt: skip
        rows = [
            (title, _number(test[name]), _number(test.get(f"{name}_error")), unit)
            for name, (title, unit) in titles.items()
            if test.get(name) is not None
        ]
        lines += [f"Means over {count} at step {record['step']:,}, one draw of z each:", ""]
        lines += table(("term", "mean", "±", "unit"), rows)
        lines += ["", "± is the standard error of the mean over images; empty where it was not recorded."]
    lines += _evidence(taken)
    if images is not None and means is not None and len(means):
        active = int((means.double().var(0, correction=0) > ACTIVE_THRESHOLD).sum())
        lines += [
            "",
            f"Active units: {active} of {means.shape[1]}, the dimensions whose posterior mean varies by more ",
        ]
        lines[-1] += f"than {ACTIVE_THRESHOLD} over {len(means):,} {plain(images.source)}."
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.3f}".replace("-", "−")


def _evidence(taken: Snapshot) -> list[str]:
    """log p(x), where a diagnosis of these weights has computed it."""
    answer = read_result(folder_of(taken.run.path, sha256(taken.weights)), "loose_bound").answer
    numbers = answer.numbers if answer is not None else {}
    log_px, bounds = numbers.get("log_px"), numbers.get("bounds")
    if not isinstance(log_px, float) or answer is None or not answer.n:
        return []
    if numbers.get("exact"):
        return ["", f"log p(x) = {_number(log_px)} nats, by {plain(numbers['exact'])}, mean over {answer.n:,} images."]
    last = bounds[-1] if isinstance(bounds, list) and bounds and isinstance(bounds[-1], dict) else {}
    error, samples = last.get("monte_carlo_error"), last.get("samples")
    plus = f" ± {_number(error)} (Monte Carlo)" if isinstance(error, float) else ""
    drawn = f" from {samples:,} importance samples an image" if isinstance(samples, int) else ""
    return ["", f"log p(x) ≥ {_number(log_px)}{plus} nats{drawn}, mean over {answer.n:,} images."]


# ---- protocol


def _protocol(taken: Snapshot) -> list[str]:
    config = taken.run.config
    if config.is_yours:
        rows = [("network and training", "its maker's own; only what the history tells is known here")]
        rows += [("latent", words_of(config.latent).whole(config.latent_dim)), ("steps", f"{taken.step:,}")]
        return table(("setting", "value"), [*rows, *_clock(taken)])
    hidden = ", ".join(map(str, config.hidden or ())) or "no hidden layer"
    samples = f", {config.samples} samples of z" if config.samples > 1 else ""
    epochs = f"{taken.status.epoch:,.4g} of {config.epochs:,}" if config.epochs else f"{taken.status.epoch:,.4g}"
    rows = [
        ("network", f"{config.network} ({hidden}), {config.activation}; the decoder mirrors the encoder"),
        ("latent", words_of(config.latent).whole(config.latent_dim)),
        ("objective", f"{config.objective}{samples}"),
        ("gradient", str(config.estimator or "pathwise")),
        ("optimiser", f"Adam, learning rate {_given(config.lr)}, {config.lr_schedule}{_factors(taken)}"),
        ("batch", f"{config.batch_size:,} images" if config.batch_size else "not told"),
        ("epochs", epochs),
        ("steps", f"{taken.step:,} of {taken.status.total_steps:,}"),
        ("seed", f"{config.seed}"),
        ("precision", f"{config.precision}"),
        *_machines(taken, config),
        *_clock(taken),
    ]
    return table(("setting", "value"), [(name, plain(value)) for name, value in rows])


def _given(value: float | None) -> str:
    return "not told" if value is None else f"{value:g}"


def _factors(taken: Snapshot) -> str:
    turned = [line["value"] for line in taken.lines if line.get("knob") == "lr_factor"]
    return f"; its factor was changed by hand {len(turned):,} times, last to {turned[-1]:.4g}" if turned else ""


def _machines(taken: Snapshot, config: Config) -> list[tuple[str, str]]:
    """On what it was trained, each stretch."""
    started = [line for line in taken.lines if line.get("event") == "started"]
    words = [
        f"{one.get('device')}, {one.get('threads')} thread{'s' * (one.get('threads') != 1)} (from step {one['step']:,})"
        for one in started[:5]
    ]
    return [("device", "; ".join(words) or f"{config.device}")]


def _clock(taken: Snapshot) -> list[tuple[str, str]]:
    seconds = seconds_passed([line for line in taken.lines if line.get("seconds")])
    return [("time", f"{seconds[-1]:,.1f} s")] if seconds else []


# ---- how to load it


def _loading(taken: Snapshot, about: dict[str, Any]) -> list[str]:
    name = about["name"]
    lines = [
        "With ELBO Room, from the bundle as one file:",
        "",
        "```",
        f"python -m vae import {name}.zip",
        f"python -m vae evaluate {name}",
        "```",
        "",
        "```python",
        "import vae",
        "",
        f"model = vae.load_run({name!r}).model",
        "images = model.decode(model.prior().sample((16,))).mean  # (16, channels, height, width)",
        "```",
        "",
        "Without it:",
        "",
        "```python",
        "import json",
        "from pathlib import Path",
        "from safetensors.torch import load_file",
        "",
        'config = json.loads(Path("config.json").read_text())["config"]',
        'weights = load_file("model.safetensors")',
    ]
    if taken.run.config.is_yours:
        lines += [
            'for half in ("encoder.onnx", "decoder.onnx"):',
            "    Path(half).write_bytes(weights[half].numpy().tobytes())",
        ]
    else:
        lines += ["for name, tensor in weights.items():", "    print(name, tuple(tensor.shape))"]
    return [*lines, "```"]
