"""What the command line understands: options, their words, the config that they make. Nothing here imports torch.

A help text names what a registry holds by {likelihoods}, {latents}, ...: see REGISTRIES.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from vae.checked_json import Misfit, fields, read_json
from vae.config import BINARIZE, PRECISIONS, Config
from vae.diagnosis.suspects.options import suspects_options
from vae.errors import ConfigError
from vae.exchange.open_options import open_options
from vae.exports.options import export_options, import_options
from vae.runs.images_options import images_options
from vae.space.parts import PARTS

REGISTRIES = {
    "datasets": ("vae.datasets.registered", "DATASETS"),
    "likelihoods": ("vae.model.likelihoods", "LIKELIHOODS"),
    "latents": ("vae.model.latents", "LATENTS"),
    "networks": ("vae.model.networks", "NETWORKS"),
    "activations": ("vae.model.networks", "ACTIVATIONS"),
    "objectives": ("vae.bound.objectives", "OBJECTIVES"),
    "estimators": ("vae.bound.estimators", "ESTIMATORS"),
    "proposals": ("vae.bound.proposals", "PROPOSALS"),
    "metrics": ("vae.bound.metrics", "METRICS"),
    "projections": ("vae.space.projections", "PROJECTIONS"),
    "findings": ("vae.diagnosis.findings", "FINDINGS"),
    "engines": ("vae.engines.engines", "ENGINES"),
    "exports": ("vae.exports.exports", "EXPORTS"),
}
ROOT = Path(__file__).resolve().parents[1]


class Names(dict[str, str]):
    """By the name of a registry, what it holds: "bernoulli, gaussian, continuous-bernoulli"."""

    def __missing__(self, registry: str) -> str:
        return ", ".join(registered(registry))


def registered(registry: str) -> list[str]:
    """Returns the names of what can be chosen from one of REGISTRIES: of the dict itself where its module is loaded,
    else as its source says, because loading it takes torch's seconds."""
    module, name = REGISTRIES[registry]
    if module in sys.modules:
        held = vars(sys.modules[module])[name]
        return [key for key, value in held.items() if getattr(value, "trains", True)]
    return read_registry(_source(module), name)


def read_registry(file: Path, registry: str) -> list[str]:
    """Returns the names in a registry, {"a": A, ...} or {x.name: x for x in (A, ...)}, A or A(), from the source of
    its file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    held = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == registry
    )
    if isinstance(held, ast.Dict):
        return [ast.literal_eval(key) for key in held.keys if key is not None]
    assert isinstance(held, ast.DictComp)
    listed = held.generators[0].iter.elts  # type: ignore[attr-defined]
    variants = [_class_facts(tree, ast.unparse(variant).removesuffix("()")) for variant in listed]
    return [facts["name"] for facts in variants if facts.get("trains", True)]


def _class_facts(tree: ast.Module, name: str) -> dict[str, Any]:
    """The literals that a class sets in its body, in this file or in the file that it is imported from."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {
                ast.unparse(line.targets[0]): line.value.value
                for line in node.body
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
            }
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return _class_facts(ast.parse(_source(node.module).read_text(encoding="utf-8")), name)
    raise LookupError(name)


def _source(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


class Help(argparse.HelpFormatter):
    """Breaks no line within a name such as continuous-bernoulli."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = self._split_lines(text, width - len(indent))
        return "\n".join(indent + line for line in lines)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it; names what the registries hold."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": Help, **settings})

    def format_help(self) -> str:
        names = Names()
        for action in self._actions:
            action.help = action.help and action.help.format_map(names)
        self.description = self.description and self.description.format_map(names)
        return super().format_help()

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
        "sweep",
        help="train several values of C, learning rates, latent sizes and seeds; as one batched step where that pays",
    )
    _add_config(sweep, many=True)
    sweep.add_argument(
        "--seeds", type=int, default=1, help="number of seeds per setting, starting at --seed (default 1)"
    )
    warm = "each run starts from the weights of the next larger C, one after the other; codes stay comparable"
    sweep.add_argument("--warm-start", action="store_true", help=warm)
    sweep.add_argument("--config", type=Path, metavar="FILE", help="settings from a JSON file; options given win")
    sweep.add_argument("--name", help="the runs' name, to which each adds what it tries (default: from the settings)")

    resume = commands.add_parser("resume", help="continue runs exactly where their last states stand")
    resume.add_argument("names", metavar="RUN", nargs="+")
    resume.add_argument("--epochs", type=int, help="train up to this many epochs in all")
    resume.add_argument("--device", help="go on on auto, cpu, cuda, ... from here on (default: as the run says)")

    listing = commands.add_parser("list", help="the runs there are")

    terms = commands.add_parser("terms", help="the runs on a dataset between rate and distortion, with their slopes")
    terms.add_argument("dataset", metavar="DATASET", nargs="?", help="its name (default: the newest run's)")
    terms.add_argument("--sweep", metavar="NAME", help="only the runs of this sweep, by its name or id")
    terms.add_argument("--csv", action="store_true", help="print a table as CSV instead")

    worth = "ELBO, importance bound on log p(x), metrics; held-out images"
    evaluate = commands.add_parser("evaluate", help=worth, description=f"{worth}. The metrics: {{metrics}}.")
    evaluate.add_argument("name", metavar="RUN")
    evaluate.add_argument("--samples", type=int, default=5000, help="importance samples per image (default 5000)")
    evaluate.add_argument(
        "--proposal",
        default="mixture",
        help="what they are drawn from, {proposals}: q, q widened and the prior (mixture, default); the mixture around "
        "a q that is first fitted to each image (refined: slower, surer); q alone, as in published protocols",
    )
    evaluate.add_argument("--limit", type=int, help="only the first so many held-out images")
    evaluate.add_argument("--exact", action="store_true", help="log p(x) without sampling, where the model allows it")

    wrong = "what is wrong with a run's latent space: findings by the nats at stake, kept with the run"
    diagnose = commands.add_parser("diagnose", help=wrong, description=f"{wrong}. The findings: {{findings}}.")
    diagnose.add_argument("name", metavar="RUN")
    diagnose.add_argument("--html", type=Path, metavar="FILE", help="write one HTML file with the figures in it")
    diagnose.add_argument("--limit", type=int, help="only the first so many images; then nothing is kept")
    diagnose.add_argument("--again", action="store_true", help="compute anew what is kept of these weights")

    project = commands.add_parser("project", help="lay the codes of a run's images out in two dimensions")
    project.add_argument("name", metavar="RUN")
    project.add_argument("--method", default="pca", help="{projections}, if its package is installed (default pca)")
    project.add_argument("--part", choices=PARTS, default="test", help="images (default test: held out)")
    project.add_argument("--neighbours", type=int, help="tsne, umap: nearest neighbours that stay close (default 15)")
    project.add_argument("--perplexity", type=float, help="tsne: instead of neighbours; 30 is usual, twice the time")
    project.add_argument(
        "--out", type=Path, metavar="FILE", help="also write index, row in the file, x, y, label: .csv, .json or .npz"
    )

    suspects = commands.add_parser("suspects", help="images that look wrong: mislabelled, copies, blank, far out")
    suspects_options(suspects)

    exported = commands.add_parser("export", help="take a run along as one file")
    export_options(exported)
    imported = commands.add_parser("import", help="make a run of a bundle that `export --format bundle` wrote")
    import_options(imported)

    pack = commands.add_parser("pack", help="make an ended run small enough to ship: weights, history, a few images")
    pack.add_argument("name", metavar="RUN")
    pack.add_argument("--images", type=int, default=2000, help="held-out images to take along (default 2000)")

    opened = commands.add_parser("open", help="make a run of a model of yours, from two ONNX files and some images")
    open_options(opened)
    pictures = images_options(commands)

    about = "start the application; what follows is for Streamlit, such as --server.port 8502"
    commands.add_parser("app", help=about, description=about)

    doctor = commands.add_parser("doctor", help="versions, device, free disk, data root, bind address")

    for trains in (train, sweep, resume):
        trains.add_argument("--engine", help="where: {engines} (default: ELBO_ROOM_ENGINE, else local)")
    doctor.add_argument("--engine", help="also try this one: {engines}; reached, same folder, same versions, a step")

    on_runs = (
        train,
        sweep,
        resume,
        listing,
        terms,
        evaluate,
        diagnose,
        project,
        suspects,
        exported,
        imported,
        pack,
        opened,
        *pictures,
    )
    for command in (doctor, *on_runs):
        command.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    for command in on_runs:
        command.add_argument("--runs", type=Path, help="folder of runs (default: ELBO_ROOM_RUNS, else checkpoints)")
    return top


def parse(words: list[str] | None) -> argparse.Namespace:
    """Returns the options; `rest` is what `app` passes on. Ends the process where they cannot be understood."""
    top, words = parser(), list(sys.argv[1:] if words is None else words)
    if "--pixels" in words[:-1]:  # argparse takes -1,1 for an option
        place = words.index("--pixels")
        words[place : place + 2] = ["=".join(words[place : place + 2])]
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
        help="{datasets}; a name of your own images (see images add); or an .npz or .npy file",
    )
    add(
        "--binarize", choices=BINARIZE, help="view of grey pixels as black and white (default: as the likelihood needs)"
    )
    add(
        "--without",
        metavar="FILE|ROWS",
        help="leave rows of the data out: what Suspects saved, or such as 'train 3,5-9; test 17'",
    )
    add("--likelihood", help="{likelihoods} (default: gaussian for grey data)")
    about_C = "Gaussian: 1/(2c), or fit; others: weight of the distortion"
    if many:
        add("--C", type=_Cs, metavar="VALUE|fit|LOW..HIGH:POINTS[,...]", help=f"{about_C}; a range in equal ratios")
    else:
        add("--C", type=_C, metavar="VALUE|fit", help=about_C)
    add("--latent", help="{latents} (default normal)")
    add("--latent-dim", type=each(int), metavar="K" + more, help="latent dimensions (default 2)")
    add("--network", help="{networks} (default mlp)")
    add("--hidden", type=_widths, metavar="400[,200...]", help="hidden widths of the encoder; the decoder mirrors them")
    add("--activation", help="{activations} (default relu)")
    add("--objective", help="{objectives} (default elbo)")
    add("--samples", type=int, help="samples of z per image in a step: S of the ELBO, K of iwae (default 1)")
    add(
        "--estimator",
        help="of the gradient: {estimators} (default: the first that fits latent and objective)",
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
    if options.without is not None:
        from vae.diagnosis.suspects.export import read_without  # numpy and torch, which others need not wait for

        values["without"] = read_without(options.without)
    return Config.from_json(values)


def _C(text: str) -> float | str:
    try:
        return "fit" if text == "fit" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or fit, got {text!r}") from None


def _Cs(text: str) -> list[float | str]:
    from vae.sweeps.grid import values_of_C

    try:
        return [*values_of_C(text)]
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("C: ")) from None


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
