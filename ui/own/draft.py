"""Where a visitor's pictures stand on their way to a dataset, from the first file to the last question."""

from __future__ import annotations

import base64
import io
import secrets
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.own.drops import drops
from ui.own.work import Work
from ui.room.limits import place_for
from ui.runs.owners import current_owner, record_owner

if TYPE_CHECKING:
    from vae.datasets.downloads import Progress
    from vae.datasets.own.entries import Entry, Found
    from vae.datasets.own.prepare import Choices
    from vae.datasets.own.report import Report

KEY = "own-draft"
SEEN = 512  # sides of an original that the preview starts from
SHOWN = 88  # of its pictures


@dataclass
class Draft:
    """token: of its drop. look: the survey. make: the preparation, once it has been asked for."""

    token: str
    look: Work | None = None
    make: Work | None = None


@dataclass(frozen=True)
class Look:
    """What the survey found. originals: (name, picture) of some, not larger than they need be. key: of the widgets."""

    found: Found
    report: Report
    originals: list[tuple[str, Any]]
    key: str = field(default_factory=lambda: secrets.token_hex(4))


def draft() -> Draft:
    """This visitor's."""
    found: Draft | None = st.session_state.get(KEY)
    if found is None or drops().find(found.token) is None:
        found = st.session_state[KEY] = Draft(drops().begin(current_owner()))
    return found


def start_over() -> None:
    """Forget what was dropped and found."""
    old: Draft | None = st.session_state.pop(KEY, None)
    if old is not None:
        for work in (old.look, old.make):
            if work is not None:
                work.stop()
        drops().close(old.token)


def look_at(own: Draft, path: Path | None) -> None:
    """Survey what lies at `path`, or what was dropped."""
    from vae.datasets.own.entries import at, dropped

    drop = drops().find(own.token)
    files = [] if drop is None else list(drop.files)
    if own.look is not None:
        own.look.stop()
    own.make, own.look = None, Work(lambda progress: _survey(at(path) if path else dropped(files), progress))


def _survey(found: Found, progress: Progress) -> Look:
    from vae.datasets.own.report import survey

    report, samples = survey(found, progress)
    return Look(found, report, [(entry.name, _original(entry)) for entry in samples])


def _original(entry: Entry) -> Any:
    from vae.datasets.own.decode import open_entry

    image = open_entry(entry, SEEN).image.convert("RGB")
    image.thumbnail((2 * SEEN, 2 * SEEN))
    return image


def make_dataset(own: Draft, look: Look, name: str, choices: Choices, owner: str) -> None:
    """Prepare the dataset; it belongs to this browser. Raises ConfigError where the disk has no room for it."""

    def do(progress: Progress) -> str:
        from vae.datasets import data_root
        from vae.datasets.own.prepare import prepare

        record_owner(prepare(look.found, look.report, name, choices, data_root(), progress), owner)
        return name

    height, width = choices.size
    with place_for(owner, look.report.images * height * width * choices.channels, count=0):
        own.make = Work(do)


def preview(look: Look, choices: Choices) -> None:
    """Originals, and beside each what the model will see."""
    from PIL import Image

    from vae.datasets.own.decode import fitted

    pairs = []
    for name, image in look.originals:
        seen = fitted(image, *choices.size, choices.fit, choices.channels).transpose(1, 2, 0)
        model = Image.fromarray(seen[..., 0] if choices.channels == 1 else seen)
        small = image.copy()
        small.thumbnail((2 * SHOWN, 2 * SHOWN))
        pairs.append(
            f'<figure class="er-pair"><span>{_img(small, f"{name} as it is")}'
            f"{_img(model, f'{name} as the model will see it', 'er-pixels')}</span>"
            f"<figcaption>{escape(name.rsplit('/', 1)[-1])}</figcaption></figure>"
        )
    st.html(f'<div class="er-pairs">{"".join(pairs)}</div>')


def _img(image: Any, alt: str, kind: str = "") -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="{kind}" alt="{escape(alt, quote=True)}" src="data:image/png;base64,{data}">'
