"""The application: `streamlit run app.py`. The supervisor of the training processes lives as long as the server."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from ui import map_fits, server
from ui.codes_routes import codes_routes
from ui.gate import Gate
from ui.map_routes import map_routes
from ui.routes import routes


def _warm() -> None:
    """Import what the first page needs, then take it out of the garbage collector's sight.

    Streamlit collects after every script run, which costs 0.1 s with torch's objects in view.
    """
    import vae.model  # noqa: F401

    gc.collect()
    gc.freeze()


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    server.start()
    threading.Thread(target=_warm, daemon=True, name="warm-up").start()
    try:
        yield {}
    finally:
        map_fits.stop_all()
        server.stop()


app = st.App(
    "ui/frame.py",
    lifespan=lifespan,
    routes=[*routes, *codes_routes, *map_routes],
    middleware=[Middleware(Gate)],
)
