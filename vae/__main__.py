"""The command line: `python -m vae train | sweep | resume | list | evaluate | project | pack | doctor`.

`--json` prints one JSON object on standard output. Errors are one sentence on standard error; exit status 2 means
bad input. torch is imported by the command that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import math
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from vae import runs
from vae.config import BINARIZE, PRECISIONS, Config
from vae.errors import ConfigError, ElboRoomError

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads; beside other work spinning costs tenfold


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}; `{self.prog} --help` lists the options\n")


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="python -m vae", description=__doc__.split("\n")[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    train = commands.add_parser("train", help="train a VAE into a new run")
    _add_config(train)
    train.add_argument("--config", type=Path, metavar="FILE", help="settings from a JSON file; options given win")
    train.add_argument("--name", help="name of the run (default: from the settings)")
    train.set_defaults(run=train_command)

    sweep = commands.add_parser(
        "sweep", help="train several values of C, seeds or learning rates; as one batched step where that pays"
    )
    _add_config(sweep, many=True)
    sweep.add_argument("--seeds", type=int, default=1, help="so many seeds for each, from --seed on (default 1)")
    sweep.add_argument("--config", type=Path, metavar="FILE", help="settings from a JSON file; options given win")
    sweep.add_argument("--name", help="the runs' name, to which each adds what it tries (default: from the settings)")
    sweep.set_defaults(run=sweep_command)

    resume = commands.add_parser("resume", help="continue runs exactly where their last states stand")
    resume.add_argument("names", metavar="RUN", nargs="+")
    resume.add_argument("--epochs", type=int, help="train up to this many epochs in all")
    resume.set_defaults(run=resume_command)

    listing = commands.add_parser("list", help="the runs there are")
    listing.set_defaults(run=list_command)

    evaluate = commands.add_parser("evaluate", help="ELBO, importance bound on log p(x), active units; held-out images")
    evaluate.add_argument("name", metavar="RUN")
    evaluate.add_argument("--samples", type=int, default=5000, help="importance samples per image (default 5000)")
    evaluate.add_argument("--limit", type=int, help="only the first so many held-out images")
    evaluate.add_argument("--exact", action="store_true", help="log p(x) without sampling, where the model allows it")
    evaluate.set_defaults(run=evaluate_command)

    project = commands.add_parser("project", help="lay the codes of a run's images out in two dimensions")
    project.add_argument("name", metavar="RUN")
    project.add_argument("--method", default="pca", help="pca, tsne, tsne-sklearn, or umap if installed (default pca)")
    project.add_argument("--part", choices=("test", "train"), default="test", help="images (default test: held out)")
    project.add_argument("--neighbours", type=int, help="tsne, umap: nearest neighbours that stay close (default 15)")
    project.add_argument("--perplexity", type=float, help="tsne: instead of neighbours; 30 is usual, twice the time")
    project.add_argument(
        "--out", type=Path, metavar="FILE", help="also write index, x, y and label: .csv, .json or .npz"
    )
    project.set_defaults(run=project_command)

    pack = commands.add_parser("pack", help="make an ended run small enough to ship: weights, history, a few images")
    pack.add_argument("name", metavar="RUN")
    pack.add_argument("--images", type=int, default=2000, help="held-out images to take along (default 2000)")
    pack.set_defaults(run=pack_command)

    doctor = commands.add_parser("doctor", help="versions, device, free disk, data root, bind address")
    doctor.set_defaults(run=doctor_command)

    for command in (train, sweep, resume, listing, evaluate, project, pack, doctor):
        command.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    for command in (train, sweep, resume, listing, evaluate, project, pack):
        command.add_argument("--runs", type=Path, help="folder of runs (default: ELBO_ROOM_RUNS, else checkpoints)")
    return top


def _add_config(command: argparse.ArgumentParser, many: bool = False) -> None:
    """One option per setting of Config; None where it was not given. `many`: what a sweep varies is a list."""
    add = command.add_argument
    each, more = (_each, "[,...]") if many else (lambda kind: kind, "")
    add("--dataset", help="digits, mnist, fashion-mnist, kmnist, binarized-mnist, dsprites, or an .npz or .npy file")
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
    add("--network", help="linear, mlp or conv (default mlp)")
    add("--hidden", type=_widths, metavar="400[,200...]", help="hidden widths of the encoder; the decoder mirrors them")
    add("--activation", help="relu or tanh (default relu)")
    add("--objective", help="elbo or iwae (default elbo)")
    add("--samples", type=int, help="samples of z per image in a step: S of the ELBO, K of iwae (default 1)")
    add(
        "--estimator",
        help="of the gradient, for bits: rloo-4, rloo-2, disarm, running-mean, score, straight-through, concrete, "
        "exact; vimco with iwae (default: the first that fits)",
    )
    add("--epochs", type=int, help="default: about a minute on two cores, 800 at most")
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
        help="of a training step's matrix products (default auto: bfloat16 where the processor has it and it pays)",
    )
    add("--threads", type=int, help="CPU threads (default: all cores but one; one for small work)")
    add("--record-every", type=int, metavar="STEPS", help="steps per record (default: about 300 records a run)")


def train_command(options: argparse.Namespace) -> int:
    path = _create(_completed([_config(options)])[0], options.name, options.runs)
    return _report(_train_here([path], options.json), options.json)


def sweep_command(options: argparse.Namespace) -> int:
    """One run for each value of C, learning rate and seed, in the order given."""
    if options.seeds < 1:
        raise ConfigError(f"seeds: expected 1 or more, got {options.seeds}")
    Cs, lrs, options.C, options.lr = options.C or [None], options.lr or [None], None, None
    base = _config(options)
    tries: dict[str, Config] = {}
    for C, lr, seed in itertools.product(Cs, lrs, range(base.seed, base.seed + options.seeds)):
        given = {name: value for name, value in (("C", C), ("lr", lr)) if value is not None}
        given = {name: None if value == "auto" else value for name, value in given.items()}
        tried = [f"C-{C:g}" if isinstance(C, float) else f"C-{C}"] * (len(Cs) > 1)
        tried += [f"lr-{lr}"] * (len(lrs) > 1) + [f"seed-{seed}"] * (options.seeds > 1)
        name = "-".join([options.name or Path(base.dataset).stem, *tried])
        tries[name] = dataclasses.replace(base, **given, seed=seed)
    configs = _completed(list(tries.values()))  # all are good before the first is made
    paths = [_create(config, name, options.runs) for config, name in zip(configs, tries, strict=True)]
    return _report(_train_here(paths, options.json), options.json)


def _completed(configs: list[Config]) -> list[Config]:
    """With every open choice made; what was chosen for the user is said, once."""
    from vae.completion import complete
    from vae.datasets import describe

    completed, notes = zip(*(complete(config, describe(config.dataset)) for config in configs), strict=True)
    for note in notes[0]:
        print(note, file=sys.stderr)
    return list(completed)


def _create(config: Config, name: str | None, root: Path | None) -> Path:
    from vae.datasets import describe

    return runs.create_run(config, describe(config.dataset, binarize=config.binarize or "none").to_json(), name, root)


def resume_command(options: argparse.Namespace) -> int:
    paths = [_run(name, options) for name in options.names]
    left = []
    for path in paths:
        if options.epochs is not None:
            runs.extend(path, options.epochs)
        elif runs.read_status(path).state == "finished":
            continue
        runs.change_knobs(path, stop=False, paused=False)
        left.append(path)
    if left:
        _train_here(left, options.json)
    return _report(paths, options.json)


def _train_here(paths: list[Path], as_json: bool) -> list[Path]:
    """Train in this process; Ctrl-C saves and stops, a second one ends at once."""
    from vae.worker import train_runs

    def stop(*_: Any) -> None:
        for path in paths:
            runs.change_knobs(path, stop=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, stop)
    show = threading.Event()
    if not as_json:
        threading.Thread(target=_show_progress, args=(paths, show), daemon=True).start()
    train_runs(paths)
    show.set()
    return paths


def _show_progress(paths: list[Path], done: threading.Event) -> None:
    """A line that follows status.json, on a terminal; nothing into a file."""
    while sys.stderr.isatty() and not done.wait(0.5):
        every = [(runs.read_status(path), path) for path in paths]
        status, path = next((one for one in every if one[0].state in runs.ACTIVE and one[0].step), every[0])
        ended = f"{sum(one.state in runs.ENDED for one, _ in every)} of {len(paths)} ended; " if len(paths) > 1 else ""
        left = f", {status.seconds_left:,.0f} s left" if status.seconds_left else ""
        pace = f", {status.images_per_second:,.0f} images/s" if status.images_per_second else ""
        text = f"{ended}{path.name}: {status.state}, step {status.step:,} of {status.total_steps:,}{pace}{left}"
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)


def _report(paths: list[Path], as_json: bool) -> int:
    """What came of a training: 0 where every run can be used, 1 where one failed."""
    answers = [_outcome(path) for path in paths]
    if as_json:
        print(json.dumps(answers[0] if len(answers) == 1 else {"runs": answers}))
    elif len(answers) == 1 and answers[0]["elbo"] is not None:
        print("\n{run}: {state} at step {step:,}; held-out ELBO {elbo:.2f} nats = ".format(**answers[0]), end="")
        print("−(distortion {distortion:.2f} + rate {rate:.2f})".format(**answers[0]))
    elif len(answers) > 1:
        print(f"\n{'held-out means in nats':40}{'state':>12}{'step':>10}{'ELBO':>11}{'distortion':>12}{'rate':>9}")
        for path, answer in zip(paths, answers, strict=True):
            terms = [math.nan if answer[name] is None else answer[name] for name in ("elbo", "distortion", "rate")]
            numbers = f"{answer['step']:>10,}{terms[0]:>11.2f}{terms[1]:>12.2f}{terms[2]:>9.2f}"
            print(f"{path.name:40}{answer['state']:>12}{numbers}")
    for path, answer in zip(paths, answers, strict=True):
        if answer["message"]:
            print(answer["message"] if len(paths) == 1 else f"{path.name}: {answer['message']}", file=sys.stderr)
    return 1 if any(answer["state"] in ("failed", "diverged") for answer in answers) else 0


def _outcome(path: Path) -> dict[str, Any]:
    """Where a run stands, with the means of its last look at held-out images (None before the first)."""
    status = runs.read_status(path)
    looks = (line["test"] for line in reversed(runs.read_history(path)) if line.get("test"))
    held_out = next(looks, {"elbo": None, "distortion": None, "rate": None})
    terms = {name: held_out[name] for name in ("elbo", "distortion", "rate")}
    return {"run": str(path), "step": status.step, **terms, "state": status.state, "message": status.message}


def list_command(options: argparse.Namespace) -> int:
    rows = []
    for path in runs.list_runs(options.runs):
        try:
            config, data = runs.read_config(path)
            row = {"name": path.name, "state": runs.read_status(path).state, "dataset": data["name"]}
            row |= {"likelihood": config.likelihood, "latent": f"{config.latent} {config.latent_dim}"}
        except ElboRoomError as error:
            row = {"name": path.name, "state": "damaged", "message": str(error)}
        rows.append(row)
    if options.json:
        print(json.dumps({"runs": rows}))
    else:
        for row in rows:
            print("  ".join(f"{value:<{28 if key == 'name' else 14}}" for key, value in row.items()).rstrip())
        if not rows:
            print("No runs yet; `python -m vae train` makes the first.")
    return 0


def evaluate_command(options: argparse.Namespace) -> int:
    from vae.evidence import evaluate
    from vae.exact_evidence import evaluate_exactly, exact_evidence, exact_method

    for name in ("samples", "limit"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name}: expected 1 or more, got {value}")
    run = runs.load_run(_run(options.name, options))
    if options.exact and exact_method(run.model) is None:
        exact_evidence(run.model, run.dataset().to_float(run.dataset().test[:1]))  # says why not, before the sampling

    def progress(fraction: float) -> None:
        if sys.stderr.isatty():
            print(f"\r{fraction:4.0%}", end="", file=sys.stderr, flush=True)

    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())  # what has been looked at so far is an estimate too
    dataset = run.dataset()
    result = evaluate(run.model, dataset, options.samples, options.limit, progress=progress, stop=stop.is_set)
    signal.signal(signal.SIGINT, before)
    exact: dict[str, Any] = {}
    if options.exact and not stop.is_set():
        with contextlib.suppress(KeyboardInterrupt):  # the bound is told all the same
            exact = evaluate_exactly(run.model, dataset, result["n"], progress)
    if options.json:
        print(json.dumps(result | exact))
        return 0
    error = f" ± {result['iw_standard_error']:.3f}" if result["iw_standard_error"] is not None else ""
    print(f"\rheld-out images {result['n']:,}, means in nats")
    parts = f"−(distortion {result['distortion']:.3f} + rate {result['rate']:.3f})"
    print(f"ELBO          {result['elbo']:10.3f}  = {parts}")
    print(
        f"log p(x) ≥    {result['iw_bound']:10.3f}{error}  in expectation, K = {result['samples']:,} importance samples"
    )
    if exact:
        difference = exact["grid_difference"]
        told = exact["log_px_method"] + (
            "" if difference is None else f", finer grid moved it by {difference:.1e} at most"
        )
        print(f"log p(x) =    {exact['log_px']:10.3f}  by {told}")
        if not exact["converged"]:
            print("              the finest grid is too coarse for a p(x|z) this sharp: go by the importance bound")
        print(f"gap           {exact['gap']:10.3f}  = log p(x) − ELBO; KL(q‖p(z|x)) = {exact['kl_to_posterior']:.3f}")
    print(f"effective samples {result['iw_ess']:.1f}; active units {result['active_units']}")
    return 0


def project_command(options: argparse.Namespace) -> int:
    from vae.map_files import check_out, project_to_file

    settings = {name: getattr(options, name) for name in ("neighbours", "perplexity")}
    settings = {name: value for name, value in settings.items() if value is not None}
    path = _run(options.name, options)
    check_out(options.out)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())  # a map that is stopped keeps what it has
    result = project_to_file(path, options.method, options.part, options.out, stop, **settings)
    print(json.dumps(result) if options.json else "\n".join(f"{name:<12}{value}" for name, value in result.items()))
    return 0


def pack_command(options: argparse.Namespace) -> int:
    from vae.pack import pack_run

    path = _run(options.name, options)
    size = pack_run(path, options.images)
    print(json.dumps({"run": str(path), "bytes": size}) if options.json else f"{path}: {size / 1e6:.2f} MB")
    return 0


def doctor_command(options: argparse.Namespace) -> int:
    import importlib.metadata

    import torch

    from vae.datasets import data_root

    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    root = runs.runs_root()
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    facts: dict[str, Any] = {
        "python": sys.version.split()[0],
        **{name: version(name) for name in ("torch", "torchvision", "streamlit", "numpy", "scikit-learn", "plotly")},
        "device": cuda or f"cpu, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}",
        "runs": str(root),
        "free disk": f"{shutil.disk_usage(existing).free / 1e9:.1f} GB",
        "data root": str(data_root()) + ("" if data_root().exists() else " (not there yet)"),
        "bind address": os.environ.get("STREAMLIT_SERVER_ADDRESS", "127.0.0.1 (set in .streamlit/config.toml)"),
    }
    if options.json:
        print(json.dumps(facts))
    else:
        print("\n".join(f"{name:<14}{value}" for name, value in facts.items()))
    return 0


def _config(options: argparse.Namespace) -> Config:
    """--config first, then what was given as options."""
    values: dict[str, Any] = {}
    if options.config:
        try:
            values = json.loads(options.config.read_text())
            values = values.get("config", values)  # a run's config.json serves as well
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(f"config: {options.config} is not a JSON file of settings ({error})") from None
    names = {field.name for field in dataclasses.fields(Config)}
    values |= {name: value for name, value in vars(options).items() if name in names and value is not None}
    for name in ("batch_size", "lr", "precision"):
        if values.get(name) == "auto":
            values[name] = None
    return Config.from_json(values)


def _run(name: str, options: argparse.Namespace) -> Path:
    """RUN is a directory, or a name in the folder of runs."""
    return Path(name) if (Path(name) / "config.json").is_file() else runs.run_path(name, options.runs)


def _C(text: str) -> float | str:
    try:
        return "fit" if text == "fit" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or fit, got {text!r}") from None


def _each(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A list of what `kind` reads."""
    return lambda text: [kind(part) for part in text.split(",")]


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(",") if width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected widths such as 400 or 512,256, got {text!r}") from None


def _or_auto(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def number(text: str) -> Any:
        return text if text == "auto" else kind(text)

    return number


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return options.run(options)
    except ElboRoomError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
