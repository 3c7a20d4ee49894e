"""What `pip install .` brings: the core and its command, nothing of the application."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import vae

ROOT = Path(__file__).resolve().parents[1]
BUILD = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"


def required(lines: list[str]) -> set[str]:
    return {text for line in lines if (text := re.sub(r"#.*", "", line).replace(" ", ""))}


def test_the_wheel_holds_the_core_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    without = shutil.ignore_patterns("__pycache__")
    for folder in ("vae", "ui", "pages", "configs", "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=without)
    for file in ("pyproject.toml", "README.md", "LICENSE", "app.py"):
        shutil.copy(ROOT / file, source)
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(target)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr[-2000:]
    with zipfile.ZipFile(target / built.stdout.split()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        told = Parser().parsestr(wheel.read(metadata).decode())
    assert names == {file.relative_to(ROOT).as_posix() for file in (ROOT / "vae").rglob("*.py")}
    assert (told["Name"], told["Version"]) == ("elbo-room", vae.__version__)
    core = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[<>=~!]", line)[0] for line in core}.isdisjoint({"streamlit", "plotly"})


def test_the_command_is_the_modules() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(project["scripts"]) == ["elbo-room"]
    module, function = project["scripts"]["elbo-room"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_requirements_are_the_core_and_the_application() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = required((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert listed == required(project["dependencies"]) | required(project["optional-dependencies"]["app"])
