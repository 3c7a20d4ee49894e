"""Packed decoders run by the page's own modules, in node: one process for all."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

RUNNER = Path(__file__).resolve().parent.parent.parent / "js" / "decoder" / "decode_cases.mjs"


def run_in_page(cases: Mapping[str, tuple[bytes, Tensor]], folder: Path) -> dict[str, NDArray[np.float32] | str]:
    """Returns for each packed decoder and its codes (n, k) the pixels, flat, or why there are none."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the page's decoder cannot be run beside torch")
    (folder / "cases.json").write_text(json.dumps([{"name": name, "z": z.tolist()} for name, (_, z) in cases.items()]))
    for name, (packed, _) in cases.items():
        (folder / f"{name}.bin").write_bytes(packed)
    done = subprocess.run([node, str(RUNNER), str(folder)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    errors = json.loads((folder / "errors.json").read_text())
    return {name: errors.get(name) or np.fromfile(folder / f"{name}.out", "<f4") for name in cases}
