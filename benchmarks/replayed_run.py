"""A run that grows at a rate of its own: a demo run's records over and over, with status, preview and lock as a worker
writes them, but without training. So a tab and the server are measured alike on any processor."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vae import runs
from vae.config import Config
from vae.engines.worker import PREVIEW_EVERY, STATUS_EVERY
from vae.files import write_atomically

ROOT = Path(__file__).resolve().parents[1]


class ReplayedRun:
    """A run in `folder` that appends `rate` records a second while `growing`."""

    def __init__(self, folder: Path, rate: float, demo: str = "demo-mnist-10d") -> None:
        source = ROOT / "checkpoints" / demo
        stored = json.loads((source / "config.json").read_text())
        config = Config(**{**stored["config"], "epochs": 1_000_000})
        self.path = runs.create_run(config, stored["data"], name="replayed", root=folder)
        (self.path / "preview").mkdir()
        lines = [json.loads(line) for line in (source / "history.jsonl").read_text().splitlines()]
        self.template = [line for line in lines if line.get("train")]
        self.preview = (source / "preview" / "live.bin").read_bytes()
        self.rate, self.records = rate, 0
        self.every = self.template[1]["step"] - self.template[0]["step"]

    def record(self) -> dict[str, Any]:
        """Returns the next record: the demo's in their order, then their second half to and fro, with steps that go
        on."""
        size, at = len(self.template), self.records
        if at >= size:  # no jump anywhere
            at = size - 1 - abs((at - size) % (size // 2 * 2) - size // 2)
        line = self.template[at]
        self.records += 1
        return {**line, "step": self.records * self.every, "epoch": self.records / 50, "seconds": self.records / 20}

    def append(self, count: int) -> None:
        """Adds so many records at once."""
        text = "".join(json.dumps(self.record(), separators=(",", ":")) + "\n" for _ in range(count))
        with open(self.path / "history.jsonl", "a") as file:
            file.write(text)

    def write_status(self) -> None:
        """Says that it runs, in this process."""
        told = {"images_per_second": 20_000.0, "seconds_left": 3600.0, "pid": os.getpid(), "host": platform.node()}
        status = runs.Status(state="running", step=self.records * self.every, epoch=self.records / 50, **told)  # type: ignore[arg-type]
        status.total_steps = 10**9
        runs.write_status(self.path, status)

    def write_preview(self, number: int) -> None:
        """Writes the demo's preview with its pixels moved by one, which a tab must draw anew."""
        at = len(self.preview) // 2
        moved = bytearray(self.preview)
        moved[-at // 2 :] = bytes((value + number) % 256 for value in moved[-at // 2 :])
        write_atomically(self.path / "preview/live.bin", bytes(moved), durable=False)

    @contextlib.contextmanager
    def growing(self) -> Iterator[None]:
        """Grows in a thread of its own, and holds the run's lock as a worker does."""
        leave = threading.Event()
        with runs.acquire(self.path):
            self.write_status()
            thread = threading.Thread(target=self._grow, args=(leave,), daemon=True)
            thread.start()
            try:
                yield
            finally:
                leave.set()
                thread.join(10)

    def _grow(self, leave: threading.Event) -> None:
        began, before = time.monotonic(), self.records
        status_at = preview_at = began
        while not leave.wait(min(0.05, 1 / self.rate)):
            now = time.monotonic()
            if due := int((now - began) * self.rate) - (self.records - before):
                self.append(due)
            if now >= status_at:
                status_at = now + STATUS_EVERY
                self.write_status()
            if now >= preview_at:
                preview_at = now + PREVIEW_EVERY
                self.write_preview(self.records)
