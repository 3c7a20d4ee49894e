"""Makes the README's pictures from the real app: `python docs/screenshots.py` (needs requirements-dev.txt, a Chromium).

A fresh server on a copy of the demo runs, a real run on digits with C turned on the way, nothing drawn by hand.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).parent
VIEWS = {
    "home": "",
    "explore": "explore?run=demo-mnist-10d",
    "map": "map?run=demo-digits-2d",
    "learn": "learn?step=identity",
    "binary": "binary?run=demo-digits-8bits",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not answer within 30 s")


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
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for run in (ROOT / "checkpoints").glob("demo-*"):
            shutil.copytree(run, Path(folder) / run.name)
        environment = {**os.environ, "ELBO_ROOM_RUNS": folder}
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        command += ["--server.headless", "true"]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait_until_healthy(address)
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
        finally:
            server.terminate()
            server.wait(10)


if __name__ == "__main__":
    main()
