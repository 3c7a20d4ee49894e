"""The browser modules' own tests: every file in one Node process (one_process.mjs), one test here for each file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "ui" / "static"
MODULES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.test.mjs"))
SUITE = re.compile(
    r"^# Subtest: (?P<name>.+)\n(?P<cases>(?:    .*\n|\n)*)(?P<result>ok|not ok) .*\n(?P<why>(?:  .*\n)*)", re.M
)


@pytest.fixture(scope="module")
def reports() -> dict[str, tuple[bool, str]]:
    """Of each file: whether all of its tests passed (there is at least one), and what Node says of them."""
    node = shutil.which("node")
    assert node, "the browser modules' tests need Node.js 20 or newer on the path"
    command = [node, "--test-reporter=tap", "one_process.mjs", *MODULES]
    output = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=600)
    found = {
        suite["name"]: (suite["result"] == "ok" and "    ok " in suite["cases"], suite["cases"] + suite["why"])
        for suite in SUITE.finditer(output.stdout)
    }
    assert found, output.stdout + output.stderr
    return found


def test_folders_mirror_those_of_the_modules() -> None:
    folders = {Path(module).parent.name for module in MODULES}
    assert folders
    assert folders <= {path.name for path in STATIC.iterdir()}


@pytest.mark.parametrize("module", MODULES)
def test_module(module: str, reports: dict[str, tuple[bool, str]]) -> None:
    passed, report = reports.get(module, (False, "Node says nothing of this file"))
    assert passed, report
