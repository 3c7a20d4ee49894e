"""Training from a script or a notebook: records as they come, then the model, and a run that every page opens."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from vae import runs
from vae.config import Config, Knobs, check_text, plain
from vae.datasets import DATASETS, Dataset, describe, load_dataset, own_datasets
from vae.errors import ConfigError
from vae.model.vae import Model, build_model
from vae.runs import Run
from vae.runs.moments import TrainingMoments
from vae.runs.saving import ended, save_preview, save_state, started, to_line
from vae.training.defaults import complete
from vae.training.records import KnobChange, Record
from vae.training.trainer import Trainer

SHOWN_EVERY = 0.2  # seconds between two lines of progress


def train(
    config: Config, knobs: Knobs | None = None, dataset: Dataset | None = None, progress: bool | None = None
) -> Training:
    """Trains a VAE: an iterator of records, one every few steps; change `knobs` between records to steer it.

    >>> for record in train(Config(dataset="digits", epochs=20)): print(record.step, record.train.elbo)
    >>> model = train(Config(dataset="digits")).model

    dataset: images that are loaded already, instead of those that config.dataset names. progress: a line that says
    how far it is; left out, it is shown in a terminal and in a notebook. Raises ConfigError for settings that cannot
    be; the iterator raises TrainingDiverged when the loss stops being a number.
    """
    for name, value, kind, made in (
        ("config", config, Config, "Config(dataset=...) makes one"),
        ("knobs", knobs, Knobs | None, "Knobs() makes them"),
        ("dataset", dataset, Dataset | None, "load_dataset makes one, also of an .npy file as numpy.save writes it"),
    ):
        if not isinstance(value, kind):
            raise ConfigError(f"{name}: expected a {name.capitalize()}, got {type(value).__name__}; {made}")
    if dataset is not None:  # it says what it is
        named = dataset.name if dataset.name in (*DATASETS, *own_datasets()) else config.dataset
        view = dataset.binarize if dataset.binarize != "none" else None
        config = dataclasses.replace(config, dataset=named, binarize=config.binarize or view)
    else:
        dataset = load_dataset(config.dataset, binarize=config.binarize or "none")
    completed, _ = complete(config, dataset.info)
    if completed.binarize != dataset.binarize:
        dataset = dataset.binarized(completed.binarize or "none")
    return Training(Trainer(completed, dataset), knobs if knobs is not None else Knobs(), progress)


class Training(Iterator[Record]):
    """A training that goes on as its records are asked for.

    `config` is the completed one, `history` holds the records and knob changes so far. `model` and `save` take what
    there is after the records that were asked for, and train to the end first where none was. After Ctrl-C, or
    `knobs.stop`, asking again goes on.
    """

    def __init__(self, trainer: Trainer, knobs: Knobs, progress: bool | None = None) -> None:
        self.config, self.knobs = trainer.config, knobs
        self.history: list[Record | KnobChange] = []
        self._trainer, self._events = trainer, trainer.run(knobs)
        self._moments = TrainingMoments(None, trainer)
        self._progress = Progress(trainer) if progress or (progress is None and _watched()) else None

    def __next__(self) -> Record:
        record = self._next()
        if self._progress is not None:
            self._progress.clear()  # whoever asked may print
        return record

    def _next(self) -> Record:
        try:
            for event in self._events:
                if self._progress is not None:
                    self._progress.show(event)
                if event is not None:
                    self.history.append(event)
                    self._moments.after(event)
                if isinstance(event, Record):
                    return event
        except BaseException:
            self._pause()
            raise
        self._pause()
        raise StopIteration

    def _pause(self) -> None:
        """It ended, was stopped by a knob or interrupted: whoever asks for more goes on from here."""
        self._events = self._trainer.run(self.knobs)
        if self._progress is not None:
            self._progress.end()

    def finish(self) -> Self:
        """Trains to the end, or until `knobs.stop`; returns itself."""
        with contextlib.suppress(StopIteration):
            while True:
                self._next()
        return self

    @property
    def step(self) -> int:
        """Steps taken."""
        return self._trainer.step

    @property
    def model(self) -> Model:
        """The model as it is now, in evaluation mode, on the CPU; later steps leave it alone."""
        self._begun()
        model = build_model(self.config, self._trainer.dataset.shape)
        model.load_state_dict({name: value.cpu() for name, value in self._trainer.model.state_dict().items()})
        return model.eval().requires_grad_(False)

    def save(self, name: str | None = None, folder: str | Path | None = None, dataset: str | Path | None = None) -> Run:
        """Writes a run that every page opens and `resume` continues, into `folder` or where the application's runs are;
        returns it opened. Where there is a run of that name already, a number is added. dataset: the name or file of
        its images, where the config does not say it.

        Raises ConfigError where those are other images or the name is no text, RunError where nothing can be written.
        """
        check_text("name", name, open_choice=True)
        check_text("folder", None if folder is None else plain("folder", folder), open_choice=True)
        self._begun()
        trainer, info = self._trainer, self._trainer.dataset.info
        config = self.config if dataset is None else dataclasses.replace(self.config, dataset=str(dataset))
        named = describe(config.dataset, binarize=config.binarize or "none")
        for field in ("name", "shape", "support", "train", "test"):
            if getattr(named, field) != getattr(info, field):
                raise ConfigError(
                    f"dataset: the run would be opened with {config.dataset!r}, whose {field} is "
                    f"{getattr(named, field)}, but it was trained on {info.name!r}, whose {field} is "
                    f"{getattr(info, field)}; give the name or file of those images, save(dataset=...)"
                )
        path = runs.create_run(config, named.to_json(), name, None if folder is None else Path(folder))
        lock = runs.acquire(path)
        try:
            runs.append_history(path, started(trainer.config, 0))
            for event in self.history:
                runs.append_history(path, to_line(event))
            save_state(path, trainer)
            save_preview(path, trainer)
            self._moments.kept.write(path)
            state, message = ended(trainer)
            status = runs.Status(state, trainer.step, trainer.epoch, trainer.total_steps, message=message)
            runs.write_status(path, status)
        finally:
            lock.release()
        return runs.load_run(path)

    def _begun(self) -> None:
        if not self.history and not self.step:
            self.finish()

    def __repr__(self) -> str:
        return f"Training({self.config.dataset!r}, step {self.step:,} of {self._trainer.total_steps:,})"


class Progress:
    """One line, written anew; tqdm needs widgets in a notebook to do as much. ASCII, for any console."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.out = trainer, sys.stdout if _in_notebook() else sys.stderr
        self.began: tuple[float, int] | None = None
        self.at, self.elbo, self.line = 0.0, "", ""

    def show(self, event: Any) -> None:
        """Shows where the training is, now and then. The last step's line waits for `end`: its ELBO comes with a
        record after the step."""
        now, step = time.monotonic(), self.trainer.step
        self.began = self.began or (now, step)
        if isinstance(event, Record) and event.test is not None:  # not at every record
            self.elbo = f", held-out ELBO {event.test.elbo:,.2f} nats"
        if step < self.trainer.total_steps and (now - self.at >= SHOWN_EVERY or not self.line):
            self._show_now(now, self.began)

    def _show_now(self, now: float, began: tuple[float, int]) -> None:
        step, total = self.trainer.step, self.trainer.total_steps
        pace = (step - began[1]) / max(now - began[0], 1e-9)
        left = f", {(total - step) / pace:,.0f} s left" if pace and step < total else ""
        self._write(f"step {step:,} of {total:,}{self.elbo}{left}")
        self.at = now

    def _write(self, line: str) -> None:
        print(f"\r{line:<{len(self.line)}}", end="" if line else "\r", file=self.out, flush=True)
        self.line = line

    def clear(self) -> None:
        if self.line:
            self._write("")

    def end(self) -> None:
        """Leaves the last line standing."""
        if self.began is not None:
            self._show_now(time.monotonic(), self.began)
            print(file=self.out, flush=True)
            self.began = None


def _watched() -> bool:
    """Whether somebody sees a line that is written anew."""
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
