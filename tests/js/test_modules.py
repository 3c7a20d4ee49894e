"""The browser modules' own tests, which node runs: `node --test tests/js/*.test.mjs`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("module", sorted(HERE.rglob("*.test.mjs")), ids=lambda path: path.name.split(".")[0])
def test_module(module: Path) -> None:
    node = shutil.which("node")
    assert node, "the browser modules' tests need Node.js 20 or newer on the path"
    result = subprocess.run([node, "--test", str(module)], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
