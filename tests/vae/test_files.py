"""Files under readers that hold them open, as Windows has it: what is denied for a moment is done all the same."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vae.train_run import train_run
from vae import files, runs
from vae.checked_json import fields, read_json
from vae.config import Config
from vae.datasets import describe
from vae.training.defaults import complete

ROOT = Path(__file__).parents[2]
TEXT = ("read_text", "write_text", "open", "fdopen", "TextIOWrapper")


def deny(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: float) -> list[int]:
    """Let so many calls of owner.name fail as they do on Windows; one number for each that failed."""
    real: Callable[..., Any] = getattr(owner, name)
    denied: list[int] = []

    def change(*arguments: Any, **named: Any) -> Any:
        if len(denied) < times:
            denied.append(1)
            raise PermissionError(13, "Access is denied", str(arguments[0]))
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, change)
    return denied


def test_a_replacement_that_a_reader_denies_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    denied = deny(monkeypatch, os, "replace", 5)
    files.write_json(tmp_path / "a.json", {"b": "ß"})
    assert len(denied) == 5
    assert read_json(tmp_path / "a.json", fields()) == {"b": "ß"}


def test_what_is_denied_for_good_is_told_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(files, "PATIENCE", 0.1)
    pauses: list[float] = []
    monkeypatch.setattr(files.time, "sleep", pauses.append)
    denied = deny(monkeypatch, os, "replace", float("inf"))
    with pytest.raises(PermissionError):
        files.write_atomically(tmp_path / "a", b"new")
    assert 0.05 < sum(pauses) <= 0.1
    assert len(denied) == len(pauses) + 1
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a", b"old")]


def test_a_reader_waits_for_the_moment_of_a_replacement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runs.create_run(Config(likelihood="gaussian"), {"name": "digits"}, "a", tmp_path)
    runs.write_status(path, runs.Status(state="finished", step=7))
    denied = deny(monkeypatch, Path, "read_bytes", 3)
    clock = itertools.count(0.0, 10.0)  # of a process that is starved for ten seconds at every look
    monkeypatch.setattr(files.time, "monotonic", lambda: next(clock))
    assert runs.read_status(path).step == 7
    assert len(denied) == 3


def test_runs_are_renamed_deleted_and_restored_under_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runs.create_run(Config(likelihood="gaussian"), {"name": "digits"}, "a", tmp_path)
    runs.write_status(path, runs.Status(state="finished"))
    for change in (lambda p: runs.rename_run(p, "b"), runs.delete_run, runs.restore_run):
        with monkeypatch.context() as patch:
            denied = deny(patch, Path, "rename", 2)
            path = change(path)
            assert len(denied) == 2
    assert path == tmp_path / "b"


def test_a_preview_that_somebody_holds_open_costs_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(likelihood="gaussian", hidden=(4,), epochs=1, threads=1)
    completed, _ = complete(config, describe("digits"))
    path = runs.create_run(completed, describe("digits").to_json(), "a", tmp_path)
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        if target.name == "live.bin":
            raise PermissionError(13, "Access is denied", str(target))
        real(source, target)

    monkeypatch.setattr(files, "PATIENCE", 0.01)
    monkeypatch.setattr(os, "replace", replace)
    assert train_run(path).state == "finished"
    assert list((path / "preview").iterdir()) == []


def test_json_of_any_editor_is_read(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "settings.json").write_text('{"dataset": "Zahlen-ß"}', encoding=encoding)
        assert read_json(tmp_path / "settings.json", fields()) == {"dataset": "Zahlen-ß"}


def opened_as_text(source: str) -> Iterator[int]:
    """Lines with a file opened as text in whatever encoding the system has."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        module = getattr(getattr(node.func, "value", None), "id", "")
        binary = any(isinstance(a, ast.Constant) and isinstance(a.value, str) and "b" in a.value for a in node.args)
        own = name == "open" and (module in ("os", "Image", "archive") or (module == "gzip" and len(node.args) == 1))
        if name in TEXT and not own and not binary and not any(k.arg == "encoding" for k in node.keywords):
            yield node.lineno


def test_every_text_has_its_encoding() -> None:
    assert list(opened_as_text("open(a)\nopen(a, 'rb')\np.read_text()\np.read_text(encoding='utf-8')\n")) == [1, 3]
    sources = [ROOT / "app.py", *(f for folder in ("vae", "ui", "pages") for f in (ROOT / folder).rglob("*.py"))]
    wrong = [f"{f.relative_to(ROOT)}:{n}" for f in sources for n in opened_as_text(f.read_text(encoding="utf-8"))]
    assert wrong == []


def test_what_is_in_the_way_of_a_replacement_is_named(tmp_path: Path) -> None:
    (tmp_path / "live.bin").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        files.write_atomically(tmp_path / "live.bin", b"x")
    assert files.what_helps(error.value) == "move live.bin away, which is no file"
    assert [path.name for path in tmp_path.iterdir()] == ["live.bin"]
    with pytest.raises(IsADirectoryError) as error:
        (tmp_path / "live.bin").write_bytes(b"x")
    assert files.what_helps(error.value) == "move live.bin away, which is no file"


def test_a_file_in_the_place_of_a_folder_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "runs").write_bytes(b"x")
    with pytest.raises(FileExistsError) as error:
        (tmp_path / "runs").mkdir()
    assert files.what_helps(error.value) == "move runs away, which is no folder"


def test_an_error_of_the_system_is_told_without_the_place_of_its_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        (tmp_path / "gone" / "knobs.json").write_bytes(b"x")
    assert str(tmp_path) in str(error.value)
    assert files.told(error.value) == "knobs.json: No such file or directory; see to its folder"
    assert files.told(TimeoutError("the run does not answer")) == "the run does not answer"
    assert files.told(PermissionError(13, "Permission denied")).startswith("Permission denied; make the folder")


def test_no_page_shows_what_the_system_says_of_a_file_as_it_is() -> None:
    shown = []
    for file in [f for folder in ("ui", "pages") for f in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None and "OSError" in ast.unparse(node.type):
                texts = [ast.unparse(one) for one in ast.walk(node) if isinstance(one, ast.Call)]
                shown += [f"{file.name}:{node.lineno}"] * ("str(error)" in texts)
    assert shown == []
