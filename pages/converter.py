"""My code says …: what a loss written with torch's reductions minimises. The answers stand in the address."""

from __future__ import annotations

import streamlit as st

from ui import converter, look
from ui.converter_code import our_command, snippet
from ui.converter_faults import GRAVE, sentence
from ui.converter_words import WANTED, reading, summary, wanted_words, way_back
from vae.reductions import WrittenLoss, faults, meaning

TITLE = "My code says …"


def check_address() -> None:
    """The address may hold anything; what this page does not know is taken out, and said."""
    unknown = sorted(set(st.query_params) - set(converter.FIELDS))
    for name in unknown:
        del st.query_params[name]
    refused = converter.take_from_address(dict(st.query_params.items()))
    if unknown:
        named = ", ".join(name[:20] for name in unknown[:3])
        refused.append(f"settings that this page does not know ({named})")
    if refused:
        look.notice(f"The address held what could not be used: {'; '.join(refused)}.")


def results(loss: WrittenLoss) -> None:
    look.label("What it means")
    st.markdown(f"$$\\large {summary(meaning(loss))}$$")
    warnings(loss)
    with st.container(key="er-reading"):
        for line in reading(loss):
            st.markdown(f"$\\displaystyle {line.tex}$\n\n{line.about}")


def warnings(loss: WrittenLoss) -> None:
    found = faults(loss)
    if not found:
        look.notice("This loss is −ELBO, in nats per image.")
    with st.container(key="er-faults", gap="small"):
        for index, one in enumerate(found):
            with st.container(key=f"er-fault-{'grave' if one.name in GRAVE else 'light'}-{index}"):
                st.markdown(sentence(one, loss))


def code(loss: WrittenLoss) -> None:
    look.label("This loss in PyTorch")
    st.code(snippet(loss, converter.image_shape()), language="python", wrap_lines=True)
    look.label("The same here")
    command, why_not = our_command(loss, converter.image_shape())
    if command:
        st.code(command, language="bash", wrap_lines=True)
    else:
        look.note(why_not)


def the_way_back(loss: WrittenLoss) -> None:
    with st.container(key="panel-converter-back"):
        look.label("The other way: what to write")
        value = converter.reverse_question(WANTED.get(loss.error, "C that you want, 1/β"))
        st.markdown(wanted_words(loss, value))
        for line in way_back(loss, value):
            st.markdown(f"${line.tex}$ {line.about}")


check_address()
st.html(look.STATIC / "bits_pages.css")
look.lead(TITLE)
look.note("Sums and means, weights and halves in a loss choose a noise level and a beta. Here is which.")
left, right = st.columns([1, 1.2], gap="large")
with left:
    converter.questions()
loss = converter.written_loss()
with right:
    results(loss)
    code(loss)
    the_way_back(loss)
