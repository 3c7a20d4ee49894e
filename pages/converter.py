"""My code says …: what a loss written with torch's reductions minimises. The answers stand in the address."""

from __future__ import annotations

import streamlit as st

from ui import style
from ui.address import check_address
from ui.converter import questions
from ui.converter.code import our_command, snippet
from ui.converter.faults import GRAVE, sentence, verdict
from ui.converter.projects import INEXPRESSIBLE, PROJECTS
from ui.converter.words import reading, summary, wanted, wanted_words, way_back
from vae.lessons.reductions import WrittenLoss, faults, meaning

TITLE = "My code says …"


def take_answers() -> None:
    """Takes the answers from the address; what cannot be meant is left out, with a notice."""
    check_address(questions.FIELDS)
    if refused := questions.take_from_address(dict(st.query_params.items())):
        style.notice(f"The address contained answers that could not be used: {'; '.join(refused)}.")


def results(loss: WrittenLoss) -> None:
    """Draws what the written loss means, with its faults."""
    found = faults(loss)
    style.label("Verdict")
    with st.container(key=f"er-fault-{'grave' if any(one.name in GRAVE for one in found) else 'fine'}-verdict"):
        st.markdown(verdict(loss, found))
    style.label("What it means")
    with st.container(key="er-summary"):
        st.markdown(summary(meaning(loss)))
    with st.container(key="er-faults", gap="small"):
        for index, one in enumerate(one for one in found if one.name not in GRAVE):
            with st.container(key=f"er-fault-light-{index}"):
                st.markdown(sentence(one, loss))
    with st.container(key="er-reading"):
        for line in reading(loss):
            st.markdown(f"$\\displaystyle {line.tex}$\n\n{line.about}")


def code(loss: WrittenLoss) -> None:
    """Draws the loss in PyTorch, and the command that trains the same here."""
    style.label("This loss in PyTorch")
    st.code(snippet(loss, questions.image_shape()), language="python", wrap_lines=True)
    style.label("The same here")
    command, why_not = our_command(loss, questions.image_shape())
    if command:
        st.code(command, language="bash", wrap_lines=True)
        if loss.range != "unit":
            style.note("For the same pixels from 0 to 1, with C in their units.")
    else:
        style.note(why_not)


def the_way_back(loss: WrittenLoss) -> None:
    """Draws the question which weights to write for a C, and its answer."""
    with st.container(key="panel-converter-back"):
        style.label("The other way: what to write")
        value = questions.reverse_question(wanted(loss))
        st.markdown(wanted_words(loss, value))
        for line in way_back(loss, value):
            st.markdown(f"${line.tex}$ {line.about}")


take_answers()
st.html(style.STATIC / "shared/pages.css")
style.lead(TITLE)
style.note("Sums and means, weights and halves in a loss choose a noise level and a beta. Here is which.")
left, right = st.columns([1, 1.2], gap="large")
with left:
    questions.questions()
loss = questions.written_loss()
project = PROJECTS.get(questions.answer("code"))
with right:
    if project:
        st.markdown(project.about)
    if project is None or project.answers:
        results(loss)
        code(loss)
        the_way_back(loss)
    style.note(INEXPRESSIBLE)
