"""A file system without a byte left, of its own: nothing can be written any more, not even the sentence about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
MOUNT = 'mount -t tmpfs -o size=64m tmpfs "$0"'
SCRIPT = """
import json, os, sys, threading, time
from pathlib import Path
from tests.vae.train_run import train_run
from vae import runs
from vae.config import Config
from vae.datasets import describe
from vae.runs.start import Request
from vae.training.defaults import complete

root = Path(sys.argv[1])
info = describe("digits")
config, _ = complete(Config(dataset="digits", hidden=(8,), epochs=1, threads=1, record_every=1), info)
path = runs.create_run(config, info.to_json(), "full", root / "runs")
told = {"first": train_run(path).state}
before = runs.read_checked(path, runs.STATE)
history = path / "history.jsonl"
size = history.stat().st_size

def fill():
    while history.stat().st_size < size + 2000:
        time.sleep(0.005)
    with open(root / "ballast", "wb", buffering=0) as file:
        for piece in (1 << 20, 1):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                pass

threading.Thread(target=fill, daemon=True).start()
try:
    told["full"] = train_run(path, request=Request(epochs=100_000)).message
except (Exception, SystemExit) as error:
    told["full"] = f"{type(error).__name__}: {error}"
told["status"] = runs.read_status(path).state
told["left"] = [file.name for file in path.rglob("*.tmp")]
told["opens"] = sum(tensor.numel() for tensor in runs.load_run(path).model.state_dict().values()) > 0
told["state"] = len(runs.read_checked(path, runs.STATE)) >= len(before) // 2
told["lines"] = len(runs.read_history(path)) > 1
os.unlink(root / "ballast")
size = history.stat().st_size

def stop():
    while history.stat().st_size < size + 2000:
        time.sleep(0.005)
    runs.change_knobs(path, stop=True)

threading.Thread(target=stop, daemon=True).start()
told["again"] = train_run(path).state
print(json.dumps(told))
"""


def in_a_file_system_of_its_own(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with 64 MB in `folder`, seen by it alone; exit status 99 where nobody may do that here."""
    unshare = shutil.which("unshare") or pytest.skip("no unshare here")
    command = f'{MOUNT} || exit 99; exec "$@"'
    return subprocess.run(
        [unshare, "--mount", "--map-root-user", "sh", "-c", command, str(folder), *words],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_a_disk_that_is_really_full_costs_nothing_that_was_there(tmp_path: Path) -> None:
    done = in_a_file_system_of_its_own(tmp_path, sys.executable, "-c", SCRIPT, str(tmp_path))
    if done.returncode in (1, 99) and "Traceback" not in done.stderr:
        pytest.skip(f"no file system may be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("full") == (
        "RunUnwritable: run 'full': The run's folder cannot be written (No space left on device). The last checkpoint "
        "is whole: make room, then continue."
    )
    assert told == {
        "first": "finished", "status": "interrupted", "left": [], "opens": True, "state": True, "lines": True,
        "again": "stopped",
    }  # fmt: skip
