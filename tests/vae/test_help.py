"""`--help` names what the registries hold, without the seconds that torch takes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from vae import arguments
from vae.arguments import REGISTRIES, parser, read_registry, registered


def help_of(command: str) -> str:
    choices = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    return " ".join(choices[command].format_help().split())  # type: ignore[index]


@pytest.mark.parametrize("registry", REGISTRIES)
def test_the_source_of_a_registry_says_what_it_holds(registry: str) -> None:
    module, name = REGISTRIES[registry]
    loaded = importlib.import_module(module)
    assert read_registry(Path(loaded.__file__ or ""), name) == registered(registry)
    held = vars(loaded)[name]
    assert registered(registry) == [key for key, value in held.items() if getattr(value, "trains", True)]
    assert registered(registry)


def test_every_registry_is_named_in_some_help() -> None:
    helps = [help_of(command) for command in ("train", "sweep", "evaluate", "diagnose", "project", "export")]
    for registry in REGISTRIES:
        assert any(", ".join(registered(registry)) in told for told in helps), registry


def test_the_names_stand_in_the_help_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; from vae.__main__ import main; main(['train', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    told = " ".join(done.stdout.split())
    for registry in ("datasets", "likelihoods", "latents", "networks", "objectives", "estimators"):
        assert ", ".join(registered(registry)) in told


def test_a_class_in_a_file_of_its_own_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arguments, "ROOT", tmp_path)
    (tmp_path / "mine.py").write_text('class Mine(Base):\n    """x."""\n    name = "mine"\n    trains = True\n')
    (tmp_path / "registry.py").write_text(
        "from mine import Mine\n"
        'class A:\n    name = "a"\n'
        'class Wrong:\n    name = "wrong"\n    trains = False\n'
        "ALL: dict[str, type] = {cls.name: cls for cls in (A, Wrong, Mine)}\n"
        'FUNCTIONS: dict[str, int] = {\n    "f": 1,\n    "g": 2,\n}\n'
    )
    assert read_registry(tmp_path / "registry.py", "ALL") == ["a", "mine"]
    assert read_registry(tmp_path / "registry.py", "FUNCTIONS") == ["f", "g"]
