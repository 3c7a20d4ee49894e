"""From the click on "Start training" to reconstructions worth looking at: `python benchmarks/first_minute.py`.

Digits with the form's defaults, in a real Chromium. The clock stops when the page shows reconstructions of a step by
which the held-out squared error was at most 60 % of the data's variance (2.8 pixel² per image). Cold: the first click
on a server that has just begun to listen. Warm: the same again on that server, half a minute later.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from app_server import serving
from machine import machine
from playwright.sync_api import Page, sync_playwright

GOOD = 2.8  # pixel² per held-out image; the data's variance is 4.69


def good_step(history: Path) -> int | None:
    for line in history.read_text().splitlines() if history.exists() else []:
        held_out = json.loads(line).get("test")
        if held_out and held_out["squared_error"] <= GOOD:
            return json.loads(line)["step"]
    return None


def shown_step(page: Page) -> int:
    caption = page.get_by_text("fixed noise")  # in a component's shadow tree, which locators see into
    found = re.search(r"step ([\d,]+)", caption.first.inner_text() if caption.count() else "")
    return int(found.group(1).replace(",", "")) if found else -1


def click_to_picture(page: Page, address: str, runs: Path) -> float:
    before = set(runs.glob("*/config.json"))
    page.goto(f"{address}/train")
    button = page.get_by_role("button", name="Start training")
    button.wait_for(timeout=60_000)
    button.click()
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        new = set(runs.glob("*/config.json")) - before
        step = good_step(new.pop().parent / "history.jsonl") if new else None
        if step is not None and shown_step(page) >= step:
            return time.perf_counter() - began
        page.wait_for_timeout(30)
    raise SystemExit("no good reconstruction within a minute")


def one_server(playwright: object, pause: float) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as address:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        cold = click_to_picture(page, address, Path(folder))
        page.get_by_role("button", name="Stop").click()
        page.wait_for_timeout(pause * 1000)
        warm = click_to_picture(page, address, Path(folder))
        browser.close()
        return cold, warm


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--pause", type=float, default=30, help="seconds between the cold and the warm click")
    chosen = options.parse_args()
    rows = []
    with sync_playwright() as playwright:
        for number in range(chosen.rounds):
            load = os.getloadavg()[0]
            cold, warm = one_server(playwright, chosen.pause)
            rows.append({"cold": cold, "warm": warm, "load": load})
            print(f"round {number + 1}: cold {cold:.1f} s, warm {warm:.1f} s (load before: {load:.1f})", flush=True)
    result = {"rows": rows, "machine": machine(), "limits": {"cold": 10, "warm": 4}}
    for kind in ("cold", "warm"):
        result[kind] = statistics.median(row[kind] for row in rows)
        print(f"{kind}: median {result[kind]:.1f} s, worst {max(row[kind] for row in rows):.1f} s")
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "first_minute.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
