"""Work of some seconds in a thread: with progress, a way to stop, and what there is so far. Every visitor has jobs of
their own; results that are finished serve all who ask for the same. The work itself never touches Streamlit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import streamlit as st

from ui import style
from ui.live.cache import Newest
from vae.errors import ElboRoomError

KEPT = 32  # results
POLL = 0.4  # seconds between two looks at work that goes on
SOON = 0.3  # seconds for which a page waits: shorter work shows no progress
TURN = 0.1  # seconds between two looks of a waiting job at whether it was stopped
Work = Callable[[], Iterator[tuple[float, Any]]]  # yields how much is done, 0 to 1, and the result so far


class Bench:
    """What all visitors share: whose turn it is (a classroom shares the cores with the training runs), and results."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.results: Newest[Any] = Newest(KEPT)


class Job:
    """One visitor's. It waits for its turn and takes a result that somebody else finished meanwhile."""

    def __init__(self, key: Hashable, work: Work, bench: Bench) -> None:
        self.key, self.done_share, self.result = key, 0.0, None
        self.error: BaseException | None = None
        self.waiting, self.stopped = True, False
        self._ended = threading.Event()
        if not self._take(bench):
            threading.Thread(target=self._run, args=(work, bench), daemon=True, name="laboratory").start()

    def _take(self, bench: Bench) -> bool:
        result = bench.results.find(self.key)
        if result is not None:
            self.result, self.done_share = result, 1.0
            self._ended.set()
        return result is not None

    def _run(self, work: Work, bench: Bench) -> None:
        try:
            while not bench.turn.acquire(timeout=TURN):
                if self.stopped:
                    return
            try:
                if not self.stopped and not self._take(bench):
                    self.waiting = False
                    self._go_through(work, bench)
            finally:
                bench.turn.release()
        except BaseException as error:
            self.error = error
        finally:
            self._ended.set()

    def _go_through(self, work: Work, bench: Bench) -> None:
        for share, result in work():
            if self.stopped:
                return
            self.done_share, self.result = share, result
        bench.results.keep(self.key, self.result)

    @property
    def running(self) -> bool:
        """Or waiting for its turn."""
        return not self._ended.is_set()

    def stop(self) -> None:
        """Stops the job; what there is so far stays."""
        self.stopped = self.stopped or self.running

    def wait(self, seconds: float) -> None:
        """Waits for the end of the job, `seconds` at most."""
        self._ended.wait(seconds)


@st.cache_resource(show_spinner=False)
def bench() -> Bench:
    """Returns the bench of this server."""
    return Bench()


def follow(name: str, key: Hashable, work: Work, draw: Callable[[Any], None]) -> None:
    """Draws the result of `work` as it comes, with a button that stops it. `name` tells the parts of a page apart."""
    job = own_job(st.session_state, name, key, work)
    job.wait(SOON)
    running = job.running
    with st.container(horizontal=True, vertical_alignment="center", key=f"job-bar-{name}"):
        if running:
            st.button("Stop", icon=":material/stop:", key=f"job-stop-{name}", on_click=job.stop)
        elif job.stopped:
            again = lambda: st.session_state.pop(f"job-{name}", None)  # noqa: E731
            st.button("Start again", icon=":material/replay:", key=f"job-again-{name}", on_click=again)
            nothing = job.result is None
            style.note(f"Stopped{' before there was anything to show.' if nothing else ': this is as far as it got.'}")
    st.fragment(_show, run_every=POLL if running else None)(job, draw, running)


def own_job(state: Any, name: str, key: Hashable, work: Work) -> Job:
    """This visitor's job of that name and key; one of other settings, which are no longer on the page, is stopped."""
    job: Job | None = state.get(f"job-{name}")
    if job is None or job.key != (name, key) or job.error is not None:
        if job is not None:
            job.stop()
        job = state[f"job-{name}"] = Job((name, key), work, bench())
    return job


def _show(job: Job, draw: Callable[[Any], None], running: bool) -> None:
    if isinstance(job.error, ElboRoomError):
        style.problem(str(job.error))
    elif job.error is not None:
        raise job.error
    if running and job.waiting:
        style.note("Waiting for another measurement to finish.")
    elif running:
        st.progress(job.done_share, f"{job.done_share:.0%}")
    if job.result is not None:
        draw(job.result)
    if running and not job.running:
        st.rerun()
