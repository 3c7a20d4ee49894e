"""Makes the README's pictures from the real app: `python docs/screenshots.py` (needs requirements-dev.txt, a Chromium).

A fresh server on a copy of the demo runs, a real run on digits with C turned on the way, nothing drawn by hand.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "benchmarks"))

from app_server import serving  # noqa: E402

VIEWS = {
    "home": "",
    "explore": "explore?run=demo-mnist-10d",
    "map": "map?run=demo-digits-2d",
    "learn": "learn?step=identity",
    "binary": "binary?run=demo-digits-8bits",
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
        for name, view in VIEWS.items():
            page.goto(f"{address}/{view}")
            page.wait_for_timeout(5_000)
            page.screenshot(path=HERE / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
