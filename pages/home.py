"""Home: what this is, and the gallery of runs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitInvalidLayoutContextError

from ui import style
from ui.own import bundle, model
from ui.room.menu import about_the_disk, menu
from ui.runs.actions import choose, rename, undo_bar
from ui.runs.gallery import ORDERS, Card, card_html, cards_of, read_card, select
from ui.runs.owners import by_words, may_steer, recorded_owner
from vae import runs

TRAIN, EXPLORE, TAKE = (Path(__file__).with_name(f"{page}.py") for page in ("train", "explore", "take"))
IMAGES = TRAIN.with_name("images.py")
COLUMNS = 3
PAGE = 24  # cards shown before "Show more"
KEPT = (
    "A run keeps its newest weights, the state to go on from and the moments to look back at until it is deleted; what "
    "was deleted is kept for a day."
)
MANY = 8  # runs from which on there is a search field


def hero(first_visit: bool) -> None:
    """Draws what this is, and the button to begin."""
    style.lead("Train a variational autoencoder and watch its two terms trade places.")
    st.html(
        '<p class="er-sub">The ELBO is a bargain between <b class="er-distortion">distortion</b>, how far the '
        'reconstructions are off, and <b class="er-rate">rate</b>, how much the code says about each image. '
        "Here you turn the price of the bargain, C, while the model learns.</p>"
    )
    label = "Train your first VAE" if first_visit else "Train a VAE"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(label, type="primary", icon=":material/play_arrow:", key="train-new"):
            st.switch_page(TRAIN, query_params={})
        st.page_link(IMAGES, label="or on your own images", icon=":material/add_photo_alternate:")
        menu()


def empty() -> None:
    """Draws what will happen, where there are no runs yet."""
    with st.container(key="panel-empty"):
        st.html(
            '<ol class="er-steps">'
            "<li><b>Press the button.</b> Handwritten digits come with the app; nothing is downloaded.</li>"
            "<li><b>Watch for a minute.</b> Blurs become digits, distortion falls, rate rises.</li>"
            "<li><b>Turn C.</b> Sharper pictures or a simpler code: the curves show what each costs.</li></ol>"
        )


def draw(card: Card) -> tuple[st.delta_generator.DeltaGenerator, str]:
    """Draws one card; returns the place of its picture and numbers, and whose it is, in words."""
    owner = recorded_owner(card.path)
    by = by_words(owner)
    with st.container(key=f"run-card-{card.name}"):
        place = st.empty()
        place.html(card_html(card, by))
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            if not card.problem:
                page = EXPLORE if card.untrained else TRAIN
                st.page_link(page, label="Open", query_params={"run": card.name}, help=None)
            if runs.is_shipped(card.path):
                style.note("demo")
            options = [] if card.problem else ["Take away"]
            if may_steer(owner) and not card.active and not runs.is_shipped(card.path):
                options += ["Delete"] if card.problem else ["Rename", "Delete"]
            if options:
                key = f"menu-{card.name}"
                st.menu_button("More", options, key=key, type="tertiary", on_click=choose, args=(card.path, key))
    return place, by


def gallery(cards: list[Card]) -> None:
    """Draws the runs as cards, with a search field where there are many."""
    search, order = "", "Newest"
    if len(cards) >= MANY:
        with st.container(horizontal=True):
            search = st.text_input(
                "Search", placeholder="Search name, dataset, likelihood", label_visibility="collapsed", key="search"
            )
            order = st.selectbox("Sort", list(ORDERS), label_visibility="collapsed", width=200, key="order")
    found = select(cards, search, order)
    shown = found[: st.session_state.get("shown", PAGE)]
    if not found:
        style.note(f"No run matches “{search}”.")
    places = {}
    for start in range(0, len(shown), COLUMNS):
        for column, card in zip(st.columns(COLUMNS, gap="medium"), shown[start : start + COLUMNS], strict=False):
            with column:
                places[card.path] = (*draw(card), card.state)
    if len(found) > len(shown) and st.button(f"Show more ({len(found) - len(shown)})", key="more"):
        st.session_state["shown"] = len(shown) + PAGE
        st.rerun()
    active = {path: place for path, place in places.items() if place[2] in runs.ACTIVE}
    if active:
        follow(active)


@st.fragment(run_every=2.0)
def follow(places: dict[Path, tuple[st.delta_generator.DeltaGenerator, str, str]]) -> None:
    """Keeps the cards of active runs up to date; draws the page anew when one of them ends."""
    for path, (place, by, state) in places.items():
        if not path.is_dir():
            st.rerun()
        card = read_card(path)
        if card.state != state and not card.active:
            st.rerun()
        try:
            place.html(card_html(card, by))
        except StreamlitInvalidLayoutContextError:  # a newer run of the page was broken off before it came here
            st.rerun()


cards = cards_of()
hero(first_visit=not any(not runs.is_shipped(card.path) for card in cards))
st.space("small")
if notice := st.session_state.pop("notice", None):
    style.notice(notice)
about_the_disk()
undo_bar()
own = st.expander("Open a model of yours", icon=":material/upload_file:", key="own-model", on_change="rerun")
if own.open:
    with own:
        model.panel(EXPLORE)
back = st.expander("Bring a run back", icon=":material/unarchive:", key="bring-back", on_change="rerun")
if back.open:
    with back:
        bundle.panel(EXPLORE)
if taken := st.session_state.pop("take-away", None):
    st.switch_page(TAKE, query_params={"run": taken})
if renaming := st.session_state.pop("renaming", None):
    rename(renaming)
if cards:
    gallery(cards)
    style.note(KEPT)
else:
    empty()
