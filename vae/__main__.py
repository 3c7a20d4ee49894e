"""The command line: `python -m vae train | sweep | resume | open | list | terms | evaluate | diagnose | ...`,
which `pip install .` installs as `elbo-room`.

`--json` prints one JSON object on standard output. Errors are one sentence on standard error. Exit status: 0 done, 1
failed, 2 bad input or refused (then nothing has changed), 130 stopped before the end. torch is imported by the command
that needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from vae import runs
from vae.arguments import config_of, parse
from vae.config import Config
from vae.engines.foreground import train
from vae.engines.streams import BROKEN_PIPE, drop_output, write_plainly
from vae.errors import ConfigError, ElboRoomError, RunBusy, RunUnwritable, is_out_of_memory
from vae.machine import let_idle_threads_sleep

STOPPED = 130  # exit status of a training that was stopped before its end, as shells have it for Ctrl-C


def train_command(options: argparse.Namespace) -> int:
    """Trains a new run."""
    path = _create(_completed(config_of(options)), options.name, options.runs)
    return _report(train([path], options.json, options.engine), options.json)


def sweep_command(options: argparse.Namespace) -> int:
    """Trains one run for each value of C, learning rate, latent size and seed. Raises ConfigError."""
    from vae.sweeps.grid import Sweep, create, plan
    from vae.training.size import in_words

    tried: dict[str, Any] = {name: tuple(getattr(options, name) or ()) for name in ("C", "lr", "latent_dim")}
    options.C = options.lr = options.latent_dim = None
    tried["lr"] = tuple(None if value == "auto" else value for value in tried["lr"])
    base = config_of(options)
    planned = plan(Sweep(base, **tried, seeds=options.seeds, warm_start=options.warm_start, name=options.name))
    takes = f"{len(planned.points):,} runs, about {planned.seconds():,.0f} s and {in_words(planned.disk)} of disk"
    for note in (*planned.notes, takes):
        print(note, file=sys.stderr)
    return _report(train(create(planned, options.runs), options.json, options.engine), options.json)


def _completed(config: Config) -> Config:
    """Makes every open choice; prints what was chosen for the user."""
    from vae.datasets import describe
    from vae.training.defaults import complete

    completed, notes = complete(config, describe(config.dataset, without=config.without))
    for note in notes:
        print(note, file=sys.stderr)
    return completed


def _create(config: Config, name: str | None, root: Path | None) -> Path:
    from vae.datasets import describe
    from vae.runs.start import check_left_out, check_room

    info = describe(config.dataset, without=config.without)
    check_room(config, info, root)
    check_left_out(config)
    return runs.create_run(config, info.binarized(config.binarize or "none").to_json(), name, root)


def resume_command(options: argparse.Namespace) -> int:
    """Continues runs; everything is checked for all of them before the first is changed. Raises RunBusy,
    and what `plan` raises."""
    from vae.runs.start import Request, check_ours, plan

    request = Request(options.epochs, options.device)
    paths = list(dict.fromkeys(_run(name, options) for name in options.names))
    for path in paths:
        check_ours(path, runs.read_config(path)[0])
    left = [path for path in paths if options.epochs is not None or runs.read_status(path).state != "finished"]
    for path in paths:
        if runs.is_locked(path):
            raise RunBusy(f"run {path.name!r} is being trained by another process; stop it there first")
    for note in dict.fromkeys(plan(path, request).note for path in left):
        if note:
            print(note, file=sys.stderr)
    for path in left:
        runs.load_run(path).check_data()
    if left:
        train(left, options.json, options.engine, request)
    return _report(paths, options.json)


def _report(paths: list[Path], as_json: bool) -> int:
    """What came of a training: 0 where every run has finished, 1 where one failed, 2 where one was refused, 130 where
    one was stopped before its end."""
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
    ends = {answer["state"] for answer in answers}
    if any(runs.read_status(path).refused for path in paths):
        return 2
    return 1 if ends & {"failed", "diverged"} else STOPPED if ends - {"finished"} else 0


def _outcome(path: Path) -> dict[str, Any]:
    """Where a run stands, with the means of its last evaluation on held-out images (None before the first)."""
    status = runs.read_status(path)
    evaluated = (line["test"] for line in reversed(runs.read_history(path)) if line.get("test"))
    held_out: dict[str, Any] = next(evaluated, {})
    terms = {name: held_out.get(name) for name in ("elbo", "distortion", "rate")}
    message = status.refused or status.message
    return {"run": str(path), "step": status.step, **terms, "state": status.state, "message": message}


def list_command(options: argparse.Namespace) -> int:
    """Lists the runs there are, damaged ones with the reason; as JSON with their numbers."""
    from vae.sweeps.points import rows as runs_there

    rows: list[dict[str, Any]] = []
    for one in runs_there(options.runs):
        if (point := one.point) is None:
            rows.append({"name": one.path.name, "state": "damaged", "message": one.problem})
            continue
        row = {"name": point.name, "state": point.state, "dataset": point.dataset}
        row |= {"likelihood": point.likelihood or "not told", "latent": f"{point.latent} {point.latent_dim}"}
        rows.append({**point.to_json(), **row} if options.json else row)
    if options.json:
        print(json.dumps({"runs": rows}))
    else:
        for row in rows:
            print("  ".join(f"{value:<{28 if key == 'name' else 14}}" for key, value in row.items()).rstrip())
        if not rows:
            print("No runs yet; `python -m vae train` makes the first.")
    return 0


def terms_command(options: argparse.Namespace) -> int:
    """Prints the runs on a dataset as points of the planes."""
    from vae.sweeps.command import print_terms

    return print_terms(options)


def evaluate_command(options: argparse.Namespace) -> int:
    """Measures a run on its held-out images."""
    from vae.bound.report import check_counts, print_evaluation
    from vae.runs.own_numbers import why_no_likelihood

    check_counts(options)
    run = runs.load_run(_run(options.name, options))
    print_evaluation(run.model, run.dataset(), options, why_no_likelihood(run.config, run.data))
    return 0


def diagnose_command(options: argparse.Namespace) -> int:
    """Says what is wrong with a run's latent space."""
    from vae.diagnosis.command import diagnose_to_terminal

    return 0 if diagnose_to_terminal(_run(options.name, options), options) else STOPPED


def project_command(options: argparse.Namespace) -> int:
    """Lays the codes of a run's images out in two dimensions."""
    from vae.space.places_file import check_out, project_to_file

    settings = {name: getattr(options, name) for name in ("neighbours", "perplexity")}
    settings = {name: value for name, value in settings.items() if value is not None}
    path = _run(options.name, options)
    check_out(options.out)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())  # a map that is stopped keeps what it has
    result = project_to_file(path, options.method, options.part, options.out, stop, **settings)
    print(json.dumps(result) if options.json else "\n".join(f"{name:<12}{value}" for name, value in result.items()))
    return 0


def suspects_command(options: argparse.Namespace) -> int:
    """Lists the images of a run that look wrong."""
    from vae.diagnosis.suspects.command import answer, lines

    found = answer(_run(options.name, options), options)
    print(json.dumps(found) if options.json else "\n".join(lines(found)))
    return 0


def open_command(options: argparse.Namespace) -> int:
    """Makes a run of a model of the user's."""
    from vae.runs.wrap import wrap

    encoder, decoder = options.encoder, options.decoder
    if options.python is not None and encoder is None and decoder is None:
        from vae.exchange.python_file import networks_from

        encoder, decoder = networks_from(options.python)
    if encoder is None or decoder is None:
        raise ConfigError("encoder, decoder: expected two ONNX files, or --python FILE.py:FACTORY instead of both")
    settings = {name: getattr(options, name) for name in ("likelihood", "pixels", "C", "gives", "latent", "name")}
    run = wrap(encoder, decoder, images=options.images, folder=options.runs, **settings)
    means = run.history[-1]["test"]
    print(json.dumps({"run": str(run.path), **means}) if options.json else f"{run.path}\n{run!r}")
    return 0


def export_command(options: argparse.Namespace) -> int:
    """Writes a run to one file that can be taken along."""
    from vae.exports.command import export_to_file

    export_to_file(_run(options.name, options), options)
    return 0


def import_command(options: argparse.Namespace) -> int:
    """Makes a run of a bundle."""
    from vae.exports.command import import_from_file

    import_from_file(options)
    return 0


def pack_command(options: argparse.Namespace) -> int:
    """Packs an ended run for shipping."""
    from vae.runs.ship import pack_run

    path = _run(options.name, options)
    size = pack_run(path, options.images)
    print(json.dumps({"run": str(path), "bytes": size}) if options.json else f"{path}: {size / 1e6:.2f} MB")
    return 0


def images_command(options: argparse.Namespace) -> int:
    """Makes, lists, shows or removes datasets of a person's own pictures."""
    from vae.runs.own_images import answer

    found, lines = answer(options)
    print(json.dumps(found) if options.json else "\n".join(lines))
    return 0


def doctor_command(options: argparse.Namespace) -> int:
    """Prints what a report of a fault should hold: versions, device, folders, free disk."""
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
    if not options.json:
        print("\n".join(f"{name:<14}{value}" for name, value in facts.items()))
    checks = _examine_engine(options) if options.engine else []
    if options.json:
        print(json.dumps(facts | ({"engine": checks} if options.engine else {})))
    return 0 if all(check["well"] for check in checks) else 1


def _examine_engine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Each check as it comes, with what to do where it fails."""
    from vae.engines.doctor import examine

    checks = []
    for check in examine(options.engine):
        checks.append({**dataclasses.asdict(check), "remedy": check.remedy})
        if not options.json:
            remedy = f"; {check.remedy}" if check.remedy else ""
            print(f"{check.name:<14}{'well' if check.well else 'NOT WELL'}: {check.found}{remedy}", flush=True)
    return checks


def app_command(options: argparse.Namespace) -> int:
    """Starts the application. ConfigError where the settings of its engine cannot be."""
    from vae.engines.engines import make_engine
    from vae.runs.application import start

    make_engine()
    return start(options.rest)


def _run(name: str, options: argparse.Namespace) -> Path:
    """RUN is a directory, or a name in the folder of runs."""
    return Path(name) if (Path(name) / "config.json").is_file() else runs.run_path(name, options.runs)


COMMANDS = {
    "train": train_command,
    "sweep": sweep_command,
    "resume": resume_command,
    "list": list_command,
    "terms": terms_command,
    "evaluate": evaluate_command,
    "diagnose": diagnose_command,
    "project": project_command,
    "suspects": suspects_command,
    "open": open_command,
    "export": export_command,
    "import": import_command,
    "pack": pack_command,
    "images": images_command,
    "doctor": doctor_command,
    "app": app_command,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    let_idle_threads_sleep()
    write_plainly()
    try:
        try:
            return _run_command(arguments)
        finally:
            sys.stdout.flush()  # here, not at the exit, where nobody catches that the reader has gone
    except BrokenPipeError:
        drop_output()
        return BROKEN_PIPE


def _run_command(arguments: list[str] | None) -> int:
    try:
        options = parse(arguments)
        return COMMANDS[options.command](options)
    except RunUnwritable as error:
        print(error, file=sys.stderr)
        return 1
    except ElboRoomError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return STOPPED
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print("Out of memory: this machine has too little for that; fewer samples or images take less", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
