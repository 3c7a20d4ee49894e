"""The controls of a run: buttons and knobs. They write knobs.json or call the engine; the worker does the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ui import server, style
from ui.runs.owners import current_owner, may_change, why_not
from vae import runs
from vae.config import FIRST_STEPS, MOST, PARTS, Config, Knobs
from vae.engines.process import gpus
from vae.errors import ElboRoomError, RunBusy
from vae.files import what_helps
from vae.runs.start import Request, plan

FULL_SPEED = "full speed"
PAUSED = "While another run waits, a paused one gives its place up after some seconds."
PAUSED_HERE = "Your loop waits in log.step."
PART_NAMES = {"both": "both halves", "encoder": "encoder only", "decoder": "decoder only"}
ADVICE = {
    "resting": "Another run waited and has its place. Resume puts it back into the queue; it goes on where it is.",
    "finished": "All epochs are done. Train on, or copy its settings to train again with other choices.",
    "stopped": "Continue goes on exactly where it stopped.",
    "interrupted": "Continue resumes it from its last saved state, or starts it if there is none.",
    "diverged": "The last good state is kept. Lower the learning rate on this page, then continue from there.",
    "diverged early": "Copy its settings into a new run, with other values of C or other images.",
    "failed": (
        "Continue tries once more, from the last saved state if there is one; "
        "copying the settings into a new run starts over."
    ),
}
IMPORTED = "This model came as it is: there is no training to show. Explore and Map show what it does."
YOURS = {  # the same of a run that only its own script can continue
    "finished": "Your loop has come to its end; running its script again makes a new run.",
    "stopped": "Your loop has ended; running its script again makes a new run.",
    "interrupted": "Its process is gone, and its last half second is not recorded.",
    "failed": "What went wrong stands in your script's own output too.",
}
STOPPING = "Stop is asked for: your loop ends when it looks at log.stopped."
ENDING = 3.0  # seconds that a process may take to end after it said how
FACTORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # of the learning rate


def change(path: Path, **changes: object) -> None:
    """Change knobs; what goes wrong is said on the next drawing of the page."""
    _attempt(path, lambda: runs.change_knobs(path, **changes))


def stop(path: Path) -> None:
    _attempt(path, lambda: server.engine().stop(path))


def resume(path: Path, config: Config) -> None:
    _attempt(path, lambda: _submit(path, Request(device=_chosen_device(path, config))))


def train_on(path: Path, config: Config) -> None:
    """A finished run goes on for as many epochs again."""
    epochs = min(MOST, 2 * (config.epochs or 1))
    _attempt(path, lambda: _submit(path, Request(epochs, _chosen_device(path, config))))


def _submit(path: Path, request: Request) -> None:
    """What cannot be is said before anything is changed. A process that has just said that it stopped needs a moment
    more to end."""
    runs.load_run(path).check_data()
    note = plan(path, request).note
    patience = time.monotonic() + ENDING
    while True:
        try:
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
        st.session_state["notice"] = why_not(path)
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


def device_choice(path: Path, config: Config, mine: bool) -> None:
    """What an ended run goes on on; drawn only where there is a choice."""
    here = gpus()
    if not here and config.device in ("auto", "cpu"):
        return
    options = list(dict.fromkeys([config.device, "auto", "cpu", *(["cuda"] if here else [])]))
    st.selectbox(
        "Device", options, key=_device_key(path), width=130, disabled=not mine, label_visibility="collapsed",
        help="What it goes on on. On another device, or in another precision, it continues, but not bit for bit.",
    )  # fmt: skip


def buttons(path: Path, config: Config, status: runs.Status, knobs: Knobs, mine: bool) -> None:
    """Pause or resume, step, stop, undo C; or continue, once the run has ended."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if status.state in runs.ACTIVE:
            _while_active(path, config, status, knobs, mine)
        elif config.is_yours:
            pass  # only its own script can go on
        elif status.state == "finished":
            st.button(
                "Train on",
                icon=":material/play_arrow:",
                key="train-on",
                disabled=not mine,
                on_click=train_on,
                args=(path, config),
                help=f"Train for as many epochs again, to epoch {2 * (config.epochs or 1):,}.",
            )
        else:
            st.button(
                "Continue",
                type="primary",
                icon=":material/play_arrow:",
                key="continue",
                disabled=not mine,
                on_click=resume,
                args=(path, config),
            )
        if status.state not in runs.ACTIVE and not config.is_yours:
            device_choice(path, config, mine)
        undo = _undo_value(path, config, knobs)
        label = "Undo C" if undo is None else f"Undo C, back to {_short(undo)}"
        st.button(
            label,
            key="undo-C",
            icon=":material/undo:",
            disabled=undo is None or not mine,
            on_click=change,
            args=(path,),
            kwargs={"C": undo},
        )


def _while_active(path: Path, config: Config, status: runs.Status, knobs: Knobs, mine: bool) -> None:
    going = status.state in ("running", "paused", "starting")
    label, icon = ("Resume", ":material/play_arrow:") if knobs.paused else ("Pause", ":material/pause:")
    st.button(
        label,
        type="primary",
        icon=icon,
        key=label.lower(),
        disabled=not (mine and (going or status.state == "resting")),
        on_click=change,
        args=(path,),
        kwargs={"paused": not knobs.paused},
        help=None if knobs.paused else PAUSED_HERE if config.is_yours else PAUSED,
    )
    st.button(
        "Step",
        icon=":material/skip_next:",
        key="step",
        disabled=not (mine and going),
        on_click=change,
        args=(path,),
        kwargs={"paused": True, "single_step": True},
        help="Pause, and take one step.",
    )
    st.button(
        "Stop",
        icon=":material/stop:",
        key="stop",
        disabled=not mine or status.state == "saving",
        on_click=stop,
        args=(path,),
        help="Tell your loop to end: log.stopped." if config.is_yours else "Save and end. It can be continued.",
    )


def _short(C: float | str) -> str:
    """As the charts write it: 36.2, 8.29e5, 1e−6; or fit. Nothing else: what stands here becomes Markdown."""
    return "fit" if isinstance(C, str) else f"{C:.3g}".replace("e+0", "e").replace("e-0", "e−").replace("e+", "e")


def _undo_value(path: Path, config: Config, knobs: Knobs) -> float | str | None:
    from ui.train.answers import undo_value

    return undo_value(config, runs.read_history(path), knobs)


def knob_panel(path: Path, config: Config, knobs: Knobs, mine: bool) -> None:
    """Which half trains, the learning rate, the pace; of your own loop, the factor of its learning rate."""
    with st.container(key="panel-knobs"):
        if not config.is_yours:
            _follow(path, "part", knobs.part)
            st.segmented_control(
                "Which half trains", PARTS, key=_key(path, "part"), required=True, format_func=PART_NAMES.__getitem__,
                disabled=not mine, on_change=_apply, args=(path, "part"),
            )  # fmt: skip
        with st.container(horizontal=True, gap="medium"):
            factors = _with(FACTORS, knobs.lr_factor)
            _follow(path, "lr_factor", knobs.lr_factor)
            st.select_slider(
                "Learning rate", factors, key=_key(path, "lr_factor"), disabled=not mine, on_change=_apply,
                args=(path, "lr_factor"), width="stretch",
                format_func=lambda factor: f"{config.lr * factor:.2g}" if config.lr else f"× {factor:g}",
            )  # fmt: skip
            if not config.is_yours:
                _follow(path, "pace", knobs.pace or 0.0)
                st.selectbox(
                    "Pace", _paces(knobs.pace), key=_key(path, "pace"), disabled=not mine, on_change=_apply, width=160,
                    args=(path, "pace"), format_func=lambda pace: f"{pace:g} steps/s" if pace else FULL_SPEED,
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


def _with(values: tuple[float, ...], value: float) -> list[float]:
    return sorted({*values, value})


def _paces(pace: float | None) -> list[float]:
    from ui.train.answers import PACES

    return [0.0, *sorted({1.0, *map(float, PACES), *([pace] if pace else [])})]


def what_to_do(path: Path, config: Config, status: runs.Status, mine: bool) -> None:
    """Sentences under the run's state, which itself says what happened: why it did not go on, what one can do now."""
    if sentence := server.engine().unwritten_end(path):
        style.problem(sentence)
    if status.refused and status.state not in runs.ACTIVE:
        style.problem(f"It was asked to go on and did not: {status.refused}")
    if runs.is_shipped(path):
        style.note("This run ships with ELBO Room and stays as it is. Copy its settings to train one like it.")
    elif not mine:
        style.note(why_not(path))
    elif config.is_yours:
        asked = status.state in runs.ACTIVE and runs.read_knobs(path).stop
        untrained = IMPORTED if status.state == "finished" else ""
        if sentence := STOPPING if asked else YOURS.get(status.state, "") if status.step else untrained:
            style.note(sentence)
    elif status.state == "stopped" and not (path / runs.STATE).is_file():
        style.note("Continue starts it.")
    elif status.state == "diverged" and status.step <= FIRST_STEPS:
        style.note(ADVICE["diverged early"])
    elif status.state in ADVICE:
        style.note(ADVICE[status.state])
