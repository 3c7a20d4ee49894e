"""The form of a sweep: the settings of a run, values of C, learning rates, latent sizes and seeds; what it takes."""

from __future__ import annotations

import dataclasses
import logging

import streamlit as st

from ui import server, style
from ui.room.limits import place_for
from ui.runs.engine_choice import choose_engine
from ui.runs.owners import current_owner
from ui.terms.jobs import begin, in_time
from ui.terms.view import TermsView
from ui.train.answers import described
from vae import runs
from vae.config import Config
from vae.engines.engines import LOCAL
from vae.engines.turns import default_slots
from vae.errors import ConfigError, ElboRoomError
from vae.files import told
from vae.sweeps.grid import Plan, Sweep, create, plan, values_of_C

GAUSSIAN_C, WEIGHT_C = "0.3..300:8", "0.1..10:8"
FIRST = Config(latent_dim=4, hidden=(64,), epochs=150)  # eight of them on the digits take about a minute


def new_sweep(view: TermsView | None) -> None:
    """Draws the form and its one button. A sweep is like the chosen run in all that it does not vary."""
    base = _base(view)
    weighs = base.likelihood not in (None, "gaussian")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        C = st.text_input(
            "Values of C", WEIGHT_C if weighs else GAUSSIAN_C, key=f"sweep-C-{weighs}", width=230,
            help="Numbers, fit, or a range such as 0.3..300:8: eight values in equal ratios.",
        )  # fmt: skip
        sizes = st.text_input("Latent sizes", str(base.latent_dim), key=f"sweep-sizes-{base.latent_dim}", width=110)
        rates = st.text_input("Learning rates", "auto", key="sweep-rates", width=130)
        seeds = st.number_input("Seeds", 1, 100, 1, key="sweep-seeds", width=110)
        epochs = st.number_input("Epochs", 1, None, base.epochs, key="sweep-epochs", placeholder="auto", width=120)
        name = st.text_input("Name", "", key="sweep-name", placeholder=base.dataset[:40], max_chars=40, width=160)
    warm = st.checkbox(
        "Warm start: each run begins with the weights of the next larger C, one after the other; codes stay comparable",
        key="sweep-warm",
    )
    style.note(f"Otherwise as {_like(base)}.")
    try:
        base = dataclasses.replace(base, epochs=epochs)
        sweep = Sweep(base, tuple(values_of_C(C)), _rates(rates), _sizes(sizes), int(seeds), warm, name.strip() or None)
        planned = plan(sweep)
    except (ElboRoomError, OSError) as error:
        style.problem(told(error))
        st.button("Start the sweep", type="primary", disabled=True, key="start-sweep")
        return
    engine = choose_engine("sweep-engine")
    style.facts(takes(planned, engine))
    st.button(
        "Start the sweep",
        type="primary",
        icon=":material/play_arrow:",
        key="start-sweep",
        on_click=_start,
        args=(planned, engine),
    )


def takes(planned: Plan, engine: str) -> dict[str, str]:
    """Returns the number of runs, about how long they take here, and the disk."""
    from vae.training.size import in_words

    if engine == LOCAL:
        slots = getattr(server.engine(engine), "slots", 0) or default_slots(0)
        told = f"about {in_time(planned.seconds(slots))}, {slots} at a time, on two ordinary cores"
    else:
        told = f"about {in_time(planned.seconds())} of two ordinary cores in all; {engine} says how many go at a time"
    return {
        "Runs": f"{len(planned.points):,}",
        "Takes": told,
        "Disk": f"about {in_words(planned.disk)}",
    }


def _start(planned: Plan, engine: str) -> None:
    try:
        count, epochs = len(planned.points), max(point.config.epochs or 0 for point in planned.points)
        with place_for(current_owner(), planned.disk, epochs, count):
            paths = create(planned)
            begin([paths[index] for index in planned.order()], planned.disk / count, engine)
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = told(error)
        return
    mark = runs.clean_name(planned.sweep.name or planned.info.name)
    likelihood = planned.points[0].config.likelihood
    st.session_state["sweep-open"] = False
    st.query_params.from_dict({"data": f"{planned.info.name} · {likelihood}", "sweep": mark})


def _base(view: TermsView | None) -> Config:
    """The settings of the chosen run, else those that ship with the digits; what a sweep varies is open."""
    try:
        config = runs.read_config(runs.run_path(view.chosen))[0] if view and view.chosen else FIRST
        if not config.is_yours:
            described(config.dataset)
            return dataclasses.replace(config, C=None, lr=None, seed=0)
    except (ElboRoomError, OSError):
        logging.getLogger(__name__).info("a sweep cannot be like the chosen run", exc_info=True)
    return FIRST


def _like(base: Config) -> str:
    likelihood = base.likelihood or "gaussian"
    hidden = " – ".join(map(str, base.hidden or ())) if base.hidden is not None else "its own widths"
    return f"{base.dataset} · {likelihood} · {base.network} ({hidden or 'no hidden layer'})"


def _rates(text: str) -> tuple[float | None, ...]:
    try:
        return tuple(None if part.strip() == "auto" else float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"learning rates: expected numbers such as 1e-3, 3e-3, or auto, got {text[:40]!r}") from None


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"latent sizes: expected whole numbers such as 2, 4, 10, got {text[:40]!r}") from None
