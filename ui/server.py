"""What lives once per server: the engine that runs the training processes.

Held in Streamlit's resource cache, because a module global is lost when a source file is reloaded.
"""

from __future__ import annotations

import threading

import streamlit as st

from vae import runs
from vae.engines.base import Engine
from vae.engines.engines import make_engine
from vae.engines.states import recover
from vae.engines.streams import write_plainly


class _Holder:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engine: Engine | None = None


@st.cache_resource(show_spinner=False)
def _holder() -> _Holder:
    return _Holder()


def start() -> None:
    """Puts right what a killed server left behind, and starts the engine with its spare worker."""
    write_plainly()  # the log, into whatever the server's output is
    recover(runs.runs_root())
    runs.empty_trash()
    engine().start()


def engine() -> Engine:
    """Returns the server's engine; made on first use where no lifespan has run (tests)."""
    holder = _holder()
    with holder.lock:
        if holder.engine is None:
            holder.engine = make_engine()
        return holder.engine


def stop() -> None:
    """Stops the engine; every worker saves and ends."""
    holder = _holder()
    with holder.lock:
        engine, holder.engine = holder.engine, None
    if engine is not None:
        engine.close()
