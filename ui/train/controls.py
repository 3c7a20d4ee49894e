"""The controls of a run: buttons and knobs. They write knobs.json or call the engine; the worker does the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from ui import server
from ui.room.limits import place_for
from ui.runs.owners import current_owner, may_change, recorded_owner, why_not
from ui.runs.run_view import RunView
from ui.train.halves import WORDS
from ui.train.pace import PACES
from ui.train.undo import undo_value
from vae import runs
from vae.config import HALVES, MOST, Config
from vae.engines.process import gpus
from vae.errors import ElboRoomError, RunBusy
from vae.files import what_helps
from vae.runs.start import Request, plan

FULL_SPEED = "full speed"
PAUSED = "While another run waits, a paused one gives up its place after a few seconds."
PAUSED_HERE = "Your loop waits in log.step."
ENDING = 15.0  # seconds that a process may take to end after it said how: many where others have its cores
FACTORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # of the learning rate


def change(path: Path, **changes: object) -> None:
    """Changes knobs of a run; what goes wrong is said when the page is drawn again."""
    _attempt(path, lambda: runs.change_knobs(path, **changes))


def stop(path: Path) -> None:
    """Has the engine stop a run; what goes wrong is said when the page is drawn again."""
    _attempt(path, lambda: server.engine_of(path).stop(path))


def resume(path: Path, config: Config) -> None:
    """Continues a run that ended before its last epoch, on the chosen device."""
    _attempt(path, lambda: _submit(path, Request(device=_chosen_device(path, config))))


def train_on(path: Path, config: Config) -> None:
    """Trains a finished run for as many epochs again."""
    _attempt(path, lambda: _submit(path, Request(_epochs_again(config), _chosen_device(path, config))))


def _submit(path: Path, request: Request) -> None:
    """What cannot be is said before anything is changed. A process that has just said that it stopped needs a moment
    more to end."""
    run = runs.load_run(path)
    run.check_data()
    note = plan(path, request).note
    epochs = request.epochs or run.config.epochs or 0  # its own too: a run from a bundle may have any number
    patience = time.monotonic() + ENDING
    while True:
        try:
            with place_for(recorded_owner(path), 0, epochs):
                server.engine().submit(path, current_owner(), request)
            if note:
                st.session_state["notice"] = note
            return
        except RunBusy:
            if runs.read_status(path).state in runs.ACTIVE or time.monotonic() > patience:
                raise
            time.sleep(0.05)


def _attempt(path: Path, action: Callable[[], object]) -> None:
    """Do it if this browser may: a disabled button is no protection."""
    if not may_change(path):
        st.session_state["notice"] = why_not(recorded_owner(path))
        return
    try:
        action()
    except OSError as error:
        sentence = f"Run “{path.name}” cannot be changed ({error.strerror or error}): {what_helps(error)}."
        st.session_state["notice"] = sentence
    except (ElboRoomError, TimeoutError) as error:
        st.session_state["notice"] = str(error)


def _device_key(path: Path) -> str:
    return f"go-on-device-{path.name}"


def _chosen_device(path: Path, config: Config) -> str | None:
    """The device that was chosen here; None leaves the run's own."""
    chosen = st.session_state.get(_device_key(path), config.device)
    return None if chosen == config.device else str(chosen)


def device_choice(view: RunView) -> None:
    """Draws the choice of the device on which an ended run goes on, where there is a choice."""
    here, device = gpus(), view.config.device
    if not here and device in ("auto", "cpu"):
        return
    options = list(dict.fromkeys([device, "auto", "cpu", *(["cuda"] if here else [])]))
    st.selectbox(
        "Device", options, key=_device_key(view.path), width=130, disabled=not view.mine, label_visibility="collapsed",
        help="The device on which it goes on. On another one, or in another precision, it continues, but not bit for "
        "bit.",
    )  # fmt: skip


def buttons(view: RunView) -> None:
    """Draws pause or resume, step, stop; or continue, once the run has ended; and undo for C."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if view.active:
            _while_active(view)
        elif not view.config.is_yours:  # which only its own script can continue
            _go_on(view)
            device_choice(view)
        undo = undo_value(view.config, view.history, view.knobs)
        label = "Undo C" if undo is None else f"Undo C, back to {_short(undo)}"
        st.button(
            label, key="undo-C", icon=":material/undo:", disabled=undo is None or not view.mine, on_click=change,
            args=(view.path,), kwargs={"C": undo},
        )  # fmt: skip


def _go_on(view: RunView) -> None:
    args, icon = (view.path, view.config), ":material/play_arrow:"
    if view.status.state == "finished":
        st.button(
            "Train on", icon=icon, key="train-on", disabled=not view.mine, on_click=train_on, args=args,
            help=f"Train for as many epochs again, to epoch {_epochs_again(view.config):,}.",
        )  # fmt: skip
    else:
        st.button(
            "Continue", type="primary", icon=icon, key="continue", disabled=not view.mine, on_click=resume, args=args
        )


def _epochs_again(config: Config) -> int:
    return min(MOST, 2 * (config.epochs or 1))


def _while_active(view: RunView) -> None:
    going = view.status.state in ("running", "paused", "starting")
    paused, args, yours = view.knobs.paused, (view.path,), view.config.is_yours
    label, icon = ("Resume", ":material/play_arrow:") if paused else ("Pause", ":material/pause:")
    st.button(
        label, type="primary", icon=icon, key=label.lower(),
        disabled=not (view.mine and (going or view.status.state == "resting")),
        on_click=change, args=args, kwargs={"paused": not paused},
        help=None if paused else PAUSED_HERE if yours else PAUSED,
    )  # fmt: skip
    st.button(
        "Step", icon=":material/skip_next:", key="step", disabled=not (view.mine and going), on_click=change, args=args,
        kwargs={"paused": True, "single_step": True}, help="Pause, and take one step.",
    )  # fmt: skip
    st.button(
        "Stop", icon=":material/stop:", key="stop", disabled=not view.mine or view.status.state == "saving",
        on_click=stop, args=args,
        help="Tell your loop to end: log.stopped." if yours else "Save and end. The run can be continued later.",
    )  # fmt: skip


def _short(C: float | str) -> str:
    """As the charts write it: 36.2, 8.29e5, 1e−6; or fit. Nothing else: what stands here becomes Markdown."""
    return "fit" if isinstance(C, str) else f"{C:.3g}".replace("e+0", "e").replace("e-0", "e−").replace("e+", "e")


def knob_panel(view: RunView) -> None:
    """Draws which half trains, the learning rate, the pace; of somebody's own loop, the factor of its learning rate."""
    path, config, knobs = view.path, view.config, view.knobs
    shared: dict[str, Any] = {"disabled": not view.mine, "on_change": _apply}
    with st.container(key="panel-knobs"):
        if not config.is_yours:
            _follow(path, "part", knobs.part)
            st.segmented_control(
                "Which half trains", HALVES, key=_key(path, "part"), required=True, format_func=WORDS.__getitem__,
                args=(path, "part"), **shared,
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium"):
            _follow(path, "lr_factor", knobs.lr_factor)
            st.select_slider(
                "Learning rate", sorted({*FACTORS, knobs.lr_factor}), key=_key(path, "lr_factor"),
                args=(path, "lr_factor"), width="stretch",
                format_func=lambda factor: f"{config.lr * factor:.2g}" if config.lr else f"× {factor:g}", **shared,
            )  # fmt: skip
            if not config.is_yours:
                _follow(path, "pace", knobs.pace or 0.0)
                st.selectbox(
                    "Pace", _paces(knobs.pace), key=_key(path, "pace"), args=(path, "pace"), width=160,
                    format_func=lambda pace: f"{pace:g} steps/s" if pace else FULL_SPEED, **shared,
                )  # fmt: skip


def _key(path: Path, knob: str) -> str:
    return f"knob-{knob}-{path.name}"


def _follow(path: Path, knob: str, value: object) -> None:
    """Show what the run's knobs say, also when another tab set it."""
    if st.session_state.get(_key(path, knob)) != value:
        st.session_state[_key(path, knob)] = value


def _apply(path: Path, knob: str) -> None:
    value = st.session_state[_key(path, knob)]
    change(path, **{knob: (value or None) if knob == "pace" else value})


def _paces(pace: float | None) -> list[float]:
    return [0.0, *sorted({1.0, *map(float, PACES), *([pace] if pace else [])})]
