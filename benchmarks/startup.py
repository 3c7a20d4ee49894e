"""How long until there is something to see: `python benchmarks/startup.py`.

Commands in fresh processes; the app from `streamlit run app.py` to the first text of its first page in a real Chromium,
and then from a click on a page's name to that page's own text. Cold: the files of Python, its packages and the app are
taken out of the system's file cache before (Linux). Prints a table and writes benchmarks/results/startup.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app_server import serving
from machine import machine
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "startup.json"
COMMANDS = {
    "python, nothing imported": ["-c", "pass"],
    "import vae": ["-c", "import vae"],
    "python -m vae --help": ["-m", "vae", "--help"],
}
FIRST_TEXT = "Train a variational autoencoder"
SWITCHES = [  # name of the page in the navigation, and a text that only this page has
    ("Train", "Press the button and watch"),
    ("Explore", "Interpolate"),
    ("Map", "Figures and tables"),
    ("Learn", "Step 1 of"),
    ("Home", FIRST_TEXT),
]
WAIT = """text => new Promise((resolve, reject) => {  // looked for at each picture that the browser draws
    const began = performance.now()
    const look = () => {
        if (document.querySelector('[data-testid="stMain"]').textContent.includes(text)) return resolve()
        if (performance.now() - began > 30000) return reject(new Error(`no “${text}” in half a minute`))
        requestAnimationFrame(look)
    }
    look()
})"""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--quick", action="store_true", help="one round, writes no file")
    chosen = options.parse_args()
    rounds = 1 if chosen.quick else chosen.rounds
    measured: dict[str, dict[str, list[float]]] = {}
    loads = []
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for number in range(rounds):
            loads.append(os.getloadavg()[0])
            for kind in ("cold", "warm"):
                for name, seconds in one_round(browser, kind == "cold").items():
                    measured.setdefault(name, {}).setdefault(kind, []).append(seconds)
            print(f"round {number + 1} of {rounds} (load before: {loads[-1]:.1f})", flush=True)
        browser.close()
    show(measured, rounds)
    if not chosen.quick:
        content = {
            "measured": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "rounds": rounds,
            "load": loads,
            "table": [{"what": name, **kinds} for name, kinds in measured.items()],
        }
        RESULTS.write_text(json.dumps(content, indent=1) + "\n")
        print(f"wrote {RESULTS.relative_to(ROOT)}")


def one_round(browser: Browser, cold: bool) -> dict[str, float]:
    """Seconds for each command, the start of the app, a second visitor and each page switch."""
    found = {}
    for name, arguments in COMMANDS.items():
        if cold:
            forget_files()
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        found[name] = time.perf_counter() - began
    if cold:
        forget_files()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), demos=True) as address:
        found["app answers"] = time.perf_counter() - began
        page = browser.new_page()
        page.goto(address)
        page.get_by_text(FIRST_TEXT).first.wait_for(timeout=60_000)
        found["app's first text"] = time.perf_counter() - began
        if cold:
            page.close()
            return found
        page.wait_for_timeout(8_000)  # until torch is there
        visitor = browser.new_page()
        began = time.perf_counter()
        visitor.goto(address)
        visitor.get_by_text(FIRST_TEXT).first.wait_for(timeout=60_000)
        found["another tab's first text"] = time.perf_counter() - began
        visitor.close()
        for visit in ("first visit", "again"):
            for name, text in SWITCHES:
                found[f"switch to {name}, {visit}"] = switch(page, name, text)
        page.close()
    return found


def switch(page: Page, name: str, text: str) -> float:
    """Seconds from the click on a page's name to its text."""
    link = page.get_by_role("link", name=name, exact=True).first
    if name == "Learn":  # the first of a menu's entries
        page.get_by_test_id("stTopNavSection").click()
        link = page.get_by_text("The derivation").last
    link.wait_for()
    began = time.perf_counter()
    link.click()
    page.evaluate(WAIT, text)
    seconds = time.perf_counter() - began
    page.wait_for_timeout(1_500)  # the rest of the page comes, so that it is not paid for by the next one
    return seconds


def forget_files() -> None:
    """Have the system drop what it keeps of Python's, the packages' and the app's files; nothing where it cannot."""
    if not hasattr(os, "posix_fadvise"):
        return
    for folder in {Path(sys.prefix), Path(sys.base_prefix) / "lib", ROOT / "vae", ROOT / "ui", ROOT / "pages"}:
        for file in folder.rglob("*"):
            if file.is_file():
                descriptor = os.open(file, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)


def show(measured: dict[str, dict[str, list[float]]], rounds: int) -> None:
    print(f"\nmedian of {rounds} fresh processes, seconds (worst)\n{'':36}{'cold':>16}{'warm':>16}")
    for name, kinds in measured.items():
        print(f"{name:36}" + "".join(f"{_cell(kinds.get(kind)):>16}" for kind in ("cold", "warm")))


def _cell(seconds: Any) -> str:
    return f"{statistics.median(seconds):.2f} ({max(seconds):.2f})" if seconds else ""


if __name__ == "__main__":
    main()
