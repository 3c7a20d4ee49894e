"""Imports point one way: app.py and pages -> ui -> vae, and downwards inside vae."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
# A folder of vae, or a file on its ground floor, imports from earlier rows only; those of one row not one another.
LAYERS = [
    ["errors"],
    ["config", "files"],
    ["checked_json", "machine"],
    ["model"],  # what is the model?
    ["datasets"],  # what is x?
    ["bound"],  # what is computed from it?
    ["browser", "lessons"],  # what does the page get? what is taught?
    ["training"],  # how does it learn?
    ["exchange"],  # what comes in from other people's code?
    ["runs"],  # what lies on disk, who writes it?
    ["engines"],  # where does it run?
    ["space"],  # where do images lie?
    ["diagnosis", "comparison", "sweeps"],  # what is wrong with it? how do two differ? what do many say together?
    ["exports"],  # what can be taken along?
    ["arguments"],
    ["__main__"],
]
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
FORBIDDEN = {
    "vae": {"ui", "pages", "app", "streamlit", "plotly", "starlette"},
    "ui": {"pages", "app"},
    "pages": {"pages", "app", "torch"},  # a page computes nothing
}


def imports(file: Path) -> Iterator[str]:
    """Full names of everything that a file imports, wherever in it: at the top, in functions, for type checkers."""
    package = file.relative_to(REPOSITORY).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (word.value for word in node.args[:1] if isinstance(word, ast.Constant))


def sources(folder: str) -> list[Path]:
    return sorted((REPOSITORY / folder).rglob("*.py"))


def module_of(file: Path) -> str:
    """The module of vae that a file belongs to; a package is one module."""
    part = file.relative_to(REPOSITORY / "vae").parts[0]
    return part.removesuffix(".py")


def test_imports_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "REPOSITORY", tmp_path)
    (tmp_path / "ui").mkdir()
    file = tmp_path / "ui" / "x.py"
    file.write_text(
        "import a.b\nfrom c import d\ndef f():\n    from . import g\n    from .h import i\n    import_module('j.k')\n"
    )
    assert set(imports(file)) == {"a.b", "c", "c.d", "ui", "ui.g", "ui.h", "ui.h.i", "j.k"}


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_point_one_way(folder: str) -> None:
    assert sources(folder)
    wrong = [
        f"{file.relative_to(REPOSITORY)} imports {name}"
        for file in sources(folder)
        for name in imports(file)
        if name.split(".")[0] in FORBIDDEN[folder]
    ]
    assert wrong == []


def test_every_module_of_the_core_has_its_place() -> None:
    modules = {module_of(file) for file in sources("vae")} - {"__init__"}
    assert modules - set(RANK) == set(), "give new modules their line in LAYERS"


def test_the_core_imports_downwards() -> None:
    wrong = []
    for file in sources("vae"):
        here = module_of(file)
        for name in imports(file):
            parts = name.split(".")
            if parts[0] != "vae" or len(parts) < 2 or here == "__init__":
                continue
            if parts[1] not in RANK:  # `from vae import train`: the front door, behind which lies every folder
                wrong.append(f"{file.relative_to(REPOSITORY)} imports vae.{parts[1]} from vae itself")
            elif parts[1] != here and RANK[parts[1]] >= RANK.get(here, 99):
                wrong.append(f"{file.relative_to(REPOSITORY)} imports vae.{parts[1]}")
    assert wrong == []


BLOCKED = """
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"streamlit", "plotly", "ui", "pages", "app", "starlette", "ray"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocked())
import vae
for module in pkgutil.walk_packages(vae.__path__, "vae."):
    if module.name != "vae.__main__":
        importlib.import_module(module.name)
records = list(vae.train(vae.Config(dataset="digits", epochs=1, threads=1)))
print(records[-1].step, records[-1].test.images)
"""


def test_the_core_trains_where_the_user_interface_is_not_installed() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=REPOSITORY, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["12", "360"]


def test_importing_vae_costs_nothing() -> None:
    script = "import sys, vae; vae.Config; assert not {'torch', 'numpy', 'sklearn'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
