"""The runs as cards: what the gallery knows of each, and how a card looks."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from ui.runs.run_view import RunView
from ui.runs.states import in_words
from ui.style import number
from vae import runs
from vae.checked_json import Misfit, read_bytes
from vae.config import Config, count_rows
from vae.errors import RunDamaged, RunError
from vae.model.latent_words import words_of
from vae.runs.index import Index
from vae.runs.origin import read_origin
from vae.runs.preview_file import PREVIEW_LIMIT, read_header

OVER_IMAGES = "standard error of the mean over held-out images: their spread, that of z in it"  # what ± is on a card


@dataclass(frozen=True)
class Picture:
    """The run's sheet of reconstructions: its address relative to the app's base, and its grid."""

    address: str
    columns: int
    rows: int


@dataclass(frozen=True)
class Card:
    """One run of the gallery. `problem` is a sentence for a run that cannot be opened."""

    path: Path
    created: float
    state: str
    dataset: str = ""
    facts: str = ""
    step: int = 0
    total_steps: int = 0
    distortion: float | None = None  # held out, nats per image
    rate: float | None = None
    elbo: float | None = None  # as it was recorded
    elbo_error: float | None = None  # standard error of its mean over the held-out images, nats
    squared_error: float | None = None  # ‖x − f(z)‖², held out, pixel² per image
    picture: Picture | None = None
    origin: str = ""  # that it came in a bundle: who made it, and when
    problem: str = ""
    untrained: bool = False  # a model of somebody's own that came as it is: there are no curves

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def active(self) -> bool:
        return self.state in runs.ACTIVE


def read_card(path: Path) -> Card:
    """Returns what the files of a run say; a damaged one says so, whatever is wrong with it: the others are shown."""
    try:
        return _read_card(path)
    except RunError as error:
        return Card(path, _modified(path / "config.json"), "damaged", problem=str(error))
    except Exception:
        logging.getLogger(__name__).exception("run %r could not be read", path.name)
        return Card(path, 0.0, "damaged", problem=f"run {path.name!r} cannot be read; the server's log says why")


def cards_of(root: Path | None = None) -> list[Card]:
    """Returns the cards of a folder's runs, newest first; only those that changed are read again."""
    return _INDEX.rows(root)


def _read_card(path: Path) -> Card:
    view = RunView(path)
    test = view.measured.get("test") or view.measured.get("train") or {}
    origin = read_origin(path)
    return Card(
        path,
        _modified(path / "config.json"),
        view.status.state,
        origin=origin.words() if origin else "",
        dataset=view.dataset,
        facts=facts(view.config, view.measured.get("C"), view.asked_C),
        step=view.status.step,
        total_steps=view.status.total_steps,
        distortion=test.get("distortion"),
        rate=test.get("rate"),
        elbo=test.get("elbo"),
        elbo_error=test.get("elbo_error"),
        squared_error=test.get("squared_error"),
        picture=picture(path),
        untrained=view.config.is_yours and view.status.state == "finished" and view.status.step == 0,
    )


def facts(config: Config, C: float | None = None, asked: float | str | None = None) -> str:
    """Returns what tells runs apart, `d = 2 · gaussian, C = 36.2 (fitted)`. C: the newest value, if any; asked: what
    was asked for last (`RunView.asked_C`)."""
    asked = config.C if asked is None else asked
    fitted = " (fitted)" if asked == "fit" and C is not None else ""
    newest = asked if C is None else f"{C:.3g}"
    value = f"{newest:g}" if isinstance(newest, (int, float)) else newest
    codes = words_of(config.latent).short(config.latent_dim)
    yours = " · your own model" if config.is_yours else ""
    gone = sum(count_rows(config.without).values())
    without = f" · without {gone:,} images" if gone else ""
    return f"{codes} · {config.likelihood or 'likelihood not told'}, C = {value}{fitted}{yours}{without}"


def picture(path: Path) -> Picture | None:
    """Returns the run's picture, its address with the content's hash so that the browser may keep it."""
    try:
        data = read_bytes(path / "preview" / "live.bin", PREVIEW_LIMIT)
        count = read_header(data).count
    except (OSError, Misfit, RunDamaged):
        return None
    columns = min(4, count)
    tag = hashlib.sha256(data).hexdigest()[:16]
    return Picture(f"runs/{quote(path.name)}/thumbnail.png?v={tag}", columns, min(2, count // columns))


def picture_html(picture: Picture) -> str:
    """Returns the sheet cut into its images, so that they stand apart; enlarged without smoothing."""
    columns, rows = picture.columns, picture.rows
    tiles = "".join(
        f'<i style="background-image:url({escape(picture.address)});background-size:{columns * 100}% {rows * 100}%;'
        f'background-position:{_percent(x, columns)} {_percent(y, rows)}"></i>'
        for y in range(rows)
        for x in range(columns)
    )
    attributes = f'role="img" aria-label="reconstructions of held-out images" style="--columns:{columns}"'
    return f'<div class="er-thumb" {attributes}>{tiles}</div>'


def _percent(index: int, count: int) -> str:
    return f"{100 * index / (count - 1):.4g}%" if count > 1 else "0"


def card_html(card: Card, by: str = "") -> str:
    """Returns the card without its buttons; `by`: whose it is, in words. Whatever comes from files or people is
    escaped."""
    if card.picture and not card.problem:
        top = picture_html(card.picture)
    else:
        top = f'<div class="er-thumb-none">{"cannot be opened" if card.problem else "no picture yet"}</div>'
    head = f'{top}<p class="er-card-name"><bdi>{escape(card.name)}</bdi></p>'
    if card.problem:
        return f'{head}<p class="er-card-facts">{escape(card.problem)}</p>{state_html(card, by)}'
    shown = [("distortion", "Distortion", card.distortion, "nats"), ("rate", "Rate", card.rate, "nats")]
    if card.squared_error is not None:
        shown.insert(0, ("distortion", "Squared error", card.squared_error, "px²"))
    terms = "".join(
        f'<div><dt class="er-{kind}">{name}</dt><dd>{number(value)} <small>{unit}</small></dd></div>'
        for kind, name, value, unit in shown
    )
    if card.elbo is not None:
        error = f' <span title="{OVER_IMAGES}">± {number(card.elbo_error)}</span>' if card.elbo_error else ""
        terms += f'<div><dt class="er-elbo">ELBO</dt><dd>{number(card.elbo)}<small>{error} nats</small></dd></div>'
    came = f'<p class="er-card-facts"><bdi>{escape(card.origin)}</bdi></p>' if card.origin else ""
    return (
        f'{head}<p class="er-card-facts">{escape(card.dataset)} · {escape(card.facts)}</p>{came}'
        f'<dl class="er-card-terms">{terms}</dl>{state_html(card, by)}'
    )


def state_html(card: Card, by: str = "") -> str:
    """Returns the state of a card in words, and whose it is, as HTML."""
    words = in_words(card.state)
    if card.active and card.total_steps and card.step:
        words += f", {100 * card.step / card.total_steps:.0f} %"
    whose = f" · <bdi>{escape(by)}</bdi>" if by else ""
    return f'<p class="er-state" data-state="{escape(card.state)}">{escape(words)}{whose}</p>'


ORDERS = {
    "Newest": lambda card: -card.created,
    "Name": lambda card: card.name.casefold(),
    "Lowest distortion": lambda card: (card.distortion is None, card.distortion or 0.0),
    "Lowest rate": lambda card: (card.rate is None, card.rate or 0.0),
}


def select(cards: list[Card], search: str = "", order: str = "Newest") -> list[Card]:
    """Returns the cards whose name, dataset or facts hold every word of `search`, sorted; runs at work come first."""
    words = _joined(search).split()
    found = [c for c in cards if all(w in _joined(f"{c.name} {c.dataset} {c.facts} {c.state}") for w in words)]
    return sorted(sorted(found, key=ORDERS[order]), key=lambda card: not card.active)


def _joined(text: str) -> str:
    """`d = 2` as one word, so that a search for it does not find every 2."""
    return text.casefold().replace(" = ", "=")


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


_INDEX: Index[Card] = Index(read_card, lambda card: card.active and card.state not in runs.WAITING)
