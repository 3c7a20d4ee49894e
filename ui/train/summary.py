"""Beside the form: what will be trained, the button that starts it, and the command that does the same."""

from __future__ import annotations

import streamlit as st

from ui import server, style
from ui.room.limits import disk_words, place_for
from ui.runs.command import command_line
from ui.runs.engine_choice import choose_engine, engine_chosen
from ui.runs.owners import current_owner, record_owner
from ui.train import form_values
from ui.train.answers import Asked, is_data, read_answers
from ui.train.pace import default_pace
from vae import runs
from vae.config import Config, count_rows
from vae.errors import ElboRoomError
from vae.files import told
from vae.runs.start import check_left_out

ENGINE = "train-engine"  # key of the widget


def summary() -> None:
    """Draws the panel; where the answers cannot be trained, a sentence says why."""
    style.label("This run")
    try:
        asked = read_answers(st.session_state)
        rows = facts(asked)
    except (ElboRoomError, OSError) as error:
        style.problem(told(error))
        st.button("Start training", type="primary", disabled=True, width="stretch", key="start")
        return
    style.facts(rows)
    for sentence in asked.notes:
        style.note(sentence)
    if sentence := disk_words()[1]:
        style.notice(sentence)
    st.button(
        "Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="start", on_click=start
    )
    choose_engine(ENGINE)
    name = form_values.value(st.session_state, "name")
    with st.expander("The same from a terminal", key="command"):
        command = command_line(asked.config, runs.clean_name(name) if name else "")
        st.code(command, language=None, wrap_lines=True)


def facts(asked: Asked) -> dict[str, str]:
    """Returns what will be trained, one pair a line. Raises ElboRoomError where it needs too much."""
    from vae.machine import memory
    from vae.training.defaults import needs_of, total_steps
    from vae.training.size import in_words

    info, config = asked.info, asked.completed
    needed, steps, pace = needs_of(config, info), total_steps(config, info.train), default_pace(config, info)
    here = f" ({in_words(there)} here)" if (there := memory()) else ""
    widths = " – ".join(map(str, config.hidden or ())) or "no hidden layer"
    return {
        "Images": f"{info.train:,} to train, {info.test:,} held out, {size_words(info.shape)}{without_words(config)}",
        "Model": f"{config.network} ({widths}), {latent_words(config)}",
        "Likelihood": f"{config.likelihood}, C {'fitted' if config.C == 'fit' else f'= {config.C:g}'}",
        "Length": f"{config.epochs:,} epochs, {steps:,} steps of {config.batch_size} images",
        "Step": f"Adam at {config.lr:g}, matrix products in {config.precision}",
        "Takes": f"about {in_words(needed.memory())} of memory{here}, {in_words(needed.disk)} of disk",
        "Pace": f"{pace:g} steps/s, so that you can watch it learn" if pace else "full speed",
    }


def start() -> None:
    """Creates the run, hands it to the engine, goes to its page. Nothing here waits for training.

    The form is read here and now: a press right after typing comes before the page was drawn with what was typed.
    """
    from vae.training.defaults import needs_of

    form_values.follow(st.session_state, is_data)  # the press may come with the choice of a dataset
    try:
        asked = read_answers(st.session_state)
        check_left_out(asked.completed)
        config, pace = asked.completed, default_pace(asked.completed, asked.info)
        data = asked.info.binarized(config.binarize or "none").to_json()
        owner, disk = current_owner(), needs_of(config, asked.info).disk
        with place_for(owner, disk, config.epochs or 0):
            path = runs.create_run(config, data, form_values.value(st.session_state, "name") or None)
            record_owner(path, owner, disk)
            if pace is not None:
                runs.change_knobs(path, pace=pace)
            server.engine(engine_chosen(ENGINE)).submit(path, owner)
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = told(error)
        return
    st.session_state[form_values.key("name")] = ""
    st.query_params.from_dict({"run": path.name})


def without_words(config: Config) -> str:
    """Returns `; 503 to train and 3 held out are left out`, "" where none is."""
    gone = count_rows(config.without)
    parts = [f"{gone[part]:,} {kind}" for part, kind in (("train", "to train"), ("test", "held out")) if gone[part]]
    return f"; {' and '.join(parts)} are left out" if parts else ""


def latent_words(config: Config) -> str:
    """Returns `2 latent dimensions`, and where z has no path to the parameters the way the gradient is estimated."""
    from vae.model.latents import LATENTS  # torch takes its time

    latent = LATENTS[config.latent]
    words = latent.words.whole(config.latent_dim)
    return words if latent.reparameterised else f"{words}, gradient by {config.estimator}"


def size_words(shape: tuple[int, int, int]) -> str:
    """Returns the size of an image, `64 × 64 × 3`."""
    channels, height, width = shape
    return f"{height} × {width}" + (f" × {channels}" if channels > 1 else "")
