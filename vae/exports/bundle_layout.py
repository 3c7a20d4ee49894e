"""What lies in a run bundle, for who writes one and who reads one.

    README.md            the model card (`model_card`), with the front matter that model hubs read
    config.json          as the run has it
    model.safetensors    encoder and decoder: the run's weights.safetensors, byte for byte
    history.jsonl        every record of the training
    status.json          how it ended
    knobs.json           what was asked for last
    sweep.json           of which sweep it is one, if of any; whose weights it started from is left out
    preview/live.bin     a few held-out images and their reconstructions
    preview/heldout.npz  held-out images with labels and codes, so that pages work where the dataset is absent
    images.npz           those of a loop or model of somebody's own
    moments/             weights at earlier steps
    resume/              optimiser, data order, random states: with them the training goes on exactly
    manifest.json        format, kind, who made it, when, with what, and the SHA-256 of every other file

It can be unpacked and published as it is.
"""

from __future__ import annotations

import re

from vae import runs
from vae.checked_json import fields, named, one_of, text, whole
from vae.runs.checkpoints import MOST_BYTES, sum_of
from vae.runs.config_file import CONFIG
from vae.runs.history import MOST_BYTES as MOST_HISTORY
from vae.runs.live_knobs import MOST_BYTES as MOST_REPLAY
from vae.runs.moments import INDEX
from vae.runs.origin import MOST_NAME, time_of
from vae.runs.own_data import IMAGES
from vae.runs.preview_file import PREVIEW_LIMIT
from vae.runs.ship import HELD_OUT
from vae.runs.start import REPLAY
from vae.runs.sweep_mark import SWEEP
from vae.training.moment_steps import MOST_BYTES as MOST_MOMENT

FORMAT = 1
MANIFEST, CARD, MODEL, LIVE = "manifest.json", "README.md", "model.safetensors", "preview/live.bin"
HISTORY, STATUS, KNOBS = "history.jsonl", "status.json", "knobs.json"
WHOLE, LIGHT, BARE = "whole", "light", "bare"
NEEDED = (CONFIG, MODEL, HISTORY, STATUS, KNOBS, CARD)
MOST_FILES = 120
MOST_SMALL = 1 << 20
MOST_IMAGES = 1 << 30
SIZES = {  # name -> bytes at most
    MANIFEST: MOST_SMALL, CARD: MOST_SMALL, CONFIG: MOST_SMALL, STATUS: MOST_SMALL, KNOBS: MOST_SMALL,
    SWEEP: MOST_SMALL, INDEX: MOST_SMALL, HISTORY: MOST_HISTORY, REPLAY: MOST_REPLAY, LIVE: PREVIEW_LIMIT,
    HELD_OUT: MOST_IMAGES, IMAGES: MOST_IMAGES, MODEL: MOST_BYTES, runs.STATE: MOST_BYTES,
}  # fmt: skip
MOMENT = re.compile(r"moments/[0-9]{12}\.safetensors")
SIGNED = (CONFIG, MODEL, runs.STATE, HELD_OUT, IMAGES)  # those whose SHA-256 a run's own manifest has, too
CONTENT = fields(
    ("bundle", "kind", "name", "made_by", "made", "files"), bundle=whole(1), kind=one_of(WHOLE, LIGHT, BARE),
    name=text(60), made_by=text(MOST_NAME), made=time_of, elbo_room=text(40), torch=text(40),
    files=named(sum_of, MOST_FILES),
)  # fmt: skip


def most_bytes(name: str) -> int | None:
    """Returns how many bytes a file of that name may have; None where a bundle has no such file."""
    return MOST_MOMENT if MOMENT.fullmatch(name) else SIZES.get(name)


def place_in_run(name: str) -> str:
    """Returns what the file is called in a run's directory."""
    return runs.WEIGHTS if name == MODEL else name
