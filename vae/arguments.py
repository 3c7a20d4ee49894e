"""What the command line understands: options, their words, the config that they make. Nothing here imports torch."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from vae.checked_json import Misfit, fields, read_json
from vae.config import BINARIZE, PRECISIONS, Config
from vae.errors import ConfigError
from vae.space.parts import PARTS


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}; `{self.prog} --help` lists the options\n")


def parser() -> argparse.ArgumentParser:
    """Returns the parser of every command and its options."""
    called = Path(sys.argv[0]).stem
    prog = "elbo-room" if called.startswith("elbo-room") else "python -m vae"
    top = Parser(prog=prog, description="Train and evaluate variational autoencoders (VAEs).")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    train = commands.add_parser("train", help="train a VAE into a new run")
    _add_config(train)
    train.add_argument("--config", type=Path, metavar="FILE", help="settings from a JSON file; options given win")
    train.add_argument("--name", help="name of the run (default: from the settings)")

    sweep = commands.add_parser(
        "sweep", help="train several values of C, seeds or learning rates; as one batched step where that pays"
    )
    _add_config(sweep, many=True)
    sweep.add_argument(
        "--seeds", type=int, default=1, help="number of seeds per setting, starting at --seed (default 1)"
    )
    sweep.add_argument("--config", type=Path, metavar="FILE", help="settings from a JSON file; options given win")
    sweep.add_argument("--name", help="the runs' name, to which each adds what it tries (default: from the settings)")

    resume = commands.add_parser("resume", help="continue runs exactly where their last states stand")
    resume.add_argument("names", metavar="RUN", nargs="+")
    resume.add_argument("--epochs", type=int, help="train up to this many epochs in all")
    resume.add_argument("--device", help="go on on auto, cpu, cuda, ... from here on (default: as the run says)")

    listing = commands.add_parser("list", help="the runs there are")

    evaluate = commands.add_parser("evaluate", help="ELBO, importance bound on log p(x), active units; held-out images")
    evaluate.add_argument("name", metavar="RUN")
    evaluate.add_argument("--samples", type=int, default=5000, help="importance samples per image (default 5000)")
    evaluate.add_argument(
        "--proposal",
        choices=("mixture", "refined", "q"),
        default="mixture",
        help="what they are drawn from: q, q widened and the prior (mixture, default); the mixture around a q that is "
        "first fitted to each image (refined: slower, surer); q alone, as in published protocols",
    )
    evaluate.add_argument("--limit", type=int, help="only the first so many held-out images")
    evaluate.add_argument("--exact", action="store_true", help="log p(x) without sampling, where the model allows it")

    project = commands.add_parser("project", help="lay the codes of a run's images out in two dimensions")
    project.add_argument("name", metavar="RUN")
    project.add_argument("--method", default="pca", help="pca, tsne, tsne-sklearn, or umap if installed (default pca)")
    project.add_argument("--part", choices=PARTS, default="test", help="images (default test: held out)")
    project.add_argument("--neighbours", type=int, help="tsne, umap: nearest neighbours that stay close (default 15)")
    project.add_argument("--perplexity", type=float, help="tsne: instead of neighbours; 30 is usual, twice the time")
    project.add_argument(
        "--out", type=Path, metavar="FILE", help="also write index, row in the file, x, y, label: .csv, .json or .npz"
    )

    pack = commands.add_parser("pack", help="make an ended run small enough to ship: weights, history, a few images")
    pack.add_argument("name", metavar="RUN")
    pack.add_argument("--images", type=int, default=2000, help="held-out images to take along (default 2000)")

    about = "start the application; what follows is for Streamlit, such as --server.port 8502"
    commands.add_parser("app", help=about, description=about)

    doctor = commands.add_parser("doctor", help="versions, device, free disk, data root, bind address")

    for command in (train, sweep, resume, listing, evaluate, project, pack, doctor):
        command.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    for command in (train, sweep, resume, listing, evaluate, project, pack):
        command.add_argument("--runs", type=Path, help="folder of runs (default: ELBO_ROOM_RUNS, else checkpoints)")
    return top


def parse(words: list[str] | None) -> argparse.Namespace:
    """Returns the options; `rest` is what `app` passes on. Ends the process where they cannot be understood."""
    top = parser()
    options, rest = top.parse_known_args(words)
    options.rest = rest
    if rest and options.command != "app":
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    return options


def _add_config(command: argparse.ArgumentParser, many: bool = False) -> None:
    """One option per setting of Config; None where it was not given. `many`: what a sweep varies is a list."""
    add = command.add_argument
    each, more = (_each, "[,...]") if many else (lambda kind: kind, "")
    add(
        "--dataset",
        help="digits, mnist, fashion-mnist, kmnist, binarized-mnist, dsprites, or an .npz or .npy file",
    )
    add(
        "--binarize", choices=BINARIZE, help="view of grey pixels as black and white (default: as the likelihood needs)"
    )
    add("--likelihood", help="bernoulli, gaussian or continuous-bernoulli (default: gaussian for grey data)")
    add(
        "--C",
        type=each(_C),
        metavar="VALUE|fit" + more,
        help="Gaussian: 1/(2c), or fit; others: weight of the distortion",
    )
    add("--latent", help="normal, full-normal or bernoulli (default normal)")
    add("--latent-dim", type=int, metavar="K", help="latent dimensions (default 2)")
    add("--network", help="linear, mlp, conv or resconv (default mlp)")
    add("--hidden", type=_widths, metavar="400[,200...]", help="hidden widths of the encoder; the decoder mirrors them")
    add("--activation", help="relu or tanh (default relu)")
    add("--objective", help="elbo or iwae (default elbo)")
    add("--samples", type=int, help="samples of z per image in a step: S of the ELBO, K of iwae (default 1)")
    add(
        "--estimator",
        help="of the gradient, for bits: rloo-4, rloo-2, disarm, running-mean, score, straight-through, concrete, "
        "exact; vimco with iwae (default: the first that fits)",
    )
    add("--epochs", type=int, help="default: a minute or two on two cores, 800 at most")
    add(
        "--batch-size",
        type=_or_auto(int),
        metavar="N|auto",
        help="images per step (default auto: 128, less for a long step)",
    )
    add(
        "--lr",
        type=each(_or_auto(float)),
        metavar="RATE|auto" + more,
        help="of Adam (default auto: by network, batch size, images)",
    )
    add("--lr-schedule", help="constant, cosine or steps:EPOCH=FACTOR,... (default constant)")
    add("--seed", type=int, help="of weights, order and noise (default 0)")
    add("--device", help="auto, cpu, cuda, ... (default auto)")
    add(
        "--precision",
        choices=(*PRECISIONS, "auto"),
        help="precision of the matrix products in a training step; everything else is float32 (default auto: bfloat16 "
        "where the processor has it and it pays)",
    )
    add("--threads", type=int, help="CPU threads (default: all cores but one; one for small work)")
    add("--record-every", type=int, metavar="STEPS", help="steps per record (default: about 300 records a run)")


def config_of(options: argparse.Namespace) -> Config:
    """Returns the config: first the file of --config, then what was given as options. Raises ConfigError."""
    values: dict[str, Any] = {}
    if options.config:
        try:
            values = read_json(options.config, fields())
            values = fields()(values.get("config", values))  # a run's config.json serves as well
        except (OSError, Misfit) as error:
            raise ConfigError(f"config: {options.config} is not a JSON file of settings ({error})") from None
    names = {field.name for field in dataclasses.fields(Config)}
    values |= {name: value for name, value in vars(options).items() if name in names and value is not None}
    for name in ("batch_size", "lr", "precision"):
        if values.get(name) == "auto":
            values[name] = None
    return Config.from_json(values)


def _C(text: str) -> float | str:
    try:
        return "fit" if text == "fit" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or fit, got {text!r}") from None


def _each(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A list of what `kind` reads."""
    return lambda text: [kind(one) for one in text.split(",")]


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",") if width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 400 or 512,256, got {text!r}") from None


def _or_auto(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        return text if text == "auto" else kind(text)

    return number
