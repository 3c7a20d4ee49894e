"""Work of some seconds in a thread: with progress, a way to stop, and what there is so far. Shared by all viewers who
ask for the same. The work itself never touches Streamlit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import streamlit as st

from ui import look
from vae.errors import ElboRoomError

KEPT = 32  # results
POLL = 0.4  # seconds between two looks at work that goes on
SOON = 0.3  # seconds for which a page waits: shorter work shows no progress
Work = Callable[[], Iterator[tuple[float, Any]]]  # yields how much is done, 0 to 1, and the result so far


class Job:
    def __init__(self, work: Work, turn: threading.Lock) -> None:
        self.done_share, self.result = 0.0, None
        self.error: BaseException | None = None
        self.stopped = False
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(work, turn), daemon=True, name="laboratory").start()

    def _run(self, work: Work, turn: threading.Lock) -> None:
        try:
            with turn:  # one at a time: a classroom shares the cores with the training runs
                for share, result in work():
                    if self.stopped:
                        return
                    self.done_share, self.result = share, result
        except BaseException as error:
            self.error = error
        finally:
            self._ended.set()

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    def stop(self) -> None:
        """What there is so far stays."""
        self.stopped = True

    def wait(self, seconds: float) -> None:
        self._ended.wait(seconds)


class Jobs:
    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._lock, self._turn = threading.Lock(), threading.Lock()

    def get(self, key: Hashable, work: Work) -> Job:
        """The job of this key; begun by whoever asks first."""
        with self._lock:
            if key not in self._jobs or self._jobs[key].error is not None:
                self._jobs[key] = Job(work, self._turn)
            self._jobs.move_to_end(key)
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)[1].stop()
            return self._jobs[key]

    def forget(self, key: Hashable) -> None:
        with self._lock:
            self._jobs.pop(key, None)


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    return Jobs()


def follow(name: str, key: Hashable, work: Work, draw: Callable[[Any], None]) -> None:
    """Draw the result of `work` as it comes, with a button that stops it. `name` tells the parts of a page apart."""
    before = st.session_state.get(f"job-{name}")
    job = jobs().get((name, key), work)
    if before is not None and before is not job and before.running:
        before.stop()  # its settings are no longer on the page
        jobs().forget((name, st.session_state[f"job-key-{name}"]))
    st.session_state[f"job-{name}"], st.session_state[f"job-key-{name}"] = job, key
    job.wait(SOON)
    running = job.running
    with st.container(horizontal=True, vertical_alignment="center", key=f"job-bar-{name}"):
        if running:
            st.button("Stop", icon=":material/stop:", key=f"job-stop-{name}", on_click=job.stop)
        elif job.stopped:
            again = lambda: jobs().forget((name, key))  # noqa: E731
            st.button("Start again", icon=":material/replay:", key=f"job-again-{name}", on_click=again)
            look.note("Stopped: this is as far as it came.")
    st.fragment(_show, run_every=POLL if running else None)(job, draw, running)


def _show(job: Job, draw: Callable[[Any], None], running: bool) -> None:
    if isinstance(job.error, ElboRoomError):
        look.problem(str(job.error))
    elif job.error is not None:
        raise job.error
    if running:
        st.progress(job.done_share, f"{job.done_share:.0%}")
    if job.result is not None:
        draw(job.result)
    if running and not job.running:
        st.rerun()
