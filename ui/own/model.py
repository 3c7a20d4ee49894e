"""A model of one's own from files: drop its two ONNX files and some images, say what the decoder gives, and there is a
run. The files are read and never run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from ui import style
from ui.components.drop import drop_zone
from ui.own import drops, shelf
from ui.own.work import Work, follow
from ui.room.limits import place_for
from ui.runs.owners import current_owner, record_owner
from vae.errors import ConfigError

if TYPE_CHECKING:
    from vae.datasets.downloads import Progress

TOKEN, WORK = "own-model-token", "own-model-work"
MOST_BYTES = 10**9  # of both files and the images
ARRAYS = (".npz", ".npy")
WORDS = {
    "what": "Drop the encoder's and the decoder's ONNX file here, with images or without",
    "note": "Two .onnx files and, if you like, an .npz or .npy of held-out images",
    "accept": ".onnx,.npz,.npy",
}
EXPORT = (
    'torch.onnx.export(model.decoder, (z,), "decoder.onnx", external_data=False)  # and the encoder: (mean, log_var)'
)
GIVES: dict[
    str, tuple[str, str | None, Literal["mean", "probabilities", "logits"] | None]
] = {  # what a decoder gives: the words, the likelihood, how `wrap` calls it
    "mean": ("the mean of a pixel, with Gaussian noise", "gaussian", "mean"),
    "probabilities": ("the probability of white", "bernoulli", "probabilities"),
    "logits": ("the logit of that", "bernoulli", "logits"),
    "untold": ("an image; no likelihood is told", None, None),
}


@dataclass(frozen=True)
class Answers:
    """What the visitor said of the model. dataset: "" for the images that were dropped."""

    gives: str
    pixels: tuple[float, float]
    C: float | None
    dataset: str
    name: str


def panel(explore: Path) -> None:
    """Draws the whole way from files to a run; leaves for `explore` when it is there."""
    token = st.session_state.get(TOKEN)
    if token is None or drops.drops().find(token) is None:
        token = st.session_state[TOKEN] = drops.drops().begin(current_owner())
    drop_zone(token, MOST_BYTES, 3, words=WORDS, key=f"drop-model-{token}")
    files = drops.drops().find(token)
    there = [name for name, _ in files.files] if files else []
    if not there:
        style.note("Such files are read, never run. From torch:")
        st.code(EXPORT, language="python", wrap_lines=True)
        return
    style.note(f"There: {', '.join(name[-40:] for name in there)}.")
    answers = _ask(any(name.lower().endswith(ARRAYS) for name in there))
    if st.button("Open it", type="primary", key="own-model-open"):
        kept, owner = list(files.files) if files else [], current_owner()
        try:
            with place_for(owner, files.bytes if files else 0, count=0):
                st.session_state[WORK] = Work(lambda progress: _open(kept, answers, owner, progress))
        except ConfigError as error:
            style.problem(str(error))
    work: Work | None = st.session_state.get(WORK)
    if work is not None and follow(work, "own-model"):
        drops.drops().close(st.session_state.pop(TOKEN))
        st.session_state.pop(WORK)
        st.switch_page(explore, query_params={"run": str(work.result)})


def _ask(with_images: bool) -> Answers:
    """One question and what goes with its answer."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gives = st.selectbox(
            "The decoder gives", list(GIVES), format_func=lambda one: GIVES[one][0], key="own-model-gives", width=380
        )
        low = st.number_input("Pixels from", value=0.0, step=1.0, key="own-model-low", width=120)
        high = st.number_input("to", value=1.0, step=1.0, key="own-model-high", width=120)
        C = None
        if gives == "mean":
            C = st.number_input(
                "C = 1/(2c)", value=50.0, min_value=1e-6, key="own-model-C", width=140,
                help="c is the variance of a pixel's noise, in the units that your model sees.",
            )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        from vae.datasets import DATASETS, is_here  # torch takes its time

        names = ["", *shelf.visible(), *(name for name in DATASETS if is_here(name))]
        dataset = st.selectbox(
            "Images", names if with_images else names[1:], key=f"own-model-images-{with_images}", width=320,
            format_func=lambda name: name or "those that were dropped",
        )  # fmt: skip
        name = st.text_input("Name", "my-model", max_chars=40, key="own-model-name", width=260)
    return Answers(gives, (low, high), C, dataset or "", name)


def _open(files: list[tuple[str, Path]], answers: Answers, owner: str, progress: Progress) -> str:
    """Makes the run; returns its name. Raises ElboRoomError."""
    from vae.exchange.onnx_file import onnx_bytes
    from vae.runs.foreign_run import told_apart
    from vae.runs.wrap import wrap

    progress(0.1, "reading the model")
    onnx = [(name, place) for name, place in files if not name.lower().endswith(ARRAYS)]  # whatever is none is refused
    encoder, decoder = told_apart({name: onnx_bytes(place, name[-60:]) for name, place in onnx})
    images, labels = _images([place for name, place in files if (name, place) not in onnx], answers)
    progress(0.4, "looking at it with some images")
    _, likelihood, gives = GIVES[answers.gives]
    run = wrap(
        encoder,
        decoder,
        images,
        labels,
        likelihood,
        answers.pixels,
        answers.C,
        gives,
        name=answers.name.strip() or None,
    )
    record_owner(run.path, owner)
    return run.name


def _images(dropped: list[Path], answers: Answers) -> tuple[Any, Any]:
    """The name of a dataset, or dropped images as the model sees them, with their labels."""
    if answers.dataset:
        return answers.dataset, None
    if len(dropped) != 1:
        raise ConfigError(f"images: expected one .npz or .npy of images, got {len(dropped)}; or choose a dataset")
    import torch

    from vae.datasets import load_dataset

    found = load_dataset(dropped[0])
    whole = not any(found.arrays)  # without parts of its own all are held out: the model has been trained elsewhere
    x = found.to_float(torch.cat([found.train, found.test]) if whole else found.test)
    labels = found.test_labels
    if whole and found.train_labels is not None and found.test_labels is not None:
        labels = torch.cat([found.train_labels, found.test_labels])
    low, high = answers.pixels
    named = labels if labels is None or found.classes is None else [found.classes[label] for label in labels.tolist()]
    return (x if found.support == "real" else low + (high - low) * x), named
