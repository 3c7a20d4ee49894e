"""What this machine has: devices, threads, memory. A run may come from another, and goes on with what is here.

torch is imported where it is asked: the memory is found without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import sys
from pathlib import Path

from vae.config import Config
from vae.errors import ConfigError

MOST_FILES = 20_000  # twice the runs of the largest sweep
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h
KEPT_FREE = 2**29  # bytes at the heap's end that stay with the process
CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def let_idle_threads_sleep() -> None:
    """Sets OpenMP's policy where nobody has, before torch or a library of maps loads, which read it once.

    Threads that spin while they wait take the cores that others need: the server, a viewer's browser, a second run. A
    step of digits beside one took 5 to 70 times as long, t-SNE twice as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def compute_on_one_thread() -> None:
    """Has torch compute on one thread, in a process that looks at runs while others may train.

    Two threads meet after every product of a small batch: where one of them waits for a core, both do. Beside a
    training on two cores that is several times as slow as one thread, and hardly faster where all cores are free.
    """
    import torch

    torch.set_num_threads(1)


def keep_large_arrays() -> None:
    """Has glibc, in a process that trains, keep all arrays for the next step, up to KEPT_FREE: those of more than 32 MB
    too, which `vae.bound.chunks.keep_freed_memory` cannot.

    It takes each of those from the system page by page otherwise, and gives it back (mallopt(3), M_MMAP_MAX and
    M_TRIM_THRESHOLD): 30,000 faults a step of convolutions at 64x64, a fifth of its time. Elsewhere nothing happens.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is not None:
        set_option(M_TRIM_THRESHOLD, KEPT_FREE)
        set_option(M_MMAP_MAX, 0)


def let_many_files_open() -> None:
    """Raises this process's limit of open files to what the system allows: a run that waits holds one, its lock, and
    many systems give a program no more than 256 or 1,024 of its own accord."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    with contextlib.suppress(OSError, ValueError):
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def devices() -> list[str]:
    """Returns the devices that torch can compute on here, the one that "auto" takes first."""
    import torch

    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*(gpus if len(gpus) > 1 else ["cuda"] * len(gpus)), "cpu"]


def usable_device(device: str) -> str:
    """Returns the device asked for, the best there is for "auto"; ConfigError where it cannot be used here."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
        torch.zeros(1, device=kind)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device: {device!r} cannot be used here ({str(error).splitlines()[0]}); try {' or '.join(devices())}"
        ) from None
    return device


def most_threads() -> int:
    """Returns how many threads may be asked for: more than four to a core only wait for each other; torch's libraries
    end the process for a few thousand."""
    return 4 * (os.cpu_count() or 1)


def on_this_machine(config: Config) -> tuple[Config, str]:
    """Returns a completed config with the device, precision and threads that it gets here, and a sentence where these
    are not those that it names: then it does not go on bit for bit."""
    import torch

    missing = []
    try:
        device = usable_device(config.device)
    except ConfigError:
        device, missing = usable_device("auto"), [f"{config.device} is not here"]
    precision, threads = config.precision, config.threads
    if precision == "tf32" and torch.device(device).type != "cuda":
        precision = "float32"
        missing.append("tf32 is a GPU's")
    if threads is not None and threads > most_threads():
        missing.append(f"{threads:,} threads are more than four to a core")
        threads = most_threads()
    here = dataclasses.replace(config, device=device, precision=precision, threads=threads)
    if not missing:
        return here, ""
    on = f"on {device} in {precision}, {threads or 1} thread{'' if threads in (None, 1) else 's'}"
    return here, f"Continues {on}, not bit for bit: {', '.join(missing)}."


def memory(device: str = "cpu") -> int | None:
    """Returns how many bytes the device has, for the CPU as many as this process may ever get; None where nobody
    tells."""
    import torch

    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[1])
    return process_memory()


def process_memory() -> int | None:
    """Returns how many bytes this process may have: the least of the machine's memory and the limits set on this
    process; None where nobody tells."""
    return min((limit for limit in (*_cgroup_limits(), _address_space(), _physical()) if limit), default=None)


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows
        return 0


def _cgroup_limits() -> list[int]:
    """What a container may use."""
    found = []
    for name in CGROUP_LIMITS:
        try:
            text = Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        found.append(int(text) if text.isdecimal() else 0)
    return found


def _address_space() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return 0 if soft == resource.RLIM_INFINITY else soft
