"""What the tests of the Map page in a browser share: how to open it and to read what it shows."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect
from safetensors.torch import save

from tests.browser.conftest import box_of, rested
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.model.vae import build_model
from vae.training.defaults import complete

DEMOS = Path(__file__).resolve().parents[2] / "checkpoints"


def demo(folder: Path, name: str, as_name: str) -> Path:
    """One of the runs that come with the app, in a folder of its own, without maps."""
    return Path(shutil.copytree(DEMOS / name, folder / as_name, ignore=shutil.ignore_patterns("projections")))


def untrained(folder: Path, name: str, change: Callable[[dict[str, Any]], None] | None = None, **settings: Any) -> Path:
    """A run on digits with its first weights, or with what `change` makes of them."""
    info = describe("digits")
    config, _ = complete(Config(**{"hidden": (12,), **settings}), info)
    path = runs.create_run(config, info.to_json(), name, folder)
    weights = build_model(config, info.shape).state_dict()
    if change is not None:
        change(weights)
    runs.save_checked(path, {runs.WEIGHTS: save(weights, metadata={"step": "1"})})
    return path


def last(weights: dict[str, Any], kind: str) -> Any:
    """The encoder's last weight or bias."""
    return weights[max(name for name in weights if name.startswith("encoder") and name.endswith(kind))]


def open_map(page: Page, url: str, query: str) -> Locator:
    page.goto(f"{url}/map?{query}")
    stage = page.locator(".stage")
    expect(stage).to_be_visible(timeout=90_000)
    page.wait_for_function("stage => stage.stats.first > 0", arg=stage.element_handle(), timeout=90_000)
    rested(page)
    return stage


def stats(stage: Locator) -> dict[str, float]:
    return stage.evaluate("stage => ({ ...stage.stats })")


def pixels(canvas: Locator) -> np.ndarray:
    """What a canvas shows, (height, width, RGBA)."""
    width, height, values = canvas.evaluate(
        """canvas => {
          const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0);
          const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
          let text = ""; // a large canvas as a list of numbers takes seconds
          for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
          return [canvas.width, canvas.height, btoa(text)];
        }"""
    )
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(height, width, 4)


READ = """const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(canvas, 0, 0);
const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;"""


def painted(canvas: Locator, above: int = 60) -> float:
    """Share of a large canvas that is not empty: its opacity, of 255, is above that."""
    count = f"let n = 0; for (let i = 3; i < data.length; i += 4) n += data[i] > {above}; return 4 * n / data.length;"
    return canvas.evaluate(f"canvas => {{ {READ} {count} }}")


def hues(canvas: Locator) -> int:
    """How many clearly different colours a large canvas shows."""
    count = """const found = new Set();
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200) found.add((data[i] >> 5 << 6) | (data[i + 1] >> 5 << 3) | (data[i + 2] >> 5));
    }
    return found.size;"""
    return canvas.evaluate(f"canvas => {{ {READ} {count} }}")


def middle(stage: Locator) -> tuple[float, float]:
    box = box_of(stage)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def where(page: Page) -> list[float]:
    """The code under the pointer, by the page's own words."""
    text = page.locator(".where").inner_text()
    found = re.search(r"\(([^)]*)\)", text)
    assert found, text
    return [float(part.replace("−", "-")) for part in found.group(1).split(", ") if part != "…"]


def near(page: Page, code: Sequence[float], within: float) -> bool:
    """Whether the code under the pointer is this one."""
    found = where(page)
    return len(found) == len(code) and bool(np.abs(np.array(found) - code).max() <= within)


def search(page: Page) -> dict[str, str]:
    return page.evaluate("Object.fromEntries(new URL(location.href).searchParams)")
