"""A run at steps that lie behind it: some twenty snapshots of its weights, so that its training can be looked through.

    moments/index.json            step, epoch, C, why ("log": evenly in log steps; "C turned") and SHA-256 of each
    moments/000000001200.safetensors   the weights after that step: float16, single numbers and ONNX files as they are

C is the one under which the steps before were taken. The file of a moment is there before the index names it and gone
after, so that a crash leaves the index true. What cannot be written costs the moment, never the training. A run has
none where nobody saw its weights change: one that was made by an older version, or wrapped; and a shipped one none that
would make it large (`vae.runs.ship`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae import runs
from vae.checked_json import Misfit, fields, items, number, one_of, optional, read_bytes, whole
from vae.errors import RunDamaged, RunNotFound
from vae.files import TEMPORARY, sha256, write_atomically, write_json
from vae.runs.checkpoints import sum_of
from vae.training.moment_steps import FEWEST, GROWTH, MOST_BYTES, Why, planned_steps, quotas, to_thin

if TYPE_CHECKING:
    from torch import Tensor

    from vae.model.vae import Model
    from vae.training.trainer import Trainer

FOLDER = "moments"
INDEX = f"{FOLDER}/index.json"
MOST = 64  # in an index
_entry = fields(
    ("step", "epoch", "C", "why", "sha256"), step=whole(0, 10**12 - 1), epoch=number(0), C=optional(number()),
    why=one_of("log", "C turned"), sha256=sum_of,
)  # fmt: skip
WRITTEN = fields(("moments",), format=whole(), moments=items(_entry, MOST))


@dataclass(frozen=True)
class Moment:
    """Weights that were kept: after `step` steps, trained until then with C (None where nobody knows it)."""

    step: int
    epoch: float
    C: float | None
    why: Why
    sha256: str

    @property
    def file(self) -> str:
        """Its place in the run's directory."""
        return f"{FOLDER}/{self.step:012d}.safetensors"


def list_moments(path: Path) -> list[Moment]:
    """Returns the moments of a run by their steps; [] where it has none. Raises RunDamaged."""
    try:
        entries = runs.read_file(path, INDEX, WRITTEN)["moments"]
    except FileNotFoundError:
        return []
    moments = [Moment(*(entry[name] for name in Moment.__dataclass_fields__)) for entry in entries]
    steps = [moment.step for moment in moments]
    if steps != sorted(set(steps)):
        raise runs.damaged(path, INDEX, "moments: expected each step once, in order")
    return moments


def moment_at(path: Path, step: int) -> Moment:
    """Returns the moment of a step. Raises RunNotFound where none was kept there, RunDamaged."""
    found = {moment.step: moment for moment in list_moments(path)}
    if step not in found:
        near = min(found, key=lambda other: abs(other - step), default=None)
        hint = "it has none" if near is None else f"the nearest is that of step {near:,}"
        raise RunNotFound(f"run {path.name!r} keeps no moment of step {step:,}; {hint}")
    return found[step]


def model_at(path: Path, step: int) -> Model:
    """Returns the model as it was after that step, in evaluation mode, on the CPU: weights rounded to float16 (by a
    2048th part at most), computed with in float32. Raises RunNotFound where no moment was kept there, RunDamaged where
    its file is not the one that was written, or does not fit the config."""
    moment = moment_at(path, step)
    content = read_moment(path, moment)
    from vae.runs.weights import model_with

    return model_with(path, content, moment.file)


def read_moment(path: Path, moment: Moment) -> bytes:
    """Returns the bytes of a moment's file. Raises RunDamaged where it is not the one that was written."""
    try:
        content = read_bytes(path / moment.file, MOST_BYTES)
    except FileNotFoundError:
        raise runs.damaged(path, moment.file, "it is gone") from None
    except Misfit as misfit:
        raise runs.damaged(path, moment.file, misfit) from None
    if sha256(content) != moment.sha256:
        raise RunDamaged(
            f"run {path.name!r}: {moment.file} is damaged (its SHA-256 is not the one in {INDEX}); restore it from a "
            "copy, or look at another moment"
        )
    return content


def why_none(path: Path) -> str:
    """Returns why a run has no moments and what to do, two sentences; "" where it has some, or will have while it
    trains. Raises RunDamaged."""
    if list_moments(path):
        return ""
    config, _ = runs.read_config(path)
    if runs.is_shipped(path):
        return (
            "This run ships without moments: they would make it several times as large. Train a run like it, or "
            "continue this one, and its moments are kept from then on."
        )
    if config.is_yours:
        return (
            "Of your own model only the newest weights are known here. A loop that calls log.model again and again "
            "(vae.log) leaves its moments; what was wrapped or opened as files has one moment, now."
        )
    if runs.read_status(path).state in runs.ACTIVE:
        return ""
    return (
        "This run was trained before runs kept moments, or where they could not be written. Continue it "
        "for more epochs, and its moments are kept from then on."
    )


class Kept:
    """The moments of a training so far: here their bytes lie in memory, until there is a run to write them into."""

    def __init__(self, bytes_each: int) -> None:
        self.quotas, self._told = quotas(bytes_each), False
        self.moments: list[Moment] = []
        self._bytes: dict[int, bytes] = {}

    def keep(self, step: int, epoch: float, C: float | None, why: Why, content: Callable[[], bytes | None]) -> bool:
        """Adds a moment unless there is one of this step; one of its kind goes where there are too many. Returns
        whether it is there now."""
        if not self.quotas[why] or any(moment.step == step for moment in self.moments):
            return False
        self.quietly(lambda: self._keep(step, epoch, C, why, content))
        return any(moment.step == step for moment in self.moments)

    def _keep(self, step: int, epoch: float, C: float | None, why: Why, content: Callable[[], bytes | None]) -> None:
        data = content()
        if data is None or len(data) > MOST_BYTES:
            return
        moment = Moment(step, epoch, C, why, sha256(data))
        self.put(moment, data)
        self.moments = sorted([*self.moments, moment], key=lambda kept: kept.step)
        kind = [kept for kept in self.moments if kept.why == why]
        place = to_thin([kept.step for kept in kind], self.quotas[why])
        if place is not None:
            self.moments.remove(kind[place])
        self.write_index()
        if place is not None:
            self.remove(kind[place])

    def put(self, moment: Moment, data: bytes) -> None:
        """Takes the bytes of a moment."""
        self._bytes[moment.step] = data

    def write_index(self) -> None:
        """Says which moments there are."""

    def remove(self, moment: Moment) -> None:
        """Gives up the bytes of a moment."""
        del self._bytes[moment.step]

    def write(self, path: Path) -> None:
        """Writes all moments into a new run's directory."""
        there = Keeper(path, -1, 1)
        there.quotas = self.quotas
        for moment in self.moments:
            content = functools.partial(self._bytes.__getitem__, moment.step)
            there.keep(moment.step, moment.epoch, moment.C, moment.why, content)

    def quietly(self, action: Callable[[], None]) -> None:
        """Lets a disk that takes nothing cost the moment only."""
        try:
            action()
        except OSError as error:
            self.tell(error)

    def tell(self, error: Exception) -> None:
        """Says it once, in the log: the training is what matters."""
        if not self._told:
            self._told = True
            print(f"{FOLDER}: no moment of these weights is kept ({error}); the training goes on", file=sys.stderr)


class Keeper(Kept):
    """The same in a run's directory, for who holds its lock. What lies beyond `step`, where the run goes on, is
    dropped."""

    def __init__(self, path: Path, step: int, bytes_each: int) -> None:
        super().__init__(bytes_each)
        self.path = path
        self.quietly(lambda: self._begin(step))

    def _begin(self, step: int) -> None:
        try:
            found = list_moments(self.path)
        except RunDamaged as error:  # what it named cannot be trusted any more
            self.tell(error)
            found = []
        self.moments = [moment for moment in found if moment.step <= step]
        if (self.path / FOLDER).is_dir():
            if self.moments != found or not found:
                self.write_index()
            named = {Path(moment.file).name for moment in self.moments}
            for file in (self.path / FOLDER).iterdir():  # of a kill between two writings, or of steps that come again
                if file.name not in named and (file.suffix == ".safetensors" or TEMPORARY.fullmatch(file.name)):
                    file.unlink()

    def put(self, moment: Moment, data: bytes) -> None:
        (self.path / FOLDER).mkdir(exist_ok=True)
        write_atomically(self.path / moment.file, data, durable=False)

    def write_index(self) -> None:
        entries = [vars(moment) for moment in self.moments]
        write_json(self.path / INDEX, {"format": runs.FORMAT, "moments": entries}, durable=False)

    def remove(self, moment: Moment) -> None:
        (self.path / moment.file).unlink(missing_ok=True)

    def thin(self, most_bytes: int) -> None:
        """Gives moments up until the others take at most so many bytes together; all where few would be left. Raises
        OSError."""
        sizes = {kept: (self.path / kept.file).stat().st_size for kept in self.moments}
        left = list(sizes)
        while sum(sizes[kept] for kept in left) > most_bytes:
            place = to_thin([kept.step for kept in left], len(left) - 1)
            left = [] if place is None or len(left) == FEWEST else left[:place] + left[place + 1 :]
        self.moments = left
        self.write_index()
        for kept in set(sizes) - set(left):
            self.remove(kept)

    def quietly(self, action: Callable[[], None]) -> None:
        before = self.moments
        try:
            action()
        except OSError as error:
            self.tell(error)
            self.moments = [moment for moment in before if (self.path / moment.file).is_file()]


class TrainingMoments:
    """What a training keeps: call `after` with each of its events, between steps. `path`: of its run; None: in memory
    until `kept.write`."""

    def __init__(self, path: Path | None, trainer: Trainer) -> None:
        self.trainer, self.every = trainer, trainer.config.record_every or 1
        values = sum(tensor.numel() for tensor in trainer.model.state_dict().values())
        self.kept = Kept(2 * values) if path is None else Keeper(path, trainer.step, 2 * values)
        plan = planned_steps(trainer.total_steps, self.every, self.kept.quotas["log"])
        self.due = [step for step in plan if step >= trainer.step]
        turns = [moment.step for moment in self.kept.moments if moment.why == "C turned"]
        self.C, self.turned_at = trainer.C, max(turns, default=-self.every)
        if self.due[:1] == [trainer.step]:
            self.after(None)

    def after(self, event: Any) -> None:
        """Keeps a moment where this event, a record or a change of a knob (None: the start), is one to keep."""
        trainer = self.trainer
        if getattr(event, "knob", "") == "C":
            if trainer.step - self.turned_at >= self.every and self._keep("C turned", self.C):
                self.turned_at = trainer.step  # turns closer together are one movement of a hand
        elif not hasattr(event, "knob") and self.due and trainer.step >= self.due[0]:
            self.due = [step for step in self.due if step > trainer.step]
            self._keep("log", trainer.C)
        self.C = trainer.C

    def _keep(self, why: Why, C: float) -> bool:
        trainer = self.trainer
        return self.kept.keep(trainer.step, trainer.epoch, C, why, lambda: packed(trainer, C))


def packed(trainer: Trainer, C: float) -> bytes | None:
    """Returns the weights as a moment's file has them; None where a float16 does not hold one of them. C: what a
    Gaussian's own C was until now."""
    import torch
    from safetensors.torch import save

    def half(tensor: Tensor) -> Tensor:
        """Single numbers (a scale, log C) stay exact: they cost nothing."""
        fewer = torch.float16 if tensor.is_floating_point() and tensor.ndim else tensor.dtype
        return tensor.detach().to(fewer).cpu().contiguous()

    weights = {name: half(tensor) for name, tensor in trainer.model.state_dict().items()}
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values() if tensor.is_floating_point()):
        return None
    if "likelihood.log_C" in weights:
        weights["likelihood.log_C"] = torch.full_like(weights["likelihood.log_C"], C).log()
    return save(weights, metadata={"step": str(trainer.step)})


class ForeignMoments:
    """Those of somebody else's loop: copies of the models that it shows, evenly in log steps as far as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keeper: Keeper | None = None

    def after(self, step: int, epoch: float, C: float) -> None:
        """Keeps the model that lies in the run's directory, of this step, unless the last moment is near."""
        size = (self.path / runs.WEIGHTS).stat().st_size
        self.keeper = self.keeper or Keeper(self.path, -1, size)
        last = max((moment.step for moment in self.keeper.moments), default=-1)
        if last < 0 or step >= GROWTH * last:
            read = self.path / runs.WEIGHTS
            self.keeper.keep(step, epoch, C, "log", lambda: read_bytes(read, MOST_BYTES))
