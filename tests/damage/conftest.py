"""A sound run with every file that a run can have, and a copy of it for each damage, beside a sound neighbour."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.damage.mutations import MUTATIONS
from tests.vae.train_run import train_run
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.files import write_json
from vae.runs.origin import Origin, write_origin
from vae.runs.ship import HELD_OUT, pack_run
from vae.runs.sweep_mark import SweepMark, write_mark
from vae.space.fit_process import project
from vae.training.defaults import complete

SOUND, BITS = "sound-neighbour", "demo-digits-8bits"
# Read by readers of their own beside the run: what is wrong with one hides nothing of another, so that one run can have
# a damage of each file of a group. Those that a command reads before it continues a run stand in another group than the
# history, at which it would stop.
GROUPS = {"beside": ("knobs", "owner", "sweep", "live", "replay"), "past": ("history", "origin", "map")}
GROUPED = tuple(file for files in GROUPS.values() for file in files)
DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"


@dataclass(frozen=True)
class Damaged:
    """`everything`: all damaged runs in one folder of runs; `alone[name]`: a folder with one of them;
    `grouped[group][name]`: a folder with a run that has a damage of each file of the group, `damages[name]`. The
    neighbour is in each."""

    everything: Path
    alone: dict[str, Path]
    grouped: dict[str, dict[str, Path]]
    damages: dict[str, list[str]]


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a state, held-out images, a map, an owner, a sweep and a replay."""
    root = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (50, 8, 8)).astype(np.float32) / 16
    np.savez(root / "data.npz", images=images, labels=np.arange(50) % 3)
    info = describe(root / "data.npz")
    asked = Config(dataset=str(root / "data.npz"), hidden=(8,), epochs=2, batch_size=20, threads=1, record_every=1)
    config, _ = complete(asked, info)
    path = runs.create_run(config, info.to_json(), SOUND, root / "runs")
    assert train_run(path).state == "finished"
    project(path, "pca")
    packed = shutil.copytree(path, root / "packed")
    pack_run(packed)
    runs.save_checked(path, {HELD_OUT: (packed / HELD_OUT).read_bytes()})
    write_mark(path, SweepMark("0123456789abcdef", "sweep", ("C",)))
    write_origin(path, Origin("Ada", 1.0, 2.0))
    write_json(path / "owner.json", {"owner": "0123456789abcdef"})
    write_json(path / "resume/replay.json", {"lines": [], "until": 0, "after": 0})
    return path


@pytest.fixture(scope="session")
def damaged(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    root = tmp_path_factory.mktemp("damaged")
    everything, alone = root / "everything", {}
    everything.mkdir()
    (everything / SOUND).symlink_to(sound)
    shutil.copytree(DEMOS / BITS, everything / BITS)
    for name, mutate in MUTATIONS.items():
        alone[name] = root / "alone" / name
        path = copied(sound, alone[name] / name)
        if name.startswith("heldout"):  # shown where the dataset is absent only
            text = (path / "config.json").read_text().replace("data.npz", "gone.npz")
            runs.save_checked(path, {"config.json": text.encode()})
        mutate(path)
        (everything / name).symlink_to(path)
    grouped: dict[str, dict[str, Path]] = {group: {} for group in GROUPS}
    damages = {}
    for group, files in GROUPS.items():
        tables = [of_file(MUTATIONS, file) for file in files]
        for number in range(max(map(len, tables))):
            name = f"{group}-{number}"
            grouped[group][name], damages[name] = root / name, [table[number % len(table)] for table in tables]
            path = copied(sound, root / name / name)
            for each in damages[name]:
                MUTATIONS[each](path)
    return Damaged(everything, alone, grouped, damages)


def copied(sound: Path, path: Path) -> Path:
    shutil.copytree(sound, path, copy_function=shutil.copyfile)
    (path.parent / SOUND).symlink_to(sound)
    return path


def of_file(names: Iterable[str], file: str) -> list[str]:
    """Those of the damages that are of this file."""
    return [name for name in names if name.startswith((f"{file}-", f"{file}."))]
