"""The form of the Train page: a dataset and a button in front, everything else one click behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import server, style
from ui.own.shelf import visible
from ui.runs import owners
from ui.runs.owners import current_owner, record_owner
from ui.train import form_values
from ui.train.form_values import AUTOMATIC, DEFAULTS, OWN_FILE
from ui.train.form_values import key as _key
from vae import runs
from vae.config import BINARIZE, PRECISIONS, Config
from vae.datasets.own.stored import is_name
from vae.errors import ConfigError, DataError, ElboRoomError, is_out_of_memory
from vae.files import expanded
from vae.runs.start import check_room

if TYPE_CHECKING:
    from vae.datasets import DataInfo

IMAGES = Path(__file__).resolve().parents[2] / "pages" / "images.py"
ABOUT = {  # one line for each dataset that ships; others show their numbers only
    "digits": "Handwritten digits, tiny: included, starts at once.",
    "mnist": "Handwritten digits, the classic.",
    "fashion-mnist": "Clothes and shoes.",
    "kmnist": "Japanese cursive letters.",
    "binarized-mnist": "The fixed binary digits of the literature.",
    "dsprites": "Shapes that move, turn and grow: five known factors.",
}


def fill_in(config: Config) -> list[str]:
    """Put an existing run's settings into the form, before it is drawn; the names of those that it cannot hold."""
    from ui.train.copied_settings import form_values as copied
    from vae.datasets import DATASETS

    named = config.dataset in (*DATASETS, *visible())
    own = not named and not is_name(config.dataset)
    values, left_out = copied(config)
    values |= {"dataset": OWN_FILE, "path": config.dataset} if own else {}
    if (own and not _files_allowed()) or not (own or named):  # a file from elsewhere, images that are gone
        values |= {"dataset": DEFAULTS["dataset"], "path": ""}
        left_out.append("dataset")
    values |= {
        "C": "" if config.C is None else f"{config.C}",
        "hidden": ", ".join(map(str, config.hidden or ())),
    }
    form_values.fill_in(st.session_state, values)
    return left_out


def form() -> None:
    """Draw the form; start the run when the button is pressed."""
    for field, default in DEFAULTS.items():  # before the widgets, so that what fill_in wrote is not called a conflict
        st.session_state.setdefault(_key(field), default)
    left, right = st.columns([1.25, 1], gap="large")
    with left:
        style.lead("Train a VAE")
        style.note(
            "Press the button and watch, or choose first. Everything can be changed again, and C while it trains."
        )
        st.space("small")
        _in_front()
        with st.expander("More settings", key="more-settings"):
            _behind()
    with right, st.container(key="panel-start"):
        _summary()


def _in_front() -> None:
    from vae.datasets import DATASETS

    choices = [*DATASETS, *visible(), *([OWN_FILE] if _files_allowed() else [])]
    if _value("dataset") not in choices:
        st.session_state[_key("dataset")] = DEFAULTS["dataset"]
    st.pills("Images", choices, key=_key("dataset"), required=True, wrap=True, persist_state="session")
    if _value("dataset") == OWN_FILE:
        st.text_input(
            "Path of an .npz or .npy file on this machine",
            key=_key("path"),
            placeholder="such as ~/pictures/faces.npz",
            persist_state="session",
        )
    st.page_link(IMAGES, label="Your images …", icon=":material/add_photo_alternate:")
    form_values.follow(st.session_state, _is_data)
    style.note(_about_data())
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.number_input(
            "Latent dimensions", 1, 512, key=_key("latent_dim"), width=180, persist_state="session",
            help="Two can be drawn as a plane. More reconstruct better, and some may stay unused.",
        )  # fmt: skip
        options = [AUTOMATIC, *_likelihoods()]
        if _value("likelihood") not in options:
            st.session_state[_key("likelihood")] = AUTOMATIC
        st.selectbox(
            "Likelihood", options, key=_key("likelihood"), width=240, persist_state="session",
            help="What p(x|z) is. Automatic: gaussian with a fitted C for grey images, bernoulli for binary ones.",
        )  # fmt: skip
        st.text_input(
            "Name (optional)",
            key=_key("name"),
            max_chars=60,
            width=240,
            placeholder="chosen for you",
            persist_state="session",
        )
        st.button(
            "Defaults", icon=":material/restart_alt:", type="tertiary", key="defaults",
            disabled=not form_values.is_changed(st.session_state), on_click=_reset,
            help="Put every choice for these images, also those behind More settings, back to what ships.",
        )  # fmt: skip


def _reset() -> None:
    form_values.reset(st.session_state)


def _behind() -> None:
    from vae.bound.estimators import ESTIMATORS, choices
    from vae.bound.objectives import OBJECTIVES
    from vae.model.latents import LATENTS
    from vae.model.networks import ACTIVATIONS, NETWORKS

    keep: dict[str, Any] = {"persist_state": "session"}
    first, second, third = st.columns(3, gap="medium")
    with first:
        style.label("Model")
        st.selectbox(
            "Network",
            list(NETWORKS),
            key=_key("network"),
            help="conv suits images of 28x28 and more; linear with a gaussian is PCA.",
            **keep,
        )
        st.text_input(
            "Hidden widths",
            key=_key("hidden"),
            placeholder="the network's own",
            help="Such as 400 or 512, 256; the decoder mirrors them.",
            **keep,
        )
        st.selectbox("Activation", list(ACTIVATIONS), key=_key("activation"), **keep)
        st.selectbox("Latent", list(LATENTS), key=_key("latent"), **keep)
        style.note(f"{LATENTS[_value('latent')].about}.".capitalize())
    with second:
        style.label("What is minimised")
        st.selectbox(
            "Objective",
            list(OBJECTIVES),
            key=_key("objective"),
            help="iwae bounds log p(x) more tightly with more samples; it keeps C at 1.",
            **keep,
        )
        st.number_input("Samples of z per image", 1, 512, key=_key("samples"), **keep)
        fitting = choices(_value("latent"), _value("objective"))
        options = [AUTOMATIC, *fitting] if len(fitting) > 1 else [AUTOMATIC]
        if _value("estimator") not in options:
            st.session_state[_key("estimator")] = AUTOMATIC
        chosen = fitting[0] if _value("estimator") == AUTOMATIC else _value("estimator")
        st.selectbox(
            "Gradient estimator",
            options,
            key=_key("estimator"),
            help="How the gradient passes through z. A normal latent has a path through its sample; bits need one of "
            "several estimators, whose noise and bias the Binary laboratory measures.",
            **keep,
        )
        style.note(f"{chosen}: {ESTIMATORS[chosen].about}.")
        st.text_input(
            "C at the start",
            key=_key("C"),
            placeholder="1, or fit for a gaussian",
            help="A number, or fit. It can be turned while the model trains.",
            **keep,
        )
        st.selectbox(
            "Binarise",
            [AUTOMATIC, *BINARIZE],
            key=_key("binarize"),
            help="epoch draws grey training pixels anew each epoch.",
            **keep,
        )
    with third:
        style.label("Training")
        st.number_input("Epochs", 1, 1_000_000, key=_key("epochs"), placeholder="1–2 minutes", **keep)
        st.number_input("Batch size", 1, 100_000, key=_key("batch_size"), placeholder=AUTOMATIC, **keep)
        st.number_input(
            "Learning rate", 1e-6, 1.0, format="%g", key=_key("lr"), step=1e-4, placeholder=AUTOMATIC,
            help="Adam's. Automatic: by network, batch size and number of images; it can be changed while it trains.",
            **keep,
        )  # fmt: skip
        st.selectbox(
            "Matrix products",
            [AUTOMATIC, *PRECISIONS],
            key=_key("precision"),
            help="Precision of the matrix products in a training step; everything else is float32. Automatic: bfloat16 "
            "where the processor has it and the step is large enough.",
            **keep,
        )
        st.number_input(
            "Seed", 0, 2**53 - 1, key=_key("seed"), help="One config and one seed give one history.", **keep
        )


def _summary() -> None:
    """What will be trained, the button, and the command that does the same."""
    from ui.train.answers import command_line, default_pace
    from vae.machine import memory
    from vae.training.defaults import needs_of, total_steps
    from vae.training.size import in_words

    style.label("This run")
    try:
        asked, info, config, notes = _asked()
        needed = needs_of(config, info)
    except (ElboRoomError, OSError) as error:
        style.problem(str(error))
        st.button("Start training", type="primary", disabled=True, width="stretch", key="start")
        return
    steps, pace = total_steps(config, info.train), default_pace(config, info)
    here = f" ({in_words(there)} here)" if (there := memory()) else ""
    widths = " – ".join(map(str, config.hidden or ())) or "no hidden layer"
    style.facts(
        {
            "Images": f"{info.train:,} to train, {info.test:,} held out, {_size(info.shape)}",
            "Model": f"{config.network} ({widths}), {_latent(config)}",
            "Likelihood": f"{config.likelihood}, C {'fitted' if config.C == 'fit' else f'= {config.C:g}'}",
            "Length": f"{config.epochs:,} epochs, {steps:,} steps of {config.batch_size} images",
            "Step": f"Adam at {config.lr:g}, matrix products in {config.precision}",
            "Takes": f"about {in_words(needed.memory())} of memory{here}, {in_words(needed.disk)} of disk",
            "Pace": f"{pace:g} steps a second, to watch it learn" if pace else "full speed",
        }
    )
    for sentence in notes:
        style.note(sentence)
    st.button(
        "Start training", type="primary", icon=":material/play_arrow:", width="stretch", key="start", on_click=_start
    )
    with st.expander("The same from a terminal", key="command"):
        st.code(
            command_line(asked, runs.clean_name(_value("name")) if _value("name") else ""),
            language=None,
            wrap_lines=True,
        )


def _asked() -> tuple[Config, DataInfo, Config, list[str]]:
    """What the form says, its data, and the same completed, with notes. ElboRoomError or OSError where it cannot be."""
    from vae.training.defaults import complete

    asked = asked_config()
    info = _described(asked.dataset)
    config, notes = complete(asked, info)
    check_room(config, info)
    return asked, info, config, notes


def _described(dataset: str) -> DataInfo:
    """The data's description; ElboRoomError or OSError where there is none."""
    from vae.datasets import describe

    try:
        return describe(dataset)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DataError("These images are too many for this machine's memory; choose fewer or smaller ones.") from None


def _start() -> None:
    """Create the run, hand it to the engine, go to its page. Nothing here waits for training.

    The form is read here and now: a press right after typing comes before the page was drawn with what was typed.
    """
    from ui.train.answers import default_pace

    form_values.follow(st.session_state, _is_data)  # the press may come with the choice of a dataset
    try:
        _, info, config, _ = _asked()
        data, pace = info.binarized(config.binarize or "none").to_json(), default_pace(config, info)
        path = runs.create_run(config, data, _value("name") or None)
        owner = current_owner()
        record_owner(path, owner)
        if pace is not None:
            runs.change_knobs(path, pace=pace)
        server.engine().submit(path, owner)
    except (ElboRoomError, OSError) as error:
        st.session_state["notice"] = str(error)
        return
    st.session_state[_key("name")] = ""
    st.query_params.from_dict({"run": path.name})


def asked_config() -> Config:
    """What the form says; open choices stay None. Raises ConfigError."""
    from ui.train.answers import parse_C, parse_widths

    value = {field: _value(field) for field in DEFAULTS}
    own = value["dataset"] == OWN_FILE
    if own and not _files_allowed():
        raise ConfigError("Files are read for those who sit at the server's own machine; choose one of the datasets.")
    if own and not value["path"].strip():
        raise ConfigError("Give the path of an .npz or .npy file with images: (N, H, W), (N, H, W, 3) or (N, 3, H, W).")
    return Config(
        dataset=str(expanded(value["path"].strip()).absolute()) if own else value["dataset"],
        likelihood=None if value["likelihood"] == AUTOMATIC else value["likelihood"],
        binarize=None if value["binarize"] == AUTOMATIC else value["binarize"],
        C=parse_C(value["C"]),
        hidden=parse_widths(value["hidden"]),
        estimator=None if value["estimator"] == AUTOMATIC else value["estimator"],
        precision=None if value["precision"] == AUTOMATIC else value["precision"],
        **{
            f: value[f]
            for f in (
                "latent",
                "latent_dim",
                "network",
                "activation",
                "objective",
                "samples",
                "epochs",
                "batch_size",
                "lr",
                "seed",
            )
        },
    )


def _value(field: str) -> Any:
    return form_values.value(st.session_state, field)


def _likelihoods() -> list[str]:
    """The likelihoods that some view of the chosen data admits."""
    from vae.model.likelihoods import LIKELIHOODS
    from vae.training.defaults import likelihoods_for

    try:
        return likelihoods_for(_described(_dataset()))
    except (ElboRoomError, OSError):
        return list(LIKELIHOODS)


def _dataset() -> str:
    return form_values.dataset(st.session_state)


def _is_data(path: str) -> bool:
    """Whether a path that was typed names a file of images."""
    try:
        return bool(path) and _files_allowed() and bool(_described(path))
    except (ElboRoomError, OSError):
        return False


def _about_data() -> str:
    if not _dataset():
        return (
            "Images as (N, H, W), (N, H, W, 3) or (N, 3, H, W), whole numbers from 0 to 255 or floats in [0, 1]; "
            "labels and a split of your own are optional."
        )
    try:
        info = _described(_dataset())
    except (ElboRoomError, OSError) as error:
        return str(error)
    kind = {"binary": "black and white", "unit": "grey" if info.shape[0] == 1 else "colour", "real": "real numbers"}[
        info.support
    ]
    about = ABOUT.get(_value("dataset"), "")
    return f"{about} {info.train + info.test:,} images, {_size(info.shape)}, {kind}.".strip()


def _latent(config: Config) -> str:
    """`2 latent dimensions`, and for bits the way their gradient is estimated."""
    k, plural = config.latent_dim, "" if config.latent_dim == 1 else "s"
    if config.latent == "bernoulli":
        return f"{k} bit{plural}, gradient by {config.estimator}"
    return f"{k} latent dimension{plural}" + (", full covariance" if config.latent == "full-normal" else "")


def _size(shape: tuple[int, int, int]) -> str:
    channels, height, width = shape
    return f"{height} × {width}" + (f" × {channels}" if channels > 1 else "")


def _files_allowed() -> bool:
    """Paths of this machine are for those who sit at it."""
    return owners.at_this_machine()
