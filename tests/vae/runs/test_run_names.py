"""Names of runs, and the folder that they lie in: nothing leads outside, nothing is lost."""

from __future__ import annotations

import random
import shutil
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors.torch import save

from vae import Config, load_run, runs
from vae.errors import ConfigError, RunBusy, RunError, RunNotFound
from vae.model.vae import build_model

CONFIG = Config(likelihood="gaussian", C=2.0, binarize="none", hidden=(5,), latent_dim=2, epochs=1, batch_size=16)
DATA = {"name": "small", "shape": [1, 3, 4], "support": "unit", "scale": 16, "train": 50, "test": 20, "classes": None}
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with weights."""
    path = runs.create_run(CONFIG, DATA, name="run", root=tmp_path)
    runs.write_status(path, runs.Status(state="finished"))
    runs.save_checked(path, {runs.WEIGHTS: save(build_model(CONFIG, (1, 3, 4)).state_dict())})
    return path


def temporary_files(path: Path) -> list[Path]:
    return list(path.rglob("*.tmp"))


# names

HOSTILE = ["../..", "..", ".", "/etc/passwd", "a/b", "a\\b", "a\0b", "\0", "CON", "con.txt", "LPT1", "nul.tar.gz",
           "x" * 300, "ü" * 300, "con." + "x" * 80, "\u202eevil\u202c", "-rf", "--help", "", "   ", "....", "~",
           "$HOME", "`id`", "%2e%2e", "a\nb", "\u1100\u200d\u1161", "e\u0301\u200d", "名前", "ﬁ", "①", ".hidden",
           "_x", "a" * 59 + "-b", "a" * 59 + "\u0301", "COM¹", "trailing.", "trailing ", "<script>",
           "![x](http://x)", "'; DROP TABLE", "\ud800"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=[str(i) for i in range(len(HOSTILE))])
def test_hostile_names_stay_inside_and_can_be_found_again(name: str, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    outside = set(tmp_path.iterdir()) | {root}
    path = runs.create_run(CONFIG, DATA, name=name, root=root)
    assert path.parent == root
    assert set(tmp_path.iterdir()) == outside
    assert 1 <= len(path.name) <= 60
    assert len(path.name.encode()) <= 255
    assert path.name[0] not in "-. "
    assert path.name[-1] not in "-. "
    assert all(c.isalnum() or c in "._-" for c in path.name)
    assert path.name.split(".")[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert runs.clean_name(path.name) == path.name
    assert unicodedata.is_normalized("NFKC", path.name)
    assert runs.run_path(path.name, root) == path
    assert runs.list_runs(root) == [path]
    again = runs.create_run(CONFIG, DATA, name=name, root=root)
    assert again != path
    assert again.name.endswith("-2")
    assert set(runs.list_runs(root)) == {path, again}
    assert runs.run_path(again.name, root) == again


def test_cleaning_twice_is_cleaning_once() -> None:
    choose = random.Random(0)
    alphabet = "aZ9._- /\\\0\n\u0301\u200d\u202e\u1100\u1161\u11a8ﬁ①ßİ名\u0345\u1e9bCONcon1"
    for _ in range(3000):
        name = "".join(choose.choices(alphabet, k=choose.randrange(90)))
        clean = runs.clean_name(name)
        assert clean
        assert runs.clean_name(clean) == clean
        assert len(clean) <= 60


@pytest.mark.parametrize("name", [*HOSTILE, "missing", "run/../run", "run/", "./run", "Run "])
def test_a_name_from_a_url_never_leaves_the_folder(name: str, run: Path) -> None:
    (run.parent / "config.json").write_text("{}")  # `..` and `.` would find a config
    with pytest.raises(RunNotFound, match="no run named"):
        runs.run_path(name, run.parent)
    assert runs.run_path("run", run.parent) == run


def test_runs_of_one_name_created_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: runs.create_run(CONFIG, DATA, name="run", root=tmp_path), range(16)))
    assert {p.name for p in paths} == {"run"} | {f"run-{n}" for n in range(2, 17)}
    assert set(runs.list_runs(tmp_path)) == set(paths)


# the folder of runs


def test_a_runs_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "file" / "runs", Path("/proc/elbo-room")):
        with pytest.raises(RunError, match=r"cannot create a run in .*; choose a writable folder with --runs"):
            runs.create_run(CONFIG, DATA, name="run", root=root)
        assert runs.list_runs(root) == []  # looking works
    assert runs.list_runs(tmp_path / "missing") == []


def test_too_little_disk_is_refused_with_the_numbers(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(run)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=60_000_000))
    runs.check_free_disk(run, 9_000_000)
    with pytest.raises(RunError, match=r"60 MB .* 61 MB"):
        runs.check_free_disk(run, 11_000_000)


def test_deleting_can_be_undone_and_renaming_keeps_the_content(run: Path) -> None:
    renamed = runs.rename_run(run, "A new <name>")
    assert renamed.name == "A-new-name"
    assert not run.exists()
    load_run(renamed).model  # noqa: B018
    trashed = runs.delete_run(renamed)
    assert runs.list_runs(run.parent) == []
    with pytest.raises(RunNotFound):
        runs.run_path(".trash", run.parent)
    runs.empty_trash(run.parent)
    assert runs.restore_run(trashed) == renamed
    assert runs.list_runs(run.parent) == [renamed]
    trashed = runs.delete_run(renamed)
    runs.create_run(CONFIG, DATA, name="A-new-name", root=run.parent)
    with pytest.raises(ConfigError, match="exists again"):
        runs.restore_run(trashed)
    runs.empty_trash(run.parent, older_than=0)
    assert not trashed.exists()


def test_what_is_busy_or_shipped_stays(run: Path) -> None:
    other = runs.create_run(CONFIG, DATA, name="other", root=run.parent)
    with pytest.raises(ConfigError, match="exists already"):
        runs.rename_run(run, "other")
    for busy in (runs.rename_run, lambda path, _: runs.delete_run(path)):
        with pytest.raises(RunBusy, match="still training"):
            busy(other, "x")  # it is queued
    runs.mark_as_shipped(run)
    with pytest.raises(RunError, match="ships with"):
        runs.delete_run(run)
    mine = runs.create_run(CONFIG, DATA, name="demo-mine", root=run.parent)
    runs.write_status(mine, runs.Status(state="stopped"))
    assert runs.delete_run(mine).exists()  # a name alone ships nothing


def test_a_config_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    config = Config(hidden=(512, 256), C="fit", lr_schedule="steps:200=0.63,350=0.5", seed=2**62, lr=1e-4)
    path = runs.create_run(config, DATA, root=tmp_path)
    assert runs.read_config(path) == (config, DATA)
    assert load_run(path).config == config
    assert path.name == "digits-None-d2"
