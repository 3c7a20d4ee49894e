"""One process that lays one run's codes out: `python -m vae.space.fit_process RUN_DIR --method tsne`, or `--spare`,
which imports first and then receives a prepared folder on standard input.

What it makes lies with the run, a folder for each method, part of the data and weights, so that it is there at once
the next time:

    projections/tsne-1a2b3c4d/
        request.json   method, part, weights, settings; written by whoever asks
        codes.npy      (n, k) float32, what is laid out
        status.json    a FitStatus, replaced as the fit goes on
        frame.bin      the newest places (see `pack_frame`), replaced several times a second while it converges
        final.npz      the fitted projection, for `transform`
        stop           its presence asks the fit to end with what it has
        lock           held by the process that fits; log.txt: what that process printed

Standard input held open means that whoever started the process lives; at its end the fit saves what it has and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import io
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vae import runs
from vae.browser import framing
from vae.checked_json import (
    Misfit,
    fields,
    named,
    number,
    one_of,
    optional,
    read_bytes,
    read_json,
    text,
    whole,
)
from vae.engines.streams import read_line, watch_input, write_plainly, write_to_log
from vae.errors import ElboRoomError, ProjectionError, RunDamaged, RunError
from vae.files import insist, write_atomically, write_json
from vae.machine import let_idle_threads_sleep
from vae.runs.checked_arrays import read_array, read_arrays
from vae.runs.start import clear_fit
from vae.space.parts import PARTS, check_part
from vae.space.projection import Frame, Projection
from vae.space.projections import make_projection

if TYPE_CHECKING:
    from vae.space.encodings import Codes

FOLDER = "projections"
MOST_FRAME = 1 << 31  # bytes of a file of places or codes
FRAME_EVERY = 0.25  # seconds between two frames at least
FRAME_SHARE = 0.1  # of the time at most goes into writing frames
SPARE_PATIENCE = 900.0  # seconds after which a spare process that nobody needed ends
KEPT = 4  # layouts of older weights that stay, for each method and part
WORKING = ("starting", "fitting")
PATIENCE = {"starting": runs.START_LIMIT, "fitting": 1.0}  # seconds without a process after which it has died


@dataclass
class FitStatus:
    """What became of a fit, or how far it is. `message` is a sentence for the user, empty when all is well."""

    state: str = "absent"  # absent | starting | fitting | finished | stopped | failed
    method: str = ""
    part: str = "test"
    weights: str = ""  # SHA-256 of the weights that gave the codes
    n: int = 0
    iteration: int = 0
    total: int = 0
    kl: float | None = None  # nats
    seconds: float = 0.0
    message: str = ""


FIT_STATUS = fields(
    state=one_of("absent", *WORKING, "finished", "stopped", "failed"),
    method=text(40),
    part=one_of(*PARTS),
    weights=text(64),
    n=whole(),
    iteration=whole(),
    total=whole(),
    kl=optional(number()),
    seconds=number(0),
    message=text(100_000),
)
REQUEST = fields(
    ("method", "part", "weights", "settings"),
    method=text(40),  # `make_projection` knows which there are
    part=one_of(*PARTS),
    weights=text(64),
    settings=named(number()),
)
FRAME = fields(("iteration", "total", "kl", "n"), iteration=whole(), total=whole(), kl=optional(number()), n=whole())


def folder_of(path: Path, method: str, sha: str, part: str = "test") -> Path:
    """Returns where the layout of these weights' codes lies, or would."""
    return path / FOLDER / f"{method}{'' if part == 'test' else '-' + part}-{sha[:8]}"


def read_fit(folder: Path) -> FitStatus:
    """Returns the status as it is now. A process that died keeps its last frame: that fit counts as stopped, or as
    failed where there is none."""
    try:
        values = read_json(folder / "status.json", FIT_STATUS)
    except FileNotFoundError:
        return FitStatus()
    except Misfit as error:
        return FitStatus(state="failed", message=f"status.json cannot be read ({error}); ask for the map again")
    status = FitStatus(**{f.name: values[f.name] for f in dataclasses.fields(FitStatus) if f.name in values})
    age = time.time() - _modified(folder / "status.json")
    if status.state in WORKING and not runs.is_locked(folder) and age > PATIENCE[status.state]:
        kept = (folder / "frame.bin").is_file()
        status.state = "stopped" if kept else "failed"
        status.message = "The process that computed it ended unexpectedly; ask again to start over."
    return status


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def request_fit(
    path: Path, method: str, sha: str, codes: NDArray[np.float32], part: str = "test", **settings: Any
) -> Path:
    """Prepares the folder for a process to work in; older weights' layouts beyond the newest few go.

    Raises RunBusy while a process works there, ConfigError for settings the method does not have, RunError where the
    run's folder cannot be written.
    """
    make_projection(method, **settings)
    folder = folder_of(path, method, sha, part)
    status = FitStatus("starting", method, part, sha, len(codes))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = runs.acquire(folder)
        try:
            clear_fit(folder)
            for name in ("stop", "frame.bin", "final.npz"):
                insist((folder / name).unlink, missing_ok=True)
            write_json(folder / "request.json", {"method": method, "part": part, "weights": sha, "settings": settings})
            write_atomically(folder / "codes.npy", _npy(codes))
            write_json(folder / "status.json", dataclasses.asdict(status))
            _forget_older(folder)
        finally:
            lock.release()
    except OSError as error:
        raise RunError(
            f"run {path.name!r}: the map cannot be stored in {folder.parent} ({error.strerror}); "
            "make the folder writable, or copy the run"
        ) from None
    return folder


def stop_fit(folder: Path) -> None:
    """Asks the process that works there to end with what it has."""
    if folder.is_dir():
        (folder / "stop").touch()


def _forget_older(folder: Path) -> None:
    stem = folder.name.rsplit("-", 1)[0]
    same = [other for other in folder.parent.iterdir() if other != folder and other.name.rsplit("-", 1)[0] == stem]
    for old in sorted(same, key=lambda other: _modified(other / "status.json"), reverse=True)[KEPT:]:
        if not runs.is_locked(old):
            shutil.rmtree(old, ignore_errors=True)


def pack_frame(frame: Frame) -> bytes:
    """Returns a frame (`vae.browser.framing`): {iteration, total, kl, n} | float32 places (n, 2)."""
    kl = frame.kl if frame.kl is not None and np.isfinite(frame.kl) else None
    header = {"iteration": frame.iteration, "total": frame.total, "kl": kl, "n": len(frame.places)}
    return framing.frame(header, np.ascontiguousarray(frame.places, "<f4").tobytes())


def unpack_frame(data: bytes) -> Frame:
    """Reads the frame of `pack_frame`. Raises RunDamaged where the bytes are no whole one."""
    try:
        header, at = framing.unframe(data, FRAME)
        if len(data) != at + 8 * header["n"]:
            raise Misfit(f"expected {header['n']:,} places, got {len(data) - at:,} bytes")
        places = np.frombuffer(data, "<f4", offset=at).reshape(header["n"], 2)
        if not np.isfinite(places).all():
            raise Misfit("expected finite places, got NaN or infinity")
    except Misfit as error:
        raise RunDamaged(f"frame.bin: not a whole frame ({error}); ask for the map again") from None
    return Frame(header["iteration"], header["total"], places, header["kl"])


def read_frame(folder: Path) -> Frame:
    """Returns the newest places. RunDamaged where they cannot be read; FileNotFoundError where there are none yet."""
    try:
        return unpack_frame(read_bytes(folder / "frame.bin", MOST_FRAME))
    except Misfit as error:
        raise RunDamaged(f"the map in {folder.name}: frame.bin cannot be read ({error}); ask for it again") from None


def read_projection(folder: Path) -> Projection:
    """Returns the fitted projection, ready to `transform`. RunDamaged where there is none or it cannot be read."""
    try:
        request = read_json(folder / "request.json", REQUEST)
        projection = make_projection(request["method"])
        projection.restore(read_arrays(read_bytes(folder / "final.npz", MOST_FRAME)))
        return projection
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise RunDamaged(f"the map in {folder.name} cannot be read ({error}); ask for it again") from None


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


class LayoutFit:
    """The work in one folder."""

    def __init__(self, folder: Path, gone: threading.Event) -> None:
        self.folder, self.gone = folder, gone
        try:
            request = read_json(folder / "request.json", REQUEST)
            self.codes = read_array(read_bytes(folder / "codes.npy", MOST_FRAME))
        except (Misfit, FileNotFoundError) as error:
            raise RunDamaged(f"the map in {folder.name} cannot be made ({error}); ask for it again") from None
        self.projection = make_projection(request["method"], **request["settings"])
        self.status = FitStatus("fitting", request["method"], request["part"], request["weights"], len(self.codes))
        self.began = time.monotonic()
        self.next_frame = 0.0

    def run(self) -> None:
        self._write()
        places = self.projection.fit(self.codes, self._receive)
        self.status.state = "stopped" if self._wanted_stop() and self._unfinished() else "finished"
        last = Frame(self.status.iteration, self.status.total, places, self.status.kl)
        arrays = io.BytesIO()
        np.savez_compressed(arrays, **self.projection.arrays())  # type: ignore[arg-type]
        write_atomically(self.folder / "final.npz", arrays.getvalue())
        write_atomically(self.folder / "frame.bin", pack_frame(last))
        self._write()

    def _unfinished(self) -> bool:
        return self.status.iteration < self.status.total

    def _wanted_stop(self) -> bool:
        return self.gone.is_set() or (self.folder / "stop").exists()

    def _receive(self, frame: Frame) -> bool:
        status, now = self.status, time.monotonic()
        status.iteration, status.total, status.kl = frame.iteration, frame.total, frame.kl
        if now >= self.next_frame:
            write_atomically(self.folder / "frame.bin", pack_frame(frame), durable=False)
            self._write()
            cost = time.monotonic() - now
            self.next_frame = now + max(FRAME_EVERY, cost / FRAME_SHARE)
        return self._wanted_stop()

    def _write(self) -> None:
        self.status.seconds = round(time.monotonic() - self.began, 2)
        write_json(self.folder / "status.json", dataclasses.asdict(self.status), durable=False)


def fit(folder: Path, gone: threading.Event | None = None) -> FitStatus:
    """Does the work that `request_fit` prepared; expected failures become a final status with a sentence."""
    lock = runs.acquire(folder)
    clear_fit(folder)
    try:
        work = LayoutFit(folder, gone or threading.Event())
        try:
            work.run()
        except (ProjectionError, OSError, MemoryError) as error:
            work.status.state = "failed"
            work.status.message = "Out of memory; take fewer images." if isinstance(error, MemoryError) else str(error)
            work._write()
    finally:
        lock.release()
    return read_fit(folder)


def project(
    path: Path, method: str, part: str = "test", gone: threading.Event | None = None, **settings: Any
) -> tuple[Path, FitStatus, Codes]:
    """Lays the codes of the run's newest weights out in this process; returns the folder, what became of it, and the
    codes. Raises ConfigError for settings the method does not have, RunError where there are no weights yet."""
    make_projection(method, **settings)
    sha = runs.content_hash(path, runs.WEIGHTS)
    if sha is None:
        raise RunError(f"run {path.name!r} has no weights yet; they come with its first save")
    from vae.space.encodings import codes_of  # torch, which a wrong request need not wait for

    codes = codes_of(runs.load_run(path), check_part(part))
    folder = request_fit(path, method, sha, codes.loc, part, **settings)
    return folder, fit(folder, gone), codes


def _spare() -> Path | None:
    """Imports what t-SNE takes seconds to import, then waits for a folder; returns it, None where none came."""
    with contextlib.suppress(ImportError):
        importlib.import_module("openTSNE.affinity")
        importlib.import_module("sklearn.neighbors")
    line = read_line(SPARE_PATIENCE)
    if not line:
        return None
    write_to_log(Path(line) / "log.txt")
    return Path(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vae.space.fit_process", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN_DIR")
    parser.add_argument("--method", default="tsne")
    parser.add_argument("--part", default="test", choices=PARTS)
    parser.add_argument("--weights", help="SHA-256 of the weights whose folder is prepared; else codes are computed")
    parser.add_argument(
        "--spare", action="store_true", help="import, then wait for a prepared folder on standard input"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Makes the map of the command line; returns the exit status."""
    let_idle_threads_sleep()
    write_plainly()
    options = _parser().parse_args(arguments)
    if options.spare == (options.run is not None):
        print("usage: python -m vae.space.fit_process RUN_DIR --method METHOD | --spare", file=sys.stderr)
        return 2
    folder = _spare() if options.spare else None
    if options.spare and folder is None:
        return 0
    gone = threading.Event()
    watch_input(gone)
    try:
        if folder is None and options.weights:
            folder = folder_of(options.run, options.method, options.weights, options.part)
        if folder is not None:
            status = fit(folder, gone)
        else:
            _, status, _ = project(options.run, options.method, options.part, gone)
    except (ElboRoomError, OSError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if status.state == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
