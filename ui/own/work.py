"""Reading many pictures takes a while: a thread of the visitor's, with progress and a way to stop. Two at a time on a
server; the others wait. The work itself never touches Streamlit."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import style
from vae.errors import ElboRoomError, is_out_of_memory

if TYPE_CHECKING:
    from vae.datasets.downloads import Progress

AT_ONCE = 2
POLL = 0.4  # seconds between two looks
SOON = 0.4  # seconds for which a page waits: shorter work shows no progress


class Stopped(Exception):
    """Somebody pressed Stop."""


class Work:
    """`do(progress)` in a thread; its result, or the sentence why there is none."""

    def __init__(self, do: Callable[[Progress], Any]) -> None:
        self.share, self.text, self.problem = 0.0, "waiting for other visitors' files", ""
        self.result: Any = None
        self.error: BaseException | None = None
        self.stopped = False
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(do,), daemon=True, name="own-images").start()

    def _run(self, do: Callable[[Progress], Any]) -> None:
        try:
            while not _turns().acquire(timeout=0.1):
                self._progress(0.0, self.text)
            try:
                self.result = do(self._progress)
            finally:
                _turns().release()
        except Stopped:
            self.problem = "Stopped. Nothing was kept."
        except ElboRoomError as error:
            self.problem = str(error)
        except BaseException as error:
            self.problem = "This is too much for this machine's memory; take fewer pictures or smaller ones."
            self.error = None if is_out_of_memory(error) else error
        finally:
            self._ended.set()

    def _progress(self, share: float, text: str) -> None:
        if self.stopped:
            raise Stopped
        self.share, self.text = share, text

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def stop(self) -> None:
        self.stopped = True

    def wait(self, seconds: float) -> None:
        self._ended.wait(seconds)


@st.cache_resource(show_spinner=False)
def _turns() -> threading.Semaphore:
    return threading.Semaphore(AT_ONCE)


def follow(work: Work, key: str) -> bool:
    """Show how far it is; returns whether it has ended well. An error of ours is raised."""
    work.wait(SOON)
    if work.running:
        _watch(work, key)
        return False
    if work.error is not None:
        raise work.error
    if work.problem:
        style.problem(work.problem)
    return not work.problem


@st.fragment(run_every=POLL)
def _watch(work: Work, key: str) -> None:
    if not work.running:
        st.rerun()
    st.progress(min(work.share, 1.0), style.plain(f"{work.text[:1].upper()}{work.text[1:]}"))
    st.button("Stop", icon=":material/stop:", key=f"stop-{key}", on_click=work.stop)
