"""Makes the README's pictures from the real app: `python docs/screenshots.py` (needs requirements-dev.txt, a Chromium).

A fresh server on a copy of the demo runs, a real run on digits with C turned on the way, nothing drawn by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

from app_server import serving  # noqa: E402

VIEWS = {
    "home": "",
    "explore": "explore?run=demo-mnist-10d",
    "map": "map?run=demo-digits-2d",
    "diagnose": "diagnose?run=demo-mnist-10d",
    "learn": "learn?step=identity",
    "binary": "binary?run=demo-digits-8bits",
    "suspects": "suspects?run=demo-digits-2d",
    "take": "take?run=demo-mnist-10d&format=bundle",
}


def train_and_turn_C(page: Page, address: str) -> None:
    """Start digits, let it learn, raise C by the keyboard, look again."""
    page.goto(f"{address}/train")
    page.get_by_role("button", name="Start training").click()
    slider = page.get_by_role("slider", name="C").first
    slider.wait_for(timeout=60_000)
    page.wait_for_timeout(12_000)
    slider.focus()
    page.keyboard.press("PageUp")
    page.wait_for_timeout(10_000)


def turn_C_of_a_loop(page: Page, address: str, runs: Path) -> None:
    """The example's loop, with C lowered by the keyboard; it is stopped afterwards."""
    command = [sys.executable, "-m", "examples.own_loop", "--name", "my-vae", "--epochs", "1000"]
    loop = subprocess.Popen(command, cwd=HERE.parent, env={**os.environ, "ELBO_ROOM_RUNS": str(runs)})
    try:
        while not (runs / "my-vae" / "weights.safetensors").exists():
            page.wait_for_timeout(500)
        page.goto(f"{address}/train?run=my-vae")
        slider = page.get_by_role("slider", name="C").first
        slider.wait_for(timeout=60_000)
        page.wait_for_timeout(5_000)
        slider.focus()
        page.keyboard.press("PageDown")
        page.wait_for_timeout(12_000)
        page.screenshot(path=HERE / "own_loop.png")
    finally:
        loop.kill()
        loop.wait()


def compare_with_another(page: Page, address: str, runs: Path) -> None:
    """A second run on digits, of five dimensions, beside the demo of two."""
    command = [sys.executable, "-m", "vae", "train", "--dataset", "digits", "--latent-dim", "5", "--epochs", "200"]
    subprocess.run(
        [*command, "--name", "five-dimensions", "--runs", str(runs)], cwd=HERE.parent, check=True, capture_output=True
    )
    page.goto(f"{address}/compare?run=demo-digits-2d&other=five-dimensions&image=11")
    page.locator("table").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3_000)
    page.screenshot(path=HERE / "compare.png")


def sweep_C(page: Page, address: str, runs: Path) -> None:
    """Eight values of C by the button, otherwise as the demo on digits, until the curve is there; one is chosen."""
    page.goto(f"{address}/terms?run=demo-digits-2d")
    page.get_by_role("button", name="New sweep").click(timeout=120_000)
    epochs = page.get_by_role("spinbutton", name="Epochs")
    epochs.fill("150")
    epochs.press("Enter")
    page.wait_for_timeout(1_000)
    page.get_by_role("button", name="Start the sweep").click()
    page.get_by_role("button", name="Stop all").wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop all").wait_for(state="detached", timeout=600_000)
    names = sorted((path.name for path in runs.glob("*-C-*")), key=lambda name: float(name.split("-C-")[1]))
    page.goto(f"{address}/terms?run={names[len(names) // 2]}")
    page.get_by_role("img", name="Rate – error plane").wait_for(timeout=60_000)
    page.wait_for_timeout(5_000)
    page.screenshot(path=HERE / "terms.png")


def draw_shapes(folder: Path) -> Path:
    """Discs and squares of many sizes and colours, some grey, one broken, one twice."""
    random = np.random.default_rng(0)
    for kind in ("disc", "square"):
        (folder / kind).mkdir(parents=True)
        for i in range(100):
            width, height = (int(side) for side in random.integers(60, 130, 2))
            image = Image.new("RGB", (width, height), tuple(random.integers(190, 256, 3).tolist()))
            r = int(random.integers(12, 24))
            x, y = int(random.integers(r, width - r)), int(random.integers(r, height - r))
            draw = ImageDraw.Draw(image).ellipse if kind == "disc" else ImageDraw.Draw(image).rectangle
            draw([x - r, y - r, x + r, y + r], fill=tuple(random.integers(0, 190, 3).tolist()))
            (image if i % 8 else image.convert("L")).save(folder / kind / f"{i:03d}.{'jpg' if i % 3 else 'png'}")
    (folder / "disc" / "broken.png").write_bytes((folder / "disc" / "003.png").read_bytes()[:99])
    shutil.copy(folder / "square" / "001.jpg", folder / "square" / "twin.jpg")
    return folder


def drop_shapes(page: Page, address: str, folder: Path) -> None:
    """Drop a folder of pictures and look at the report; nothing is kept."""
    page.goto(f"{address}/images")
    page.locator("input[webkitdirectory]").set_input_files(folder)
    page.get_by_role("button", name="Use these images").wait_for(timeout=60_000)
    page.wait_for_timeout(1_000)
    below_header = "panel => ((panel.style.scrollMarginTop = '5rem'), panel.scrollIntoView())"
    page.locator(".st-key-panel-own-report").evaluate(below_header)
    page.wait_for_timeout(500)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        serving(Path(folder), demos=True) as address,
    ):
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860}, device_scale_factor=1.5)
        train_and_turn_C(page, address)
        page.screenshot(path=HERE / "train.png")
        turn_C_of_a_loop(page, address, Path(folder))
        drop_shapes(page, address, draw_shapes(Path(folder) / "shapes"))
        page.screenshot(path=HERE / "images.png")
        sweep_C(page, address, Path(folder))
        compare_with_another(page, address, Path(folder))
        for name, view in VIEWS.items():
            page.goto(f"{address}/{view}")
            if name == "suspects":
                page.get_by_text("Label contradicted").wait_for(timeout=60_000)
            page.wait_for_timeout(5_000)
            page.get_by_role("button", name="Stop").wait_for(state="detached", timeout=300_000)  # of Diagnose
            page.wait_for_timeout(1_000)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
