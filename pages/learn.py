"""Learn: the derivation in steps, each with a live check. `?step=kl-1d`"""

from __future__ import annotations

from html import escape

import streamlit as st

from ui import style
from ui.address import check_address
from ui.lessons.steps import BY_NAME, STEPS, Step, coloured


def read_step() -> Step:
    """Returns the step of the address; the first where there is none, with a word if the address asked for another."""
    check_address(["step"])
    asked = st.query_params.get("step")
    if asked is not None and asked not in BY_NAME:
        del st.query_params["step"]
        style.notice(f"There is no step “{asked[:40]}”; this is the first one.")
    if asked in BY_NAME:
        st.query_params["step"] = asked  # a link to the page that is open leaves the browser's address as it was
    return BY_NAME.get(asked or "", STEPS[0])


def contents(here: Step) -> None:
    """Draws a link to every step."""
    with st.container(key="learn-contents"):
        style.label("The derivation")
        for number, step in enumerate(STEPS, 1):
            with st.container(key="learn-here" if step is here else f"learn-to-{step.name}"):
                to(step, f"{number}. {step.title}")


def to(step: Step, label: str, icon: str | None = None, icon_position: str = "left") -> None:
    """Draws a link to a step."""
    st.page_link(__file__, label=label, icon=icon, icon_position=icon_position, query_params={"step": step.name})


def turn(number: int, place: str, names: tuple[str, str] = ("", "")) -> None:
    """Links to the steps before and after, by their titles or by `names`."""
    with st.container(key=f"learn-turn-{place}", horizontal=True, horizontal_alignment="distribute"):
        if number > 0:
            to(STEPS[number - 1], names[0] or STEPS[number - 1].title, ":material/arrow_back:")
        if number + 1 < len(STEPS):
            to(STEPS[number + 1], names[1] or STEPS[number + 1].title, ":material/arrow_forward:", "right")


def lesson(step: Step) -> None:
    """Draws a step: its equation, the reason, the live check."""
    number = STEPS.index(step)
    with st.container(
        key="learn-head", horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"
    ):
        with st.container(width="content", gap="xxsmall"):
            style.label(f"Step {number + 1} of {len(STEPS)}")
            st.html(f'<h1 class="er-title">{escape(step.title)}</h1>')
        with st.container(width="content"):
            turn(number, "head", ("Previous", "Next"))
    if step.equation:
        with st.container(key="panel-equation", horizontal=True, vertical_alignment="center"):
            for part in coloured(step.equation, st.context.theme.type == "dark"):
                st.markdown(rf"$\displaystyle {part}$", width="content")  # unlike a block, it breaks on a phone
    st.markdown(step.reason)
    step.show_live()
    if step.name != "misprints":
        from ui.lessons import misprints  # torch takes its time: after the text

        misprints.of_step(step.name)
    turn(number, "foot")


st.html(style.STATIC / "learn/learn.css")
step = read_step()
st.set_page_config(page_title=f"{step.title} · Learn · ELBO Room")
left, right = st.columns([1, 3.4], gap="large")
with left:
    contents(step)
with right:
    lesson(step)
