"""Files from the network that are either whole and checked, or not there.

A download goes into a folder of its own under the data root, by one process at a time, is compared with its published
checksum, unpacked there, and moved into place with `os.replace`. What a killed process leaves is cleared by the next.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from vae.errors import DownloadError
from vae.files import insist

Progress = Callable[[float, str], None]  # (fraction from 0 to 1, what is being done)
SILENCE = 20.0  # seconds without a byte after which a server counts as gone
CHUNK = 1 << 18  # bytes


@dataclass(frozen=True)
class Remote:
    """A published file. urls are tried in turn; checksum is `md5:...` or `sha256:...`; size: bytes, for progress."""

    name: str
    urls: tuple[str, ...]
    checksum: str
    size: int


class _Failed(Exception):
    """One address did not give the file; the next may."""


def fetch(
    title: str,
    root: Path,
    folder: Path,
    missing: Callable[[], Sequence[Remote]],
    unpack: Callable[[Path], list[Path]],
    progress: Progress,
) -> None:
    """Brings what is `missing` into `folder` (below `root`). `unpack(temporary folder)` gives the files to move there.

    Files that the user put into `folder` by hand under a remote's name are taken instead, if their checksum is right.
    Raises DownloadError; `folder` then holds what it held before.
    """
    temporary = root / f".{title}.download"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root / f".{title}.lock", title, progress):
            remotes = missing()  # another process may have brought them meanwhile
            if not remotes:
                return
            shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process
            try:
                temporary.mkdir()
                _download_all(title, remotes, folder, temporary, progress)
                progress(1.0, f"{title}: unpacking")
                folder.mkdir(parents=True, exist_ok=True)
                for file in unpack(temporary):
                    insist(os.replace, file, folder / file.name)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except _Failed as error:
        names = ", ".join(remote.name for remote in remotes)
        raise DownloadError(
            f"{title} could not be downloaded: {error}; check the network and try again, or put {names} into {folder} "
            "by hand; the dataset digits works offline"
        ) from None
    except OSError as error:
        raise DownloadError(
            f"{title} could not be stored in {root}: {error.strerror or error}; "
            "set ELBO_ROOM_DATA to a folder with room that you may write to"
        ) from None


@contextlib.contextmanager
def _alone(path: Path, title: str, progress: Progress) -> Iterator[None]:
    lock = FileLock(str(path))
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            progress(0.0, f"{title}: waiting for another process that downloads it")
    try:
        yield
    finally:
        lock.release()


def _download_all(title: str, remotes: Sequence[Remote], folder: Path, temporary: Path, progress: Progress) -> None:
    meter = _Meter(title, remotes, progress)
    for remote in remotes:
        by_hand, target = folder / remote.name, temporary / remote.name
        if by_hand.is_file() and checksum(by_hand, remote.checksum) == remote.checksum:
            shutil.copyfile(by_hand, target)
            meter.report(remote.name, target.stat().st_size, None)
        else:
            _download(remote, target, meter)


class _Meter:
    """Progress over several files, by bytes. A size that the server tells replaces the declared one."""

    def __init__(self, title: str, remotes: Sequence[Remote], progress: Progress) -> None:
        self.title, self.progress = title, progress
        self.sizes = {remote.name: remote.size for remote in remotes}
        self.received = dict.fromkeys(self.sizes, 0)
        self.fraction = 0.0  # never falls, also when a size was declared too small

    def report(self, name: str, received: int, size: int | None) -> None:
        self.received[name] = received
        self.sizes[name] = max(size or self.sizes[name], received)
        done, total = sum(self.received.values()), max(sum(self.sizes.values()), 1)
        self.fraction = max(self.fraction, done / total)
        self.progress(self.fraction, f"{self.title}: {name}, {done / 1e6:.1f} of {total / 1e6:.1f} MB")


def _download(remote: Remote, target: Path, meter: _Meter) -> None:
    failures = []
    for url in remote.urls:
        try:
            _stream(url, target, lambda received, size: meter.report(remote.name, received, size))
            found = checksum(target, remote.checksum)
            if found == remote.checksum:
                return
            raise _Failed(f"sent another file (checksum {found}, expected {remote.checksum})")
        except _Failed as failure:
            failures.append(f"{urlsplit(url).netloc} {failure}")
    raise _Failed("; ".join(failures))


def _stream(url: str, target: Path, report: Callable[[int, int | None], None]) -> None:
    """url -> target. _Failed is the network's fault, OSError the disk's."""
    request = urllib.request.Request(url, headers={"User-Agent": "elbo-room"})
    with _network():
        response = urllib.request.urlopen(request, timeout=SILENCE)
    with response, open(target, "wb") as file:
        size, received = response.length, 0
        while True:
            with _network():
                chunk = response.read1(CHUNK)
            if not chunk:
                break
            file.write(chunk)
            received += len(chunk)
            report(received, size)
    if size is not None and received < size:
        raise _Failed(f"broke off after {received:,} of {size:,} bytes")


@contextlib.contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _Failed(f"answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _Failed(
            f"did not answer ({getattr(reason, 'strerror', None) or reason or type(error).__name__})"
        ) from None


def checksum(path: Path, kind: str) -> str:
    """Returns the checksum of a file, written as `kind` is: `md5:...` or `sha256:...`."""
    algorithm = kind.split(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"
