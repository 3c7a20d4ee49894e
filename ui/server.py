"""What lives once per server: the engines that run the training processes.

Held in Streamlit's resource cache, because a module global is lost when a source file is reloaded.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path

import streamlit as st

from vae import runs
from vae.engines import batches
from vae.engines.base import Engine
from vae.engines.engines import ENGINES, LOCAL, chosen, make_engine
from vae.engines.states import recover
from vae.engines.streams import write_plainly
from vae.machine import let_many_files_open


class _Holder:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engines: dict[str, Engine] = {}


@st.cache_resource(show_spinner=False)
def _holder() -> _Holder:
    return _Holder()


def start() -> None:
    """Puts right what a killed server left behind, and starts the engine with its spare worker, and those that have
    runs on their clusters."""
    write_plainly()  # the log, into whatever the server's output is
    let_many_files_open()  # each run that waits is one, its lock
    recover(runs.runs_root())
    runs.empty_trash()
    for name in dict.fromkeys([chosen(), *(batch.engine for batch in batches.read_all(runs.runs_root()))]):
        if name in ENGINES:
            engine(name).start()


def engine(name: str | None = None) -> Engine:
    """Returns the server's engine of that name, by default the one of the settings; made on first use. ConfigError."""
    name = chosen(name)
    holder = _holder()
    with holder.lock:
        if name not in holder.engines:
            holder.engines[name] = make_engine(name)
        return holder.engines[name]


def engine_of(path: Path) -> Engine:
    """Returns the engine that has this run; that of this machine where none has it: it stops runs of others too."""
    return engine(names_of([path.name], path.parent)[path.name])


def names_of(names: Collection[str], root: Path | None = None) -> dict[str, str]:
    """Returns the name of the engine that has each of these runs, this machine's where no cluster has it."""
    on_clusters = {
        name: batch.engine
        for batch in batches.read_all(root or runs.runs_root())
        if batch.engine in ENGINES
        for index, group in enumerate(batch.groups)
        if index not in batch.done
        for name in group
    }
    return {name: on_clusters.get(name, LOCAL) for name in names}


def stop() -> None:
    """Stops the engines; every worker of this machine saves and ends."""
    holder = _holder()
    with holder.lock:
        engines, holder.engines = holder.engines, {}
    for one in engines.values():
        one.close()
