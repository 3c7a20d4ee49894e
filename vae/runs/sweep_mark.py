"""sweep.json: to which sweep a run belongs, what varies in it, and from which run's weights this one starts."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from vae.checked_json import fields, items, one_of, optional, text
from vae.errors import RunNotFound
from vae.files import write_json
from vae.runs.checkpoints import read_file
from vae.runs.directory import run_path
from vae.runs.status import ACTIVE, WAITING, is_locked, read_status

SWEEP = "sweep.json"
VARIED = ("C", "lr", "latent_dim", "seed")  # settings of Config, in the order in which names tell them
MARK = fields(
    ("id", "name", "varies"),
    id=text(40),
    name=text(60),
    varies=items(one_of(*VARIED), len(VARIED)),
    warm_from=optional(text(60)),
)


@dataclass(frozen=True)
class SweepMark:
    """What a run knows of its sweep. `warm_from`: the run of the same folder whose weights it starts from."""

    id: str  # the same for all runs of one sweep, and for no other's
    name: str
    varies: tuple[str, ...]
    warm_from: str | None = None


def write_mark(path: Path, mark: SweepMark) -> None:
    """Makes a run one of a sweep. Raises OSError where it cannot be written."""
    write_json(path / SWEEP, dataclasses.asdict(mark))


def read_mark(path: Path) -> SweepMark | None:
    """Returns what a run knows of its sweep, None where it belongs to none. RunDamaged names the field that is
    wrong."""
    try:
        values = read_file(path, SWEEP, MARK)
    except FileNotFoundError:
        return None
    return SweepMark(values["id"], values["name"], tuple(values["varies"]), values.get("warm_from"))


def neighbour_of(path: Path) -> Path | None:
    """Returns the run whose weights this one starts from; None where it starts from its seed's, or that run is gone.
    Raises RunDamaged."""
    mark = read_mark(path)
    if mark is None or mark.warm_from is None:
        return None
    try:
        return run_path(mark.warm_from, path.absolute().parent)
    except RunNotFound:
        return None


def chain_before(path: Path) -> list[Path]:
    """Returns the runs from whose weights this one comes in the end, the nearest first; [] where they go round in a
    circle, as a file of somebody else's may say. Raises RunDamaged."""
    chain: list[Path] = []
    before = neighbour_of(path)
    while before is not None:
        if before in chain or before.name == path.name:
            return []
        chain.append(before)
        before = neighbour_of(before)
    return chain


def blocked_by(path: Path) -> Path | None:
    """Returns the neighbour that has still to end before this run can start from its weights; None where none has.
    Raises RunDamaged."""
    chain = chain_before(path)
    return chain[0] if chain and _is_coming(chain[0]) else None


def _is_coming(path: Path) -> bool:
    """Returns whether a run is at work, or waits where somebody holds its lock: a killed server's waits for nobody."""
    state = read_status(path).state
    return state in ACTIVE and (state not in WAITING or is_locked(path))
