"""The application: `streamlit run app.py`. The supervisor of the training processes lives as long as the server."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from ui import network, server
from ui.diagnose import work as diagnoses
from ui.gate import Gate
from ui.live.codes import codes_routes
from ui.live.comparison import comparison_routes
from ui.live.exports import export_routes
from ui.live.holes import hole_routes
from ui.live.live import routes
from ui.live.map import map_routes
from ui.live.moments import moments_routes
from ui.live.shortcut import Shortcut
from ui.map import fits
from ui.modules import module_routes
from ui.own.drops import drop_routes, drops
from ui.room import settings
from ui.suspects import work as suspects
from ui.take.work import work as exports
from vae.engines.process import spares_wanted
from vae.errors import ConfigError
from vae.machine import let_idle_threads_sleep

try:
    settings.room()
    ANCESTORS = network.frame_ancestors()
    spares_wanted()
except ConfigError as error:
    sys.exit(f"The server does not start: {error}.")

let_idle_threads_sleep()  # training beside us has the cores

WARM_AFTER = 2.5  # seconds: the first page, which needs no torch, comes in two thirds of the time without its import
COLLECT_EVERY = 5.0  # seconds


def _warm(ended: threading.Event) -> None:
    """Import what later pages need, then take it out of the garbage collector's sight; from then on collect garbage.

    Streamlit collects after every script run, where `runner.postScriptGC` is not false: with torch's objects in view
    that is 0.1 s, without them still as much as the rest of a short run.
    """
    if ended.wait(WARM_AFTER):
        return
    import vae.model.vae  # noqa: F401

    gc.collect()
    gc.freeze()
    diagnoses.warm()
    while not ended.wait(COLLECT_EVERY):
        if any(gc.get_count()[1:]):  # else nothing has run since the last time
            gc.collect()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Starts what lives with the server, and ends it."""
    network.configure_streamlit()
    settings.configure_streamlit()
    server.start()
    exports()  # what a killed server left behind goes
    ended = threading.Event()
    threading.Thread(target=_warm, args=(ended,), daemon=True, name="warm-up").start()
    try:
        yield {}
    finally:
        ended.set()
        drops().close()
        fits.stop_all()
        diagnoses.stop_all()
        suspects.stop_all()
        exports().stop_all()
        server.stop()


app = st.App(
    "ui/frame.py",
    lifespan=lifespan,
    routes=[
        *routes,
        *codes_routes,
        *map_routes,
        *hole_routes,
        *moments_routes,
        *comparison_routes,
        *export_routes,
        *drop_routes,
        *module_routes,
    ],
    middleware=[Middleware(Gate, ancestors=ANCESTORS), Middleware(Shortcut, routes=[*routes, *codes_routes])],
)
