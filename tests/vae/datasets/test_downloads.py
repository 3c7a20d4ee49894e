"""Downloads: whole and checked, or not there. A small set in torchvision's format is served from 127.0.0.1."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets

from vae.datasets import DATASETS, DataInfo, load_dataset
from vae.datasets import downloads as downloads_module
from vae.datasets.registered import BinarizedMnist, DSprites, TorchvisionSet
from vae.errors import DownloadError

INFO = DataInfo("kmnist", (1, 40, 30), "unit", 255, 200, 50, tuple("0123456789"))
BROKEN = "KMNIST/raw/train-images-idx3-ubyte"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


class Server(http.server.ThreadingHTTPServer):
    """files by path; asked: the paths in the order of the requests; stall: hold back the second half until set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.mode = "whole"  # whole | stall | break
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = len(content) // 2
        self.wfile.write(content[:half])
        self.wfile.flush()
        if self.server.mode == "break":
            return
        if self.server.mode == "stall":
            self.server.released.wait(600)
        with contextlib.suppress(OSError):  # the client was killed
            self.wfile.write(content[half:])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def images() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": random.integers(0, 256, (200, 40, 30), dtype=np.uint8),
        "train-labels-idx1-ubyte": random.integers(0, 10, 200, dtype=np.uint8),
        "t10k-images-idx3-ubyte": random.integers(0, 256, (50, 40, 30), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": random.integers(0, 10, 50, dtype=np.uint8),
    }


@pytest.fixture
def small(server: Server, images: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Server:
    """`kmnist` as a small set on the local server, through torchvision's own mirrors and resources."""
    server.files = {f"{name}.gz": gzip.compress(idx(array)) for name, array in images.items()}
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in server.files.items()]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [server.url])
    monkeypatch.setattr(torchvision.datasets.KMNIST, "resources", resources)
    sizes = tuple(len(content) for content in server.files.values())
    monkeypatch.setitem(DATASETS, "kmnist", TorchvisionSet(INFO, "KMNIST", sizes))
    return server


def left_over(root: Path) -> list[str]:
    """What lies under the root besides the set's own folder and the lock."""
    return sorted(path.name for path in root.iterdir() if path.name not in ("KMNIST", ".kmnist.lock"))


def test_download_gives_the_images_with_progress_and_only_once(
    small: Server, images: dict[str, np.ndarray], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[float, str]] = []
    data = load_dataset("kmnist", tmp_path, progress=lambda fraction, text: seen.append((fraction, text)))
    assert (data.train[:, 0].numpy() == images["train-images-idx3-ubyte"]).all()
    assert (data.test_labels.numpy() == images["t10k-labels-idx1-ubyte"]).all()
    assert data.info == INFO
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 1
    assert fractions[-1] == 1.0
    assert "kmnist: train-images-idx3-ubyte.gz, " in seen[0][1]
    assert "MB" in seen[0][1]
    load_dataset("kmnist", tmp_path)
    assert len(small.asked) == 4
    assert left_over(tmp_path) == []
    assert capfd.readouterr() == ("", "")
    theirs = torchvision.datasets.KMNIST(tmp_path, train=True, download=False)  # the layout is torchvision's
    assert torch.equal(theirs.data.unsqueeze(1), data.train)
    assert torch.equal(theirs.targets, data.train_labels)


def test_next_mirror_is_tried(small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [small.url + "gone/", small.url])
    assert load_dataset("kmnist", tmp_path).info == INFO
    assert small.asked[:2] == ["gone/train-images-idx3-ubyte.gz", "train-images-idx3-ubyte.gz"]


def test_wrong_checksum_is_refused_and_leaves_nothing(small: Server, tmp_path: Path) -> None:
    right = small.files["t10k-images-idx3-ubyte.gz"]
    small.files["t10k-images-idx3-ubyte.gz"] = right[:-9] + b"?" + right[-8:]
    with pytest.raises(
        DownloadError, match=r"127.0.0.1:\d+ sent another file \(checksum md5:\w+, expected md5:"
    ) as error:
        load_dataset("kmnist", tmp_path)
    assert "\n" not in str(error.value)
    assert "dataset digits works offline" in str(error.value)
    assert left_over(tmp_path) == []
    assert not (tmp_path / "KMNIST").exists()
    small.files["t10k-images-idx3-ubyte.gz"] = right
    assert load_dataset("kmnist", tmp_path).info == INFO


def test_offline_tells_the_set_the_host_and_the_way_by_hand(
    small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [f"http://127.0.0.1:{port}/"])
    with pytest.raises(DownloadError) as error:
        load_dataset("kmnist", tmp_path)
    names = ", ".join(small.files)
    assert str(error.value) == (
        f"kmnist could not be downloaded: 127.0.0.1:{port} did not answer (Connection refused); check the network and "
        f"try again, or put {names} into {tmp_path / 'KMNIST' / 'raw'} by hand; the dataset digits works offline"
    )
    folder = tmp_path / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in small.files.items():  # by hand, as published
        (folder / name).write_bytes(content)
    assert load_dataset("kmnist", tmp_path).info == INFO
    assert small.asked == []


@pytest.mark.parametrize(
    ("mode", "told"), [("stall", r"did not answer \(timed out\)"), ("break", r"broke off after [\d,]+ of")]
)
def test_silent_and_broken_servers_end_in_a_sentence(
    mode: str, told: str, small: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads_module, "SILENCE", 0.3)
    small.mode = mode
    with pytest.raises(DownloadError, match=told):
        load_dataset("kmnist", tmp_path)
    assert left_over(tmp_path) == []


def test_no_room_or_no_right_to_write_is_told(small: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"kmnist could not be stored in .*: Not a directory; set ELBO_ROOM_DATA"):
        load_dataset("kmnist", tmp_path / "file" / "root")


def test_progress_may_end_the_download(small: Server, tmp_path: Path) -> None:
    def stop(fraction: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_dataset("kmnist", tmp_path, progress=stop)
    assert left_over(tmp_path) == []
    assert load_dataset("kmnist", tmp_path).info == INFO


def test_file_cut_off_by_somebody_else_heals(small: Server, tmp_path: Path) -> None:
    load_dataset("kmnist", tmp_path)
    whole = (tmp_path / BROKEN).read_bytes()
    (tmp_path / BROKEN).write_bytes(whole[:1000])  # a killed extraction of torchvision's own
    small.asked.clear()
    load_dataset("kmnist", tmp_path)
    assert (tmp_path / BROKEN).read_bytes() == whole
    assert small.asked == ["train-images-idx3-ubyte.gz"]


LOAD = """
import json, sys, types
mirrors, resources, root = json.loads(sys.argv[1])
module = types.ModuleType("torchvision.datasets")  # stands in for torchvision, whose import takes seconds
module.KMNIST = types.SimpleNamespace(mirrors=mirrors, resources=resources)
package = types.ModuleType("torchvision")
package.datasets = module
sys.modules.update({"torchvision": package, "torchvision.datasets": module})
from vae.datasets import DATASETS, DataInfo, load_dataset
from vae.datasets.registered import TorchvisionSet
info = DataInfo("kmnist", (1, 40, 30), "unit", 255, 200, 50, tuple("0123456789"))
DATASETS["kmnist"] = TorchvisionSet(info, "KMNIST", (1, 1, 1, 1))
print(int(load_dataset("kmnist", root).train.sum()))
"""


@pytest.fixture
def start() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """start(root): another process that loads the set; ended with the test, whatever its result."""
    started = []
    repository = Path(__file__).resolve().parents[3]

    def process(root: Path) -> subprocess.Popen[str]:
        kmnist = torchvision.datasets.KMNIST
        command = [sys.executable, "-c", LOAD, json.dumps([kmnist.mirrors, kmnist.resources, str(root)])]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=repository, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield process
    for each in started:
        with each:  # closes its pipes
            each.kill()


def test_killed_half_way_heals_at_the_next_try(
    small: Server, tmp_path: Path, start: Callable[[Path], subprocess.Popen[str]]
) -> None:
    small.mode = "stall"
    process = start(tmp_path)
    part = tmp_path / ".kmnist.download" / "train-images-idx3-ubyte.gz"
    deadline = time.monotonic() + 120
    while not small.asked or not part.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert part.exists()
    assert not (tmp_path / "KMNIST").exists()
    small.mode = "whole"
    small.released.set()
    assert load_dataset("kmnist", tmp_path).info == INFO
    assert left_over(tmp_path) == []


def test_five_at_once_download_once(
    small: Server, images: dict[str, np.ndarray], tmp_path: Path, start: Callable[[Path], subprocess.Popen[str]]
) -> None:
    expected = int(images["train-images-idx3-ubyte"].sum())
    small.mode = "stall"
    processes = [start(tmp_path) for _ in range(2)]
    waiting: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        loads = [
            pool.submit(load_dataset, "kmnist", tmp_path, progress=lambda fraction, text: waiting.append(text))
            for _ in range(3)
        ]
        deadline = time.monotonic() + 120
        while not any("waiting" in text for text in waiting) and time.monotonic() < deadline:
            time.sleep(0.02)
        small.released.set()
        assert [int(load.result(120).train.sum()) for load in loads] == [expected] * 3
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (out.strip(), err) == (str(expected), "")
    assert sorted(small.asked) == sorted(small.files)
    assert "kmnist: waiting for another process that downloads it" in waiting
    assert left_over(tmp_path) == []


def test_binarized_mnist_is_made_from_its_published_files(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {}
    for part, count in (("train", 30), ("valid", 5), ("test", 12)):
        x = np.random.default_rng(count).integers(0, 2, (count, 784), dtype=np.uint8)
        scipy.io.savemat(tmp_path / "x.mat", {"X": x}, do_compression=True)
        content = (tmp_path / "x.mat").read_bytes()
        server.files[f"binarized_mnist_{part}.amat"] = content
        known[part] = (hashlib.sha256(content).hexdigest(), len(content))
    monkeypatch.setattr(BinarizedMnist, "_SHA256", known)
    monkeypatch.setattr(BinarizedMnist, "url", server.url)
    monkeypatch.setattr(BinarizedMnist, "describe", lambda self, root: DataInfo("b", (1, 28, 28), "binary", 1, 30, 12))
    data = load_dataset("binarized-mnist", tmp_path)
    assert data.test.sum(dim=(1, 2, 3)).sort().values.tolist() == np.sort(x.sum(axis=1)).tolist()
    with np.load(tmp_path / "binarized_mnist" / "binarized_mnist.npz") as made:
        assert sorted(made) == ["test", "train", "valid"]
        assert (made["test"].reshape(12, 784) == x).all()
    assert load_dataset("binarized-mnist", tmp_path).info == data.info
    assert len(server.asked) == 3


def test_dsprites_with_another_checksum_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["dsprites_downsampled.npz"] = b"a page of the hotel's network"
    monkeypatch.setattr(DSprites, "url", server.url)
    with pytest.raises(
        DownloadError, match=r"expected sha256:8a632f70c0db.* put dsprites_downsampled.npz into .*dsprites by"
    ):
        load_dataset("dsprites", tmp_path)
    assert not (tmp_path / "dsprites").exists()
